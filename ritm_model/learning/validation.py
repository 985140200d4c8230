"""How good the model is on photographs that it has not learnt from: IoU after 1, 2, … simulated clicks.

The whole photograph is fitted into the crop of training and the clicks are those of the evaluation
(`ritm_model.simulation`), without zooming: quick, and steady enough to compare models while they learn.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ritm_model.clicks import Click, points_array
from ritm_model.datasets.layers import Instance
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import TrainingError
from ritm_model.learning.augment import augment, pipeline
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.stopping import SIGNALS, RunStopped, Stop
from ritm_model.learning.loop.workers import begin_worker, each_of
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
            _warn(str(error))
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
    *,
    at_once: int = 1,
    workers: int = 0,
) -> npt.NDArray[np.float64]:
    """Ask for every object; the model is in eval mode afterwards.

    Every process asks its share of the questions, and all learn the answers.

    Args:
        model: to ask.
        asked: the objects.
        size: (H, W) into which photographs are fitted.
        clicks: on each object.
        world: the processes.
        stop: tells them to end meanwhile.
        at_once: objects that are asked for together.
        workers: processes that read photographs for this one.

    Returns:
        N x `clicks`: IoUs after 1, 2, … clicks of the N objects whose photographs can be read. The others are
        left out with a warning.

    Raises:
        TrainingError: none of them can be read.
        RunStopped: a process was told to end meanwhile.
    """
    stop = stop or Stop()
    model.eval()
    loader: DataLoader[Any] = DataLoader(
        _Shows(asked, size),
        batch_size=at_once,
        sampler=range(world.rank, len(asked), world.size),
        num_workers=min(workers, math.ceil(len(asked) / world.size / at_once)),
        collate_fn=list,
        worker_init_fn=begin_worker if workers else None,
    )
    ious = torch.zeros(len(asked), clicks, dtype=torch.float64)
    with closing(each_of(loader)) as batches:
        for batch in batches:
            if stop.signal:
                break
            for broken in batch:
                if isinstance(broken, _Broken):
                    _warn(broken.reason)
                    ious[broken.number] = math.nan
            if shown := [each for each in batch if isinstance(each, _Shown)]:
                ious[[each.number for each in shown]] = _ious(model, shown, clicks, stop)
    if world.mean(torch.tensor(float(stop.signal or 0))) > 0:
        raise RunStopped(stop.signal or SIGNALS[0])
    found: npt.NDArray[np.float64] = world.mean(ious).numpy() * world.size
    found = found[~np.isnan(found).any(axis=1)]
    if not len(found):
        raise TrainingError("No photograph of the validation split can be read.")
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Shown:
    """An object of a photograph that is fitted into the crop.

    Attributes:
        number: of the question.
        image_HW3: uint8.
        truth_HW: int8, 1 on the object, 0 off it, -1 ignored.
    """

    number: int
    image_HW3: npt.NDArray[np.uint8]
    truth_HW: npt.NDArray[np.int8]

    def iou(self, mask_HW: npt.NDArray[np.bool_]) -> float:
        object_HW, counts_HW = self.truth_HW == 1, self.truth_HW >= 0
        common, either = (mask_HW & object_HW).sum(), ((mask_HW | object_HW) & counts_HW).sum()
        return float(common / max(either, 1))


@dataclass(frozen=True, slots=True)
class _Broken:
    """A question whose photograph cannot be read."""

    number: int
    reason: str


class _Shows(Dataset["_Shown | _Broken"]):
    """What is asked, by its number."""

    def __init__(self, asked: Sequence[ValidationObject], size: tuple[int, int]) -> None:
        self._asked = asked
        self._transforms = pipeline("validation", size)

    def __len__(self) -> int:
        return len(self._asked)

    def __getitem__(self, number: int) -> _Shown | _Broken:
        question = self._asked[number]
        try:
            whole = question.scene()
        except BrokenFileError as error:
            return _Broken(number, str(error))
        scene = augment(whole, self._transforms, seed=0)
        truth_HW = np.where(scene.ignored_HW, -1, scene.mask(question.instance)).astype(np.int8)
        return _Shown(number, scene.image_HW3, truth_HW)


@torch.no_grad()
def _ious(model: InteractiveModel, shown: Sequence[_Shown], clicks: int, stop: Stop) -> Tensor:
    """B x `clicks`; after a signal to stop, the rest is 0."""
    device = model.device
    images = torch.from_numpy(np.stack([each.image_HW3 for each in shown])).to(device)
    image_B3HW = images.permute(0, 3, 1, 2).float() / 255
    prev_mask_B1HW = torch.zeros_like(image_B3HW[:, :1])
    masks_BHW = np.zeros((len(shown), *image_B3HW.shape[2:]), bool)
    made: list[list[Click]] = [[] for _ in shown]
    ious = torch.zeros(len(shown), clicks, dtype=torch.float64)
    for done in range(clicks):
        if stop.signal:
            break
        for each, mask_HW, so_far in zip(shown, masks_BHW, made, strict=True):
            so_far.append(next_click(mask_HW, each.truth_HW))
        points = np.stack([points_array(each, least=clicks) for each in made])
        interaction = Interaction(torch.from_numpy(points).to(device), prev_mask_B1HW)
        prev_mask_B1HW = predict(model, image_B3HW, interaction)["instances"].sigmoid()
        masks_BHW = (prev_mask_B1HW[:, 0] > THRESHOLD).cpu().numpy()
        found = [each.iou(mask_HW) for each, mask_HW in zip(shown, masks_BHW, strict=True)]
        ious[:, done] = torch.tensor(found, dtype=torch.float64)
    return ious


def _warn(reason: str) -> None:
    _logger.warning("%s The validation does without it.", reason)


def _shuffled(photograph: TrainingPhotograph) -> list[Instance]:
    wholes = photograph.scene(_random_of(photograph)).wholes
    return sorted(wholes, key=lambda each: _digest(f"{photograph.name}/{each.layer}/{each.value}"))


def _random_of(photograph: TrainingPhotograph) -> np.random.Generator:
    return np.random.default_rng(int(_digest(photograph.name), 16))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
