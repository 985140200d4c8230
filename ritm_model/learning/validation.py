"""How good the model is on photographs that it has not learnt from: IoU after 1, 2, … simulated clicks.

The whole photograph is fitted into the crop of training and the clicks are those of the evaluation
(`ritm_model.simulation`), without zooming: quick, and steady enough to compare models while they learn.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ritm_model.clicks import Click, points_array
from ritm_model.datasets.layers import Instance
from ritm_model.learning.augment import augment, pipeline
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.photographs import TrainingPhotograph
from ritm_model.learning.scene import Scene
from ritm_model.learning.step.step import Interaction, predict
from ritm_model.networks import InteractiveModel
from ritm_model.simulation import next_click

THRESHOLD = 0.49


@dataclass(frozen=True, slots=True)
class ValidationObject:
    """One object of one photograph."""

    photograph: TrainingPhotograph
    instance: Instance

    def scene(self) -> Scene:
        """The photograph; of one that has several masks, always the same."""
        return self.photograph.scene(_random_of(self.photograph))


def questions(photographs: Sequence[TrainingPhotograph], count: int) -> tuple[ValidationObject, ...]:
    """Choose up to `count` objects, always the same ones: of each photograph one, then of each another."""
    ordered = sorted(photographs, key=lambda photograph: _digest(photograph.name))[:count]
    ranked = [
        (rank, place, ValidationObject(photograph, instance))
        for place, photograph in enumerate(ordered)
        for rank, instance in enumerate(_shuffled(photograph))
    ]
    return tuple(question for _, _, question in sorted(ranked, key=lambda item: item[:2])[:count])


def validate(
    model: InteractiveModel,
    asked: Sequence[ValidationObject],
    size: tuple[int, int],
    clicks: int,
    world: World,
) -> npt.NDArray[np.float64]:
    """Mean IoU after 1 … `clicks` clicks; the model is in eval mode afterwards.

    Every process asks its share of the questions, and all learn the mean.
    """
    model.eval()
    transforms = pipeline("validation", size)
    ious = torch.zeros(len(asked), clicks, dtype=torch.float64)
    for number in range(world.rank, len(asked), world.size):
        ious[number] = torch.tensor(_ious(model, asked[number], transforms, clicks), dtype=torch.float64)
    all_ious = world.mean(ious).numpy() * world.size
    mean: npt.NDArray[np.float64] = all_ious.mean(axis=0)
    return mean


@torch.no_grad()
def _ious(
    model: InteractiveModel, question: ValidationObject, transforms: object, clicks: int
) -> list[float]:
    scene = augment(question.scene(), transforms, seed=0)
    object_HW = scene.mask(question.instance)
    truth_HW = np.where(scene.ignored_HW, -1, object_HW).astype(np.int8)
    device = model.device
    image_13HW = (torch.from_numpy(scene.image_HW3).permute(2, 0, 1)[None].float() / 255).to(device)
    prev_mask_11HW = torch.zeros_like(image_13HW[:, :1])
    mask_HW = np.zeros(scene.size, bool)
    counts_HW = ~scene.ignored_HW
    made: list[Click] = []
    ious = []
    for _ in range(clicks):
        made.append(next_click(mask_HW, truth_HW))
        points_1P3 = torch.from_numpy(points_array(made))[None].to(device)
        logits = predict(model, image_13HW, Interaction(points_1P3, prev_mask_11HW))["instances"]
        prev_mask_11HW = logits.sigmoid()
        mask_HW = (prev_mask_11HW[0, 0] > THRESHOLD).cpu().numpy()
        common, either = (mask_HW & object_HW & counts_HW).sum(), ((mask_HW | object_HW) & counts_HW).sum()
        ious.append(float(common / max(either, 1)))
    return ious


def _shuffled(photograph: TrainingPhotograph) -> list[Instance]:
    wholes = photograph.scene(_random_of(photograph)).wholes
    return sorted(wholes, key=lambda each: _digest(f"{photograph.name}/{each.layer}/{each.value}"))


def _random_of(photograph: TrainingPhotograph) -> np.random.Generator:
    return np.random.default_rng(int(_digest(photograph.name), 16))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
