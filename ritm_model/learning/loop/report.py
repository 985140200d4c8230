"""What the host wants to know of a step, of all processes together.

A GPU works ahead of the host until the host asks for a number; then each waits for the other. So all numbers
of a step are asked for at once. Shapes: B samples of the whole batch, W processes, N numbers of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ritm_model.learning.loop.distributed import World
from ritm_model.learning.step.losses import Loss, NormalizedFocalLoss
from ritm_model.learning.step.metrics import AdaptiveIoU
from ritm_model.learning.step.step import Batch, PassResult


@dataclass(frozen=True, slots=True)
class StepReport:
    """The numbers of a step, on the CPU.

    Attributes:
        losses: by name, "loss" being what was made small; means over the processes.
        gradient_norm: before it was clipped.
        has_broken: a sample of the batch had to be drawn anew, in any process.
        is_told_to_stop: any process was.
        ious_4B: see `AdaptiveIoU.sample_ious`.
        scales_3B: see `NormalizedFocalLoss.scales`; None for other losses.
    """

    losses: dict[str, float]
    gradient_norm: float
    has_broken: bool
    is_told_to_stop: bool
    ious_4B: Tensor
    scales_3B: Tensor | None

    @property
    def is_finite(self) -> bool:
        """Whether the losses are; see `gradient_norm` for the gradient."""
        return all(map(math.isfinite, self.losses.values()))


@torch.no_grad()
def report_step(
    batch: Batch,
    outcome: PassResult,
    norm: Tensor,
    iou: AdaptiveIoU,
    loss: Loss,
    world: World,
    *,
    is_told: bool,
) -> StepReport:
    """Compute what the host wants to know where the step was made, and bring it to the CPU at once.

    Args:
        batch: of this process, on its device.
        outcome: what the model answered.
        norm: of the gradient, the same in every process.
        iou: with the thresholds to measure at.
        loss: of the mask.
        world: the processes, all of which are here.
        is_told: this process was told to end.
    """
    logits_B1HW = outcome.logits_B1HW.detach()
    names = [*outcome.parts, "loss"]
    losses = torch.stack([*outcome.parts.values(), outcome.total, norm])
    parts = [
        losses,
        losses.new_full((1,), float(bool(batch.broken))),
        losses.new_full((1,), float(is_told)),
        iou.sample_ious(logits_B1HW, batch.truth_B1HW).flatten(),
    ]
    if isinstance(loss, NormalizedFocalLoss):
        parts.append(loss.scales(logits_B1HW, batch.truth_B1HW).flatten())
    all_WN = world.gather(torch.cat(parts)[None]).cpu()
    each = all_WN.split_with_sizes([len(part) for part in parts], dim=1)
    means = each[0].mean(0).tolist()
    return StepReport(
        losses=dict(zip(names, means, strict=False)),
        gradient_norm=means[-1],
        has_broken=bool(each[1].any()),
        is_told_to_stop=bool(each[2].any()),
        ious_4B=_by_sample(each[3], 4),
        scales_3B=_by_sample(each[4], 3) if len(each) > 4 else None,
    )


def _by_sample(each_WN: Tensor, rows: int) -> Tensor:
    """Put the samples of all processes side by side: `rows` x B."""
    return each_WN.view(len(each_WN), rows, -1).transpose(0, 1).flatten(1)
