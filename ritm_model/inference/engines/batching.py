"""One run of the network for what several threads ask at the same time.

`BatchingEngine` is for evaluation, whose threads all ask again and again: it waits for everybody.
`GatheringEngine` is for annotators, of whom nobody knows who clicks next: it waits for nobody.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Barrier, Lock
from typing import Any, TypeVar

import torch
from torch import Tensor

from ritm_model.clicks import UNUSED
from ritm_model.inference.engines.resident import ResidentImages, resident_images
from ritm_model.inference.engines.torch_engine import Engine

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class EngineCall:
    """The arguments of one `run`, and its answer to come."""

    image_BCHW: Tensor
    points_BP3: Tensor
    answer: Future[Tensor] = field(default_factory=Future)

    @property
    def size(self) -> torch.Size:
        """Height and width."""
        return self.image_BCHW.shape[2:]


class _SharedEngine:
    """What is known of the engine below, and who waits for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = Lock()
        self._waiting: list[EngineCall] = []

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def with_prev_mask(self) -> bool:
        return self._engine.with_prev_mask

    @property
    def resident(self) -> ResidentImages | None:
        return resident_images(self._engine)


class BatchingEngine(_SharedEngine):
    """Waits until all who take part have asked, then runs images of the same size together.

    The answers differ from those of the engine below by rounding, as for any other size of a batch.
    """

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._members = 0

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
        call = EngineCall(image_BCHW, points_BP3)
        with self._lock:
            self._waiting.append(call)
            due = self._due()
        self._answer(due)
        return call.answer.result()

    def _due(self) -> list[EngineCall]:
        """All calls once nobody is left to wait for, else none."""
        if len(self._waiting) < self._members:
            return []
        due, self._waiting = self._waiting, []
        return due

    def _answer(self, due: Sequence[EngineCall]) -> None:
        by_size: dict[torch.Size, list[EngineCall]] = defaultdict(list)
        for call in due:
            by_size[call.size].append(call)
        for calls in by_size.values():
            _answer_together(self._engine, calls)


def run_together(
    engine: Engine, of: Callable[[Engine], Callable[..., T]], tasks: Sequence[tuple[Any, ...]], at_once: int
) -> list[T]:
    """Do tasks whose runs of an engine may be one.

    Args:
        engine: what they run.
        of: gives the function that is called with each task, for an engine to use.
        tasks: arguments of the function.
        at_once: tasks that are done at the same time, at most. Which ones meet does not depend on the time
            that they take.
    """
    shared = BatchingEngine(engine)
    call = of(shared)
    results: list[T] = []
    for first in range(0, len(tasks), at_once):
        chunk = tasks[first : first + at_once]
        everybody = Barrier(len(chunk))

        def take_part(task: tuple[Any, ...], everybody: Barrier = everybody) -> T:
            with shared.member():
                everybody.wait()
                return call(*task)

        with ThreadPoolExecutor(len(chunk)) as pool:
            results += pool.map(take_part, chunk)
    return results


class GatheringEngine(_SharedEngine):
    """Runs together what has come in, in the same size, while the run before was on.

    A call that finds the engine idle is answered alone and at once; one that does not waits for the runs
    of those that were there before it, and for nobody who may still come.
    """

    def __init__(self, engine: Engine, largest: int) -> None:
        super().__init__(engine)
        self._largest = largest
        self._turn = Lock()

    @property
    def waiting(self) -> int:
        """Questions that have come in and not been begun."""
        with self._lock:
            return len(self._waiting)

    def run(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        """Logits, B x 1 x H x W, as `Engine.run`."""
        call = EngineCall(image_BCHW, points_BP3)
        with self._lock:
            self._waiting.append(call)
        while not call.answer.done():
            with self._turn:
                if taken := self._taken():
                    _answer_together(self._engine, taken)
        return call.answer.result()

    def _taken(self) -> list[EngineCall]:
        """The call that has waited longest, with others of its size; none where none is left."""
        with self._lock:
            alike = [call for call in self._waiting if call.size == self._waiting[0].size]
            taken = alike[: self._largest]
            self._waiting = [call for call in self._waiting if call not in taken]
            return taken


def _answer_together(engine: Engine, calls: Sequence[EngineCall]) -> None:
    """Answer calls of one size in one run. A failure is an answer, too: all who asked get it."""
    try:
        images_BCHW = torch.cat([call.image_BCHW for call in calls])
        logits_B1HW = engine.run(images_BCHW, _joined([call.points_BP3 for call in calls]))
        if logits_B1HW.is_cuda:  # it works on after `run`; what comes in meanwhile is to share the next one
            torch.cuda.current_stream(logits_B1HW.device).synchronize()
        answers = logits_B1HW.split_with_sizes([len(call.image_BCHW) for call in calls])
        for call, answer in zip(calls, answers, strict=True):
            call.answer.set_result(answer)
    except BaseException as error:  # noqa: BLE001  (it is raised where the answer is read)
        for call in calls:
            call.answer.set_exception(error)


def _joined(all_points: Sequence[Tensor]) -> Tensor:
    """Points one below the other, with unused rows where others have more clicks."""
    count = max(points_BP3.shape[1] for points_BP3 in all_points) // 2
    padded = []
    for points_BP3 in all_points:
        batch, rows = points_BP3.shape[:2]
        padded_B2N3 = points_BP3.new_full((batch, 2, count, 3), UNUSED)
        padded_B2N3[:, :, : rows // 2] = points_BP3.view(batch, 2, rows // 2, 3)
        padded.append(padded_B2N3.view(batch, 2 * count, 3))
    return torch.cat(padded)
