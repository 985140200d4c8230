"""The search for a tolerance ends soon, and with what keeps the bound."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.masks.tolerance import FEWEST_CORNERS, Search

TOLERANCES = [16.0, 23.0, 34.0, 48.0, 69.0, 100.0]


def searched(outcome, areas):
    """All trials, and the search when it has ended; `outcome` gives corners and area of a tolerance."""
    search, trials = Search(100.0, TOLERANCES, areas), []
    while not search.is_done:
        trials.append((search.tolerance, *outcome(search.tolerance)))
        search.tell(*trials[-1][1:])
    return trials, search


@given(
    st.floats(0.01, 1e4),
    st.floats(0.2, 4),
    st.integers(3, 500),
    st.lists(st.floats(0, 1e6), min_size=6, max_size=6),
)
def test_whatever_the_estimates_say(scale, power, corners, areas):
    def outcome(tolerance):
        return max(int(corners / (1 + tolerance / scale)), 2), 100 * (tolerance / scale) ** power

    trials, search = searched(outcome, areas)

    assert len(trials) <= 5
    assert all(0 < tolerance < math.inf for tolerance, _, _ in trials)
    keeping = [count for _, count, area in trials if area <= 100 and count >= FEWEST_CORNERS]
    assert (search.best < 0) == (not keeping)
    assert not keeping or trials[search.best][1] == min(keeping)


@pytest.mark.parametrize("step", [10, 20, 30, 40, 48])
def test_many_tolerances_that_leave_the_same_corners_are_passed_over(step):
    _, search = searched(
        lambda tolerance: (4, 100.5) if tolerance > step else (5, 73.0), [36, 62, 80, 80, 230, 230]
    )

    assert search.best >= 0
