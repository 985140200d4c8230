"""What the live model makes of the pictures of tasks; kept, so each is looked at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from ritm_model.checkpoints import load_model, model_version
from ritm_model.images import ImageError, decode_image
from ritm_model.inference import Predictor, open_predictor
from ritm_model.networks import InteractiveModel
from ritm_model.selection.features import features_of
from ritm_model.selection.probing import probe
from ritm_model.values import ForeignValue
from ritm_ops.object_store import StoreError
from ritm_ops.pictures.errors import FetchError
from training.next.project import Task

OnTask = Callable[[int, int], None]
"""Called with how many tasks are done, and of how many."""


class Judgement(ForeignValue):
    """What a model makes of a picture, or the mean over the pictures of a task.

    Attributes:
        mirror: disagreement of its answers with those on the mirror image.
        shift: disagreement of its answers with those to clicks a little beside.
        areas: what each answer covers, as a part of the picture.
        features: the means of the network's features.
    """

    mirror: float
    shift: float
    areas: tuple[float, ...]
    features: tuple[float, ...]


class Judge(Protocol):
    """Looks at pictures with one model."""

    @property
    def version(self) -> str:
        """Of the model."""

    def judge(self, data: bytes) -> Judgement:
        """Look at a picture. Raises ImageError."""


class Fetcher(Protocol):
    """Gives the bytes of the pictures of tasks; see `ritm_ops.pictures.PictureFetcher`."""

    def fetch(self, reference: str, *, task_id: int | None = None) -> bytes: ...


@dataclass(frozen=True)
class ModelJudge:
    """Looks at pictures with a model that is open."""

    version: str
    predictor: Predictor = field(repr=False)
    network: InteractiveModel = field(repr=False)

    @classmethod
    def open(cls, model: Path, device: str) -> ModelJudge:
        """Raises CheckpointError, or RitmError where there is no such device."""
        predictor = open_predictor(model, device)
        return cls(model_version(model), predictor, load_model(model).eval())

    def judge(self, data: bytes) -> Judgement:
        image_HW3 = decode_image(data)
        seen = probe(self.predictor, image_HW3)
        features = tuple(float(value) for value in features_of(self.network, image_HW3))
        return Judgement(mirror=seen.mirror, shift=seen.shift, areas=seen.areas, features=features)


class Kept:
    """Judgements of one model, in a file of a line each. One process writes at a time."""

    def __init__(self, folder: Path, version: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for other in folder.glob("*.jsonl"):  # of models that are no longer live
            if other.stem != version:
                other.unlink(missing_ok=True)
        self._path = folder / f"{version}.jsonl"
        self._found = dict(self._lines())

    def get(self, reference: str) -> Judgement | None:
        return self._found.get(_key(reference))

    def add(self, reference: str, judgement: Judgement) -> None:
        self._found[_key(reference)] = judgement
        with self._path.open("a") as file:
            file.write(json.dumps({"key": _key(reference), **judgement.model_dump(mode="json")}) + "\n")

    def _lines(self) -> Iterator[tuple[str, Judgement]]:
        text = self._path.read_text() if self._path.exists() else ""
        for line in text.rpartition("\n")[0].splitlines():  # the last is cut off when a process was killed
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                yield row["key"], Judgement.model_validate(row)


def judged(
    tasks: Sequence[Task], judge: Judge, fetcher: Fetcher, kept: Kept, on_task: OnTask
) -> tuple[dict[int, Judgement], dict[int, str]]:
    """Look at the pictures of tasks.

    Returns:
        The judgements by the number of the task, and of tasks that have none, the reasons.
    """
    found: dict[int, Judgement] = {}
    problems: dict[int, str] = {}
    for place, task in enumerate(tasks, 1):
        try:
            of_pictures = [_of_picture(each, task.id, judge, fetcher, kept) for each in task.references]
        except (FetchError, StoreError, ImageError) as error:
            problems[task.id] = str(error)
        else:
            if of_pictures:
                found[task.id] = _mean(of_pictures)
            else:
                problems[task.id] = "The labeling configuration and the task's data name no picture."
        on_task(place, len(tasks))
    return found, problems


def _of_picture(reference: str, task_id: int, judge: Judge, fetcher: Fetcher, kept: Kept) -> Judgement:
    known = kept.get(reference)
    if known is None:
        known = judge.judge(fetcher.fetch(reference, task_id=task_id))
        kept.add(reference, known)
    return known


def _mean(of_pictures: Sequence[Judgement]) -> Judgement:
    if len(of_pictures) == 1:
        return of_pictures[0]
    features_PC = np.array([each.features for each in of_pictures])
    return Judgement(
        mirror=float(np.mean([each.mirror for each in of_pictures])),
        shift=float(np.mean([each.shift for each in of_pictures])),
        areas=tuple(area for each in of_pictures for area in each.areas),
        features=tuple(features_PC.mean(axis=0).tolist()),
    )


def _key(reference: str) -> str:
    return hashlib.sha256(reference.encode("utf-8", "surrogatepass")).hexdigest()[:32]
