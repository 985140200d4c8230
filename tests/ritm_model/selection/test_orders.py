"""Orders take every photograph once, and what they promise comes first."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.selection.features import Features, standardised
from ritm_model.selection.orders import by_value, covering, farthest_first, rarity, size_class

SIZES = (7, 4, 2)  # of three groups of photographs that look alike
NONE = np.zeros((0, 5), np.float32)


@pytest.fixture
def groups() -> tuple[Features, list[int]]:
    """Features of three groups far from each other, shuffled, and the group of each row."""
    random = np.random.default_rng(3)
    centres = np.eye(3, 5) * 10
    rows = [
        (number, centres[number] + random.normal(0, 0.1, 5))
        for number, size in enumerate(SIZES)
        for _ in range(size)
    ]
    shuffled = [rows[place] for place in random.permutation(len(rows))]
    return np.array([row for _, row in shuffled], np.float32), [number for number, _ in shuffled]


def some_features(least: int) -> st.SearchStrategy[Features]:
    """Of up to nine photographs; drawn as a seed, which costs nothing on a busy machine."""
    return st.builds(
        lambda seed, count, scale: (
            np.random.default_rng(seed).normal(0, scale, (count, 4)).round().astype(np.float32)
        ),
        st.integers(0, 10**6),
        st.integers(least, 9),
        st.sampled_from([0.3, 3.0, 1e4]),
    )


@settings(deadline=None)
@given(some_features(0), some_features(0))
def test_every_photograph_comes_once(features_NC: Features, labelled_MC: Features) -> None:
    everything = list(range(len(features_NC)))
    assert sorted(farthest_first(features_NC, labelled_MC)) == everything
    assert sorted(covering(features_NC, labelled_MC)) == everything


@settings(deadline=None)
@given(some_features(1), some_features(0))
def test_rows_are_as_long_as_each_other(features_NC: Features, labelled_MC: Features) -> None:
    for rows in standardised(features_NC, labelled_MC):
        lengths = np.linalg.norm(rows, axis=1)
        assert np.all((lengths < 1.001) & ((lengths > 0.999) | (lengths < 1e-3)))


@pytest.mark.parametrize("order", [farthest_first, covering])
def test_one_of_each_group_comes_before_a_second_of_any(order, groups) -> None:  # type: ignore[no-untyped-def]
    features_NC, group = groups
    assert {group[place] for place in order(features_NC, NONE)[:3]} == {0, 1, 2}


def test_coverage_begins_with_what_there_is_most_of(groups: tuple[Features, list[int]]) -> None:
    features_NC, group = groups
    assert [group[place] for place in covering(features_NC, NONE)[:3]] == [0, 1, 2]


def test_coverage_heeds_what_photographs_are_worth(groups: tuple[Features, list[int]]) -> None:
    features_NC, group = groups
    worth = np.array([100.0 if number == 2 else 1.0 for number in group])
    assert group[covering(features_NC, NONE, worth)[0]] == 2


@pytest.mark.parametrize("order", [farthest_first, covering])
def test_what_is_like_labelled_photographs_comes_late(order, groups) -> None:  # type: ignore[no-untyped-def]
    features_NC, group = groups
    labelled_MC = features_NC[[place for place, number in enumerate(group) if number == 0]]
    assert {group[place] for place in order(features_NC, labelled_MC)[:2]} == {1, 2}
    assert [group[place] for place in farthest_first(features_NC, labelled_MC)[-7:]] == [0] * 7


def test_loud_channels_do_not_decide(groups: tuple[Features, list[int]]) -> None:
    features_NC, _ = groups
    louder = features_NC * np.array([1e4, 1, 1e-3, 1, 1], np.float32)
    assert covering(features_NC, NONE) == covering(louder, NONE)
    assert farthest_first(features_NC, NONE) == farthest_first(louder, NONE)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1)))
def test_values_fall(values: list[float]) -> None:
    order = by_value(values)
    assert [values[place] for place in order] == sorted(values, reverse=True)
    assert all(one < other or values[one] != values[other] for one, other in pairwise(order))


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"))), st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)))
def test_rarity_is_a_share(found: list[list[str]], labelled: dict[str, int]) -> None:
    values = rarity(found, labelled)
    assert len(values) == len(found)
    assert all(0 <= value <= 1 for value in values)


def test_what_is_seldom_labelled_is_rare() -> None:
    assert rarity([["cat"], ["dog"], ["cat", "dog"], ["cow"], []], {"cat": 9, "dog": 1}) == pytest.approx(
        (0.1, 0.9, 0.5, 1.0, 0.0)
    )
    assert [size_class(area) for area in (0.001, 0.05, 0.5)] == ["small", "medium", "large"]
