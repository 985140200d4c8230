"""One run of the network for what several threads ask at the same time.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

import torch
from torch import Tensor

from ritm_model.clicks import UNUSED_POINT
from ritm_model.inference.engine import Engine


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """The arguments of one `run`, and its answer to come."""

    image_BCHW: Tensor
    points_BP3: Tensor
    answer: Future[Tensor] = field(default_factory=Future)


class BatchingEngine:
    """Waits until all who take part have asked, then runs images of the same size together.

    The answers differ from those of the engine below by rounding, as for any other size of a batch.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._members = 0
        self._waiting: list[Question] = []

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def with_prev_mask(self) -> bool:
        return self._engine.with_prev_mask

    @contextmanager
    def member(self) -> Iterator[None]:
        """Take part: from now on, others wait for what this thread will ask."""
        with self._lock:
            self._members += 1
        try:
            yield
        finally:
            with self._lock:
                self._members -= 1
                due = self._due()
            self._answer(due)

    def run(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        """Logits, B x 1 x H x W, as `Engine.run`; to be called by members only."""
        question = Question(image_BCHW, points_BP3)
        with self._lock:
            self._waiting.append(question)
            due = self._due()
        self._answer(due)
        return question.answer.result()

    def _due(self) -> list[Question]:
        """All questions once nobody is left to wait for, else none."""
        if len(self._waiting) < self._members:
            return []
        due, self._waiting = self._waiting, []
        return due

    def _answer(self, due: Sequence[Question]) -> None:
        by_size: dict[torch.Size, list[Question]] = defaultdict(list)
        for question in due:
            by_size[question.image_BCHW.shape[2:]].append(question)
        try:
            for questions in by_size.values():
                images_BCHW = torch.cat([question.image_BCHW for question in questions])
                logits_B1HW = self._engine.run(images_BCHW, _joined([q.points_BP3 for q in questions]))
                answers = logits_B1HW.split_with_sizes([len(question.image_BCHW) for question in questions])
                for question, answer in zip(questions, answers, strict=True):
                    question.answer.set_result(answer)
        except BaseException as error:
            for question in due:
                if not question.answer.done():
                    question.answer.set_exception(error)
            raise


def _joined(all_points: Sequence[Tensor]) -> Tensor:
    """Points one below the other, with unused rows where others have more clicks."""
    count = max(points_BP3.shape[1] for points_BP3 in all_points) // 2
    padded = []
    for points_BP3 in all_points:
        batch, rows = points_BP3.shape[:2]
        padded_B2N3 = points_BP3.new_tensor(UNUSED_POINT).repeat(batch, 2, count, 1)
        padded_B2N3[:, :, : rows // 2] = points_BP3.view(batch, 2, rows // 2, 3)
        padded.append(padded_B2N3.view(batch, 2 * count, 3))
    return torch.cat(padded)
