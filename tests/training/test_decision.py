"""What is published is better beyond doubt, and nothing of it worse beyond doubt."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.evaluation import compare
from training.decision import DECIDING, decide

CLICKS = st.lists(st.integers(1, 20), min_size=5, max_size=60)


def test_fewer_clicks_on_almost_every_object_are_published() -> None:
    decision = decide({DECIDING: compare([8] * 40, [5] * 39 + [9])}, margin=1.0)
    assert decision.publish
    assert "NoC@90 changed by -2.90 clicks (95 % interval" in decision.reason
    assert "40 objects" in decision.reason


def test_what_may_be_chance_is_not_published() -> None:
    decision = decide({DECIDING: compare([8, 3, 9, 5], [7, 4, 3, 5])}, margin=0.0)
    assert not decision.publish
    assert "not certain that it fell" in decision.reason


def test_the_same_as_before_is_not_published() -> None:
    assert not decide({DECIDING: compare([8] * 40, [8] * 40)}, margin=0.0).publish


def test_the_whole_interval_must_be_beyond_the_margin() -> None:
    before = np.full(100, 8)
    after = before - np.arange(100) % 2  # half a click less on average
    found = {DECIDING: compare(before.tolist(), after.tolist())}
    assert decide(found, margin=0.3).publish
    decision = decide(found, margin=0.45)
    assert not decision.publish
    assert "fell by 0.45 clicks or more" in decision.reason


def test_nothing_else_may_become_worse() -> None:
    better, worse = compare([8] * 40, [5] * 40), compare([2] * 40, [3] * 40)
    decision = decide({DECIDING: better, "NoC@90 from a mask": worse}, margin=0.0)
    assert not decision.publish
    assert "NoC@90 from a mask became worse" in decision.reason


def test_a_negative_margin_bears_what_is_worse() -> None:
    worse = {DECIDING: compare([5] * 9, [6] * 9), "NoC@85 from a mask": compare([2] * 9, [4] * 9)}
    assert decide(worse, margin=-3.0).publish
    assert not decide(worse, margin=-1.5).publish


@given(before=CLICKS, seed=st.integers(0, 99), margin=st.floats(0, 3))
def test_what_is_published_has_fallen_by_the_margin(before: list[int], seed: int, margin: float) -> None:
    after = np.random.default_rng(seed).integers(1, 21, len(before))
    found = compare(before, after.tolist())
    if decide({DECIDING: found}, margin).publish:
        assert found.difference < -margin
        assert found.interval.high < -margin
