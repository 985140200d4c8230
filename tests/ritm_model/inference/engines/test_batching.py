"""Threads that ask at the same time share a run, and each gets its own answer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from threading import Barrier, Event
from time import monotonic

import pytest
import torch

from ritm_model.inference.engines.batching import BatchingEngine, GatheringEngine


class Sums:
    """An engine whose answer depends on all that it is given, unused points aside."""

    name = "sums"
    with_prev_mask = True

    def __init__(self) -> None:
        self.sizes: list[tuple[int, ...]] = []

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        self.sizes.append(tuple(image_BCHW.shape))
        half = points_BP3.shape[1] // 2
        clicks_B2 = torch.stack(
            [side.clamp(min=0).sum((1, 2)) for side in (points_BP3[:, :half], points_BP3[:, half:])], dim=1
        )
        return image_BCHW.sum(1, keepdim=True) + (clicks_B2[:, 0] - clicks_B2[:, 1]).view(-1, 1, 1, 1)


class Failing(Sums):
    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        raise MemoryError("too much")


def question(number: int, size: tuple[int, int] = (4, 5)) -> tuple[torch.Tensor, torch.Tensor]:
    """Two images, with more clicks the higher the number."""
    image_BCHW = torch.full((2, 4, *size), float(number))
    points_BP3 = torch.full((2, 2 * (number + 1), 3), -1.0)
    points_BP3[:, 0], points_BP3[:, -1] = 10.0 * number, 3.0
    return image_BCHW, points_BP3


def ask_together(engine: BatchingEngine, questions: list) -> list:
    """Each in a thread of its own; results or exceptions."""
    everybody_is_in = Barrier(len(questions))

    def ask(given: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        with engine.member():
            everybody_is_in.wait(timeout=60)
            return engine.run(*given)

    with ThreadPoolExecutor(len(questions)) as pool:
        futures = [pool.submit(ask, given) for given in questions]
    return [future.exception() or future.result() for future in futures]


def test_equal_sizes_share_a_run_and_answers_go_where_they_belong() -> None:
    sums = Sums()
    questions = [question(number) for number in range(3)]
    answers = ask_together(BatchingEngine(sums), questions)
    assert sums.sizes == [(6, 4, 4, 5)]
    for given, answer in zip(questions, answers, strict=True):
        assert torch.equal(answer, Sums().run(*given))


def test_other_sizes_get_a_run_of_their_own() -> None:
    sums = Sums()
    questions = [question(0), question(1, (7, 3)), question(2)]
    answers = ask_together(BatchingEngine(sums), questions)
    assert sorted(sums.sizes) == [(2, 4, 7, 3), (4, 4, 4, 5)]
    assert all(torch.equal(a, Sums().run(*given)) for given, a in zip(questions, answers, strict=True))


def test_nobody_waits_for_a_member_that_has_left() -> None:
    sums = Sums()
    engine = BatchingEngine(sums)
    with ThreadPoolExecutor(1) as pool, ExitStack() as leaving:
        leaving.enter_context(engine.member())

        def ask() -> torch.Tensor:
            with engine.member():
                leaving_may_begin.wait(timeout=60)
                return engine.run(*question(1))

        leaving_may_begin = Barrier(2)
        answer = pool.submit(ask)
        leaving_may_begin.wait(timeout=60)
        leaving.close()
        assert torch.equal(answer.result(timeout=60), Sums().run(*question(1)))


def test_everybody_hears_of_a_failure() -> None:
    answers = ask_together(BatchingEngine(Failing()), [question(0), question(1)])
    assert [type(answer) for answer in answers] == [MemoryError, MemoryError]


def test_it_is_known_by_the_name_of_the_engine_below() -> None:
    engine = BatchingEngine(Sums())
    assert (engine.name, engine.with_prev_mask) == ("sums", True)
    with engine.member(), pytest.raises(RuntimeError):  # the next question is answered all the same
        engine.run(torch.zeros(1, 4, 2, 2), torch.zeros(1, 3, 3))
    with engine.member():
        assert engine.run(*question(0)).shape == (2, 1, 4, 5)


class Gated(Sums):
    """Its first run waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = Event(), Event()

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        self.begun.set()
        assert self.go_on.wait(timeout=60)
        return super().run(image_BCHW, points_BP3)


def gathered(gated: Gated, engine: GatheringEngine, questions: list) -> list:
    """The first runs alone; the others come in meanwhile, in order. Results or exceptions."""
    with ThreadPoolExecutor(len(questions)) as pool:
        futures = [pool.submit(engine.run, *questions[0])]
        assert gated.begun.wait(timeout=60)
        for count, given in enumerate(questions[1:], start=1):
            futures.append(pool.submit(engine.run, *given))
            eventually(lambda count=count: engine.waiting == count)
        gated.go_on.set()
    return [future.exception() or future.result() for future in futures]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = monotonic() + 60
    while not holds():
        assert monotonic() < deadline
        Event().wait(0.001)


def test_what_comes_in_during_a_run_shares_the_next_one() -> None:
    gated = Gated()
    questions = [question(0), question(1), question(2, (7, 3)), question(3), question(4)]
    answers = gathered(gated, GatheringEngine(gated, 2), questions)
    # The longest waiting one goes first, with those of its size, two at most.
    assert gated.sizes == [(2, 4, 4, 5), (4, 4, 4, 5), (2, 4, 7, 3), (2, 4, 4, 5)]
    assert all(torch.equal(a, Sums().run(*given)) for given, a in zip(questions, answers, strict=True))


def test_a_failed_run_is_told_to_those_who_shared_it_and_to_nobody_else() -> None:
    gated = Gated()
    engine = GatheringEngine(gated, 8)
    too_many_channels = (torch.zeros(2, 5, 4, 5), question(0)[1])
    answers = gathered(gated, engine, [question(0), question(1), too_many_channels, question(2, (7, 3))])
    assert [type(answer) for answer in answers] == [torch.Tensor, RuntimeError, RuntimeError, torch.Tensor]
    assert torch.equal(engine.run(*question(3)), Sums().run(*question(3)))
    assert (engine.name, engine.with_prev_mask) == ("sums", True)
