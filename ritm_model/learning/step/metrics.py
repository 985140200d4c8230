"""How well the batch was segmented, while the best threshold is being followed.

Shapes: B batch, H and W the image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ritm_model.learning.step.losses import IGNORED

STEP = 0.025
THRESHOLD_DECAY = 0.99
IOU_DECAY = 0.9


@dataclass(frozen=True, slots=True)
class AdaptiveIoU:
    """IoU at a threshold that slowly walks to where the IoU is best.

    Attributes:
        threshold: of the probability.
        running: exponential moving average (EMA) of the IoU of the batches.
        total: sum of the IoU of the batches.
        batches: how many.
    """

    threshold: float = 0.4
    running: float = 0.0
    total: float = 0.0
    batches: int = 0

    def updated(self, logits_B1HW: Tensor, label_B1HW: Tensor) -> AdaptiveIoU:
        """Take a batch in. One without any object changes nothing."""
        return self.with_ious(self.sample_ious(logits_B1HW, label_B1HW))

    @torch.no_grad()
    def sample_ious(self, logits_B1HW: Tensor, label_B1HW: Tensor) -> Tensor:
        """Compute the IoU of every sample at the threshold, below and above it.

        Returns:
            4 x B; NaN where there is neither object nor mask. The last row is 1 where there is an object.
        """
        probability = logits_B1HW.sigmoid()
        thresholds = (self.threshold, self.threshold - STEP, self.threshold + STEP)
        ious = [_ious(probability, label_B1HW, threshold) for threshold in thresholds]
        return torch.stack([*ious, (label_B1HW > 0.5).flatten(1).any(1).to(ious[0].dtype)])

    def with_ious(self, ious_4B: Tensor) -> AdaptiveIoU:
        """Take in what `sample_ious` gave, of several parts of a batch put together as the case may be."""
        if not ious_4B[3].any():
            return self
        best_threshold, best = self.threshold, _mean(ious_4B[0])
        for threshold, ious_B in ((self.threshold - STEP, ious_4B[1]), (self.threshold + STEP, ious_4B[2])):
            iou = _mean(ious_B)
            if iou > best:
                best_threshold, best = threshold, iou
        return AdaptiveIoU(
            threshold=THRESHOLD_DECAY * self.threshold + (1 - THRESHOLD_DECAY) * best_threshold,
            running=IOU_DECAY * self.running + (1 - IOU_DECAY) * best,
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


def _ious(probability_B1HW: Tensor, label_B1HW: Tensor, threshold: float) -> Tensor:
    """Of each sample, NaN where it has neither object nor mask; ignored pixels belong to neither."""
    truth = (label_B1HW > 0.5).flatten(1)
    mask = ((probability_B1HW > threshold) & (label_B1HW != IGNORED)).flatten(1)
    return (truth & mask).sum(1) / (truth | mask).sum(1)


def _mean(ious_B: Tensor) -> float:
    return float(ious_B[~ious_B.isnan()].mean())
