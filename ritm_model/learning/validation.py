"""How good the model is on photographs that it has not learnt from: IoU after 1, 2, … simulated clicks.

The whole photograph is fitted into the crop of training and the clicks are those of the evaluation
(`ritm_model.simulation`), without zooming: quick, and steady enough to compare models while they learn.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ritm_model.clicks import Click, points_array
from ritm_model.datasets.layers import Instance
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import TrainingError
from ritm_model.learning.augment import augment, pipeline
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.stopping import SIGNALS, RunStopped, Stop
from ritm_model.learning.photographs import TrainingPhotograph
from ritm_model.learning.scene import Scene
from ritm_model.learning.step.step import Interaction, predict
from ritm_model.networks import InteractiveModel
from ritm_model.simulation import next_click

THRESHOLD = 0.49

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ValidationObject:
    """One object of one photograph."""

    photograph: TrainingPhotograph
    instance: Instance

    def scene(self) -> Scene:
        """The photograph; of one that has several masks, always the same."""
        return self.photograph.scene(_random_of(self.photograph))


def questions(
    photographs: Sequence[TrainingPhotograph], count: int, *, skip_broken: bool = False
) -> tuple[ValidationObject, ...]:
    """Choose up to `count` objects, always the same ones: of each photograph one, then of each another.

    Args:
        photographs: to choose from.
        count: of objects.
        skip_broken: leave out photographs that cannot be read, with a warning. Otherwise they are errors.

    Raises:
        BrokenFileError: a photograph cannot be read, or none of them can.
    """
    ordered = sorted(photographs, key=lambda photograph: _digest(photograph.name))[:count]
    ranked: list[tuple[int, int, ValidationObject]] = []
    broken: BrokenFileError | None = None
    for place, photograph in enumerate(ordered):
        try:
            instances = _shuffled(photograph)
        except BrokenFileError as error:
            if not skip_broken:
                raise
            broken = error
            _warn(error)
            continue
        ranked += [(rank, place, ValidationObject(photograph, each)) for rank, each in enumerate(instances)]
    if broken and not ranked:
        raise broken
    return tuple(question for _, _, question in sorted(ranked, key=lambda item: item[:2])[:count])


def validate(
    model: InteractiveModel,
    asked: Sequence[ValidationObject],
    size: tuple[int, int],
    clicks: int,
    world: World,
    stop: Stop | None = None,
) -> npt.NDArray[np.float64]:
    """Ask for every object; the model is in eval mode afterwards.

    Every process asks its share of the questions, and all learn the answers.

    Returns:
        N x `clicks`: IoUs after 1, 2, … clicks of the N objects whose photographs can be read. The others are
        left out with a warning.

    Raises:
        TrainingError: none of them can be read.
        RunStopped: a process was told to end meanwhile.
    """
    stop = stop or Stop()
    model.eval()
    transforms = pipeline("validation", size)
    ious = torch.zeros(len(asked), clicks, dtype=torch.float64)
    for number in range(world.rank, len(asked), world.size):
        if stop.signal:
            break
        ious[number] = torch.tensor(_ious(model, asked[number], transforms, clicks), dtype=torch.float64)
    if world.mean(torch.tensor(float(stop.signal or 0))) > 0:
        raise RunStopped(stop.signal or SIGNALS[0])
    found: npt.NDArray[np.float64] = world.mean(ious).numpy() * world.size
    found = found[~np.isnan(found).any(axis=1)]
    if not len(found):
        raise TrainingError("No photograph of the validation split can be read.")
    return found


@torch.no_grad()
def _ious(
    model: InteractiveModel, question: ValidationObject, transforms: object, clicks: int
) -> list[float]:
    try:
        whole = question.scene()
    except BrokenFileError as error:
        _warn(error)
        return [math.nan] * clicks
    scene = augment(whole, transforms, seed=0)
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


def _warn(error: BrokenFileError) -> None:
    _logger.warning("%s The validation does without it.", error)


def _shuffled(photograph: TrainingPhotograph) -> list[Instance]:
    wholes = photograph.scene(_random_of(photograph)).wholes
    return sorted(wholes, key=lambda each: _digest(f"{photograph.name}/{each.layer}/{each.value}"))


def _random_of(photograph: TrainingPhotograph) -> np.random.Generator:
    return np.random.default_rng(int(_digest(photograph.name), 16))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
