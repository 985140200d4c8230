"""Tasks in the order of their judgements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.next.judging import Judgement
from training.next.names import ORDERS, OrderName
from training.next.ordering import drawn, ranked

BY_JUDGEMENT = [each for each in ORDERS if each != "random"]


def judgement(seed: int, **more: object) -> Judgement:
    random = np.random.default_rng(seed)
    measures = {
        "mirror": float(random.random()),
        "shift": float(random.random()),
        "areas": tuple(random.random(9).tolist()),
        "features": tuple(random.normal(size=6).tolist()),
    }
    return Judgement.model_validate({**measures, **more})


@settings(deadline=None)
@given(
    st.sampled_from([each for each in ORDERS if each != "random"]),
    st.integers(0, 8),
    st.integers(0, 4),
    st.integers(0, 10**6),
)
def test_every_task_has_one_place(by: OrderName, unlabelled: int, labelled: int, seed: int) -> None:
    order = ranked(
        {100 + number: judgement(seed + number) for number in range(unlabelled)},
        {
            number: judgement(seed - number - 1) if seed > 9 else judgement(number)
            for number in range(labelled)
        },
        by,
    )
    assert [each.place for each in order] == list(range(1, unlabelled + 1))
    assert sorted(each.task for each in order) == [100 + number for number in range(unlabelled)]
    assert all((each.distance is None) == (labelled == 0) for each in order)
    assert all(0 <= each.sizes <= 1 for each in order)


@pytest.mark.parametrize("by", ["mirror", "shift"])
def test_what_the_model_is_least_sure_of_comes_first(by: OrderName) -> None:
    tasks = {task: judgement(task, **{by: value}) for task, value in ((1, 0.2), (2, 0.9), (3, 0.5))}
    assert [each.task for each in ranked(tasks, {}, by)] == [2, 3, 1]


def test_rare_sizes_come_first() -> None:
    labelled = {9: judgement(0, areas=(0.5,) * 9)}
    tasks = {1: judgement(1, areas=(0.4,) * 9), 2: judgement(2, areas=(0.001,) * 9)}
    order = ranked(tasks, labelled, "sizes")
    assert [(each.task, each.sizes) for each in order] == [(2, 1.0), (1, 0.0)]


@pytest.mark.parametrize("by", ["coverage", "distance"])
def test_what_is_labelled_already_comes_last(by: OrderName) -> None:
    known = judgement(7)
    tasks = {1: known, 2: judgement(8), 3: judgement(9)}
    order = ranked(tasks, {50: known}, by)
    assert order[-1].task == 1
    assert order[-1].distance == pytest.approx(0, abs=1e-5)
    assert all(each.distance is not None and each.distance > 0.1 for each in order[:-1])


def test_a_random_order_stays_as_it_is_when_tasks_come_and_go() -> None:
    tasks = {number: judgement(number) for number in range(1, 30)}
    order = [each.task for each in drawn(tasks)]
    assert sorted(order) == sorted(tasks)
    assert [each.place for each in drawn(tasks)] == list(range(1, 30))
    assert order != sorted(order)
    fewer = {number: found for number, found in tasks.items() if number % 3}
    assert [each.task for each in drawn(fewer)] == [task for task in order if task % 3]
