"""Intervals cover what they should, and a comparison says no more than the samples do."""

import numpy as np
import pytest

from ritm_model.evaluation.compare import bootstrap_interval, compare, sign_test


@pytest.mark.parametrize(
    ("wins", "losses", "expected"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 1, 1.0), (8, 0, 2 / 256), (9, 1, 22 / 1024)],
)
def test_the_sign_test_counts_coins(wins: int, losses: int, expected: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(expected)
    assert sign_test(losses, wins) == pytest.approx(expected)


def test_the_sign_test_takes_thousands_of_samples() -> None:
    assert sign_test(3300, 3371) == pytest.approx(0.392, abs=0.002)  # by the normal approximation


def test_the_interval_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(1).normal(5, 2, 400)
    interval = bootstrap_interval(values.tolist())
    half_width = 1.96 * values.std() / 20
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.03)
    assert bootstrap_interval(values.tolist()) == interval


def test_intervals_of_many_samples_do_not_need_all_memory() -> None:
    values = np.arange(20_000) % 20
    interval = bootstrap_interval(values.tolist())
    assert interval.low < values.mean() < interval.high
    assert interval.high - interval.low < 0.25


def test_fewer_clicks_on_most_samples_is_a_clear_win() -> None:
    first = [5] * 40
    second = [4] * 30 + [5] * 6 + [6] * 4

    found = compare(first, second)

    assert (found.samples, found.wins, found.losses, found.ties) == (40, 30, 4, 6)
    assert found.difference == pytest.approx(-26 / 40)
    assert found.is_clear
    assert found.interval.high < 0
    assert found.p_bootstrap < 0.01
    assert found.p_sign < 0.001


def test_noise_is_no_win() -> None:
    first = np.random.default_rng(2).integers(1, 21, 60)
    second = np.random.default_rng(3).permutation(first)

    found = compare(first.tolist(), second.tolist())

    assert not found.is_clear
    assert found.p_bootstrap > 0.9
    assert found.p_sign > 0.05


def test_equal_models_tie() -> None:
    found = compare([3, 4], [3, 4])
    assert (found.wins, found.losses, found.ties, found.p_bootstrap, found.p_sign) == (0, 0, 2, 1.0, 1.0)


def test_what_cannot_be_paired_is_refused() -> None:
    with pytest.raises(ValueError, match="2 samples with 1"):
        compare([1, 2], [1])
