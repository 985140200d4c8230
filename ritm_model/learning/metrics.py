"""How well the batch was segmented, while the best threshold is being followed.

Shapes: B batch, H and W the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ritm_model.learning.losses import IGNORED

STEP = 0.025
THRESHOLD_INERTIA = 0.99
IOU_INERTIA = 0.9


@dataclass(frozen=True, slots=True)
class AdaptiveIoU:
    """IoU at a threshold that slowly walks to where the IoU is best.

    Attributes:
        threshold: of the probability.
        running: exponential mean of the IoU of the batches.
        total: sum of the IoU of the batches.
        batches: how many.
    """

    threshold: float = 0.4
    running: float = 0.0
    total: float = 0.0
    batches: int = 0

    @torch.no_grad()
    def updated(self, logits_B1HW: Tensor, label_B1HW: Tensor) -> AdaptiveIoU:
        """Take a batch in. One without any object changes nothing."""
        if not (label_B1HW > 0.5).any():
            return self
        probability = logits_B1HW.sigmoid()
        best_threshold, best = self.threshold, mean_iou(probability, label_B1HW, self.threshold)
        for threshold in (self.threshold - STEP, self.threshold + STEP):
            iou = mean_iou(probability, label_B1HW, threshold)
            if iou > best:
                best_threshold, best = threshold, iou
        return AdaptiveIoU(
            threshold=THRESHOLD_INERTIA * self.threshold + (1 - THRESHOLD_INERTIA) * best_threshold,
            running=IOU_INERTIA * self.running + (1 - IOU_INERTIA) * best,
            total=self.total + best,
            batches=self.batches + 1,
        )

    @property
    def mean(self) -> float:
        """Mean IoU since the last `new_epoch`, 0 before the first batch."""
        return self.total / self.batches if self.batches else 0.0

    def new_epoch(self) -> AdaptiveIoU:
        """Begin a new mean; threshold and running mean go on."""
        return replace(self, total=0.0, batches=0)


def mean_iou(probability_B1HW: Tensor, label_B1HW: Tensor, threshold: float) -> float:
    """Mean over the samples that have an object or a mask; ignored pixels belong to neither."""
    truth = (label_B1HW > 0.5).flatten(1)
    mask = ((probability_B1HW > threshold) & (label_B1HW != IGNORED)).flatten(1)
    common = (truth & mask).sum(1)
    either = (truth | mask).sum(1)
    seen = either > 0
    return float((common[seen] / either[seen]).mean())
