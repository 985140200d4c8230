"""The learning step: simulate clicks that correct the model's own masks, then learn from the last one.

Shapes: B batch, H and W the image, P = 2N points (N positive, then N negative), 3 = (row, column, order).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from ritm_model.learning.step.losses import BinaryCrossEntropy, Loss, NormalizedFocalLoss
from ritm_model.learning.step.next_clicks import Chooser, next_points
from ritm_model.networks import InteractiveModel

Network = Callable[[Tensor, Tensor], dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What is learnt from.

    Until it is on the device that learns, image, truth and given masks are bytes: a quarter of the memory
    that workers hand over and that is copied to a GPU.

    Attributes:
        image_B3HW: RGB, uint8 or float in [0, 1].
        truth_B1HW: int8 or float, 1 on the object, 0 off it, -1 ignored.
        points_BP3: float clicks sampled beforehand; unused rows are (-1, -1, -1).
        given_B1HW: masks to correct, bool or float of 0 and 1; those of samples that start from nothing are
            empty. None where all start from nothing.
        broken: what could not be read when its samples were drawn, so that they were drawn anew: sentences
            that name the files, one for each time.
    """

    image_B3HW: Tensor
    truth_B1HW: Tensor
    points_BP3: Tensor
    given_B1HW: Tensor | None = None
    broken: tuple[str, ...] = ()

    def on(self, device: torch.device, memory_format: torch.memory_format) -> Batch:
        """The same batch as floats on a device, the image laid out in memory in this way."""
        moved = self._each(lambda part: part.to(device, non_blocking=True))  # waits unless memory is pinned
        image = moved.image_B3HW
        scaled = image if image.is_floating_point() else image.float() / 255
        floats = replace(moved, image_B3HW=scaled.contiguous(memory_format=memory_format))
        return floats._each(Tensor.float)

    def pin_memory(self) -> Batch:
        """The same batch in pinned memory; the data loader calls this by its name."""
        return self._each(Tensor.pin_memory)

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        given = None if self.given_B1HW is None else change(self.given_B1HW)
        return replace(
            self,
            image_B3HW=change(self.image_B3HW),
            truth_B1HW=change(self.truth_B1HW),
            points_BP3=change(self.points_BP3),
            given_B1HW=given,
        )


@dataclass(frozen=True, slots=True)
class Interaction:
    """The state before the pass that is learnt from: clicks, and the mask that the earlier ones gave."""

    points_BP3: Tensor
    prev_mask_B1HW: Tensor


@dataclass(frozen=True, slots=True)
class Objective:
    """Losses and their weights; `auxiliary` counts where the model has an auxiliary output."""

    instance: Loss = field(default_factory=NormalizedFocalLoss)
    instance_weight: float = 1.0
    auxiliary: Loss = field(default_factory=BinaryCrossEntropy)
    auxiliary_weight: float = 0.4


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass gave: `total` to go downhill on, its parts unweighted, and the logits."""

    total: Tensor
    parts: dict[str, Tensor]
    logits_B1HW: Tensor


@torch.no_grad()
def interact(
    model: InteractiveModel,
    batch: Batch,
    clicks: int,
    randoms: Sequence[Chooser],
    here: Batch | None = None,
) -> Interaction:
    """Let the simulated user correct the model's masks with so many clicks.

    The model runs in eval mode, as it will with real users, and comes back in the mode it was in. With
    0 clicks it does not run, and the previous mask is the given one, or empty.

    Args:
        model: to correct.
        batch: to segment.
        clicks: corrections of every sample.
        randoms: one for each sample, so that a sample's clicks do not depend on what else is in the batch.
        here: the batch as it is on the CPU, where clicks are chosen; a GPU is waited for if it is not given.
    """
    given = torch.zeros_like(batch.truth_B1HW) if batch.given_B1HW is None else batch.given_B1HW
    interaction = Interaction(batch.points_BP3, given)
    was_training = model.training
    if clicks:  # what clicks are chosen by is on the CPU from here on
        here = here or batch
        truth, points = here.truth_B1HW.cpu(), here.points_BP3.float().cpu()
    model.eval()
    try:
        for order in range(1, clicks + 1):
            prev_mask = predict(model, batch.image_B3HW, interaction)["instances"].sigmoid()
            points = next_points(prev_mask, truth, points, order, randoms)
            interaction = Interaction(points.to(prev_mask.device, non_blocking=True), prev_mask)
    finally:
        model.train(was_training)
    return interaction


def drop_prev_masks(
    interaction: Interaction,
    prob: float,
    randoms: Sequence[np.random.Generator],
    given_B1HW: Tensor | None = None,
) -> Interaction:
    """Empty the previous mask of each sample with probability `prob`; its clicks stay.

    Where a mask was given the clicks alone do not say what is meant, so those masks stay, too.
    """
    kept = torch.tensor([random.random() >= prob for random in randoms])
    prev_mask_B1HW = interaction.prev_mask_B1HW
    kept = kept.to(prev_mask_B1HW.device, non_blocking=True)
    if given_B1HW is not None:
        kept = kept | given_B1HW.flatten(1).any(1)
    return replace(interaction, prev_mask_B1HW=prev_mask_B1HW * kept.view(-1, 1, 1, 1))


def learn(
    model: InteractiveModel,
    batch: Batch,
    interaction: Interaction,
    objective: Objective,
    network: Network | None = None,
) -> PassResult:
    """Run the model once, in the mode it is in and with gradients, and compare its answer to the truth.

    Args:
        model: to learn.
        batch: with the truth.
        interaction: what came before.
        objective: what to compare by.
        network: runs in place of the model, whose weights it shares.
    """
    outputs = predict(model, batch.image_B3HW, interaction, network)
    parts = {"instance_loss": objective.instance(outputs["instances"], batch.truth_B1HW).mean()}
    total = objective.instance_weight * parts["instance_loss"]
    if "instances_aux" in outputs:
        parts["aux_loss"] = objective.auxiliary(outputs["instances_aux"], batch.truth_B1HW).mean()
        total = total + objective.auxiliary_weight * parts["aux_loss"]
    return PassResult(total, parts, outputs["instances"])


def predict(
    model: InteractiveModel, image_B3HW: Tensor, interaction: Interaction, network: Network | None = None
) -> dict[str, Tensor]:
    """Run the model, or a network in its place, on the image and, if it takes one, the previous mask.

    Returns:
        Logits in full precision, whatever the network computed in.
    """
    image = image_B3HW
    if model.with_prev_mask:
        image = torch.cat([image_B3HW, interaction.prev_mask_B1HW], dim=1)
    outputs = (network or model)(image, interaction.points_BP3)
    return {name: logits.float() for name, logits in outputs.items()}
