"""What chance may do to a mean, and whether one model really needs fewer clicks than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
AT_ONCE = 4_000_000  # drawn indices held in memory

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """An interval of confidence."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same samples, by clicks per sample.

    Attributes:
        samples: how many both have annotated.
        wins: samples on which the second model needs fewer clicks than the first.
        losses: samples on which it needs more.
        ties: all others.
        difference: mean clicks of the second less those of the first; negative if the second is better.
        interval: 95 % interval of the difference, by bootstrap over the samples.
        p_bootstrap: two-sided probability of so large a mean difference between equally good models, by
            bootstrap over the samples.
        p_sign: the same for so uneven a number of wins and losses, by the exact sign test.
    """

    samples: int
    wins: int
    losses: int
    ties: int
    difference: float
    interval: Interval
    p_bootstrap: float
    p_sign: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out "no difference"."""
        return self.interval.low > 0 or self.interval.high < 0


def bootstrap_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Where the mean of another sample of this size would lie (percentiles; the same at every run)."""
    low, high = np.quantile(
        _resampled_means(np.asarray(values, np.float64)), [(1 - confidence) / 2, (1 + confidence) / 2]
    )
    return Interval(float(low), float(high))


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compare the clicks that two models need, sample by sample.

    Args:
        first: clicks of the first model, one number per sample.
        second: clicks of the second model on the same samples, in the same order.

    Raises:
        ValueError: not the same number of samples, or none.
    """
    if len(first) != len(second) or not len(first):
        raise ValueError(f"Cannot pair {len(first)} samples with {len(second)}.")
    differences = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    means = _resampled_means(differences)
    wins, losses = int((differences < 0).sum()), int((differences > 0).sum())
    low, high = np.quantile(means, [0.025, 0.975])
    return Comparison(
        samples=len(differences),
        wins=wins,
        losses=losses,
        ties=len(differences) - wins - losses,
        difference=float(differences.mean()),
        interval=Interval(float(low), float(high)),
        p_bootstrap=_two_sided(means - differences.mean(), float(differences.mean())),
        p_sign=sign_test(wins, losses),
    )


def sign_test(wins: int, losses: int) -> float:
    """Two-sided probability that fair coins fall at least this unevenly; ties are left out."""
    n = wins + losses
    ways = tail = 1
    for k in range(min(wins, losses)):
        ways = ways * (n - k) // (k + 1)
        tail += ways
    return min(1.0, float(2 * tail / 2**n))


def _two_sided(means_if_equal: Values, observed: float) -> float:
    as_large = int((np.abs(means_if_equal) >= abs(observed) - 1e-12).sum())
    return (as_large + 1) / (len(means_if_equal) + 1)


def _resampled_means(values: Values) -> Values:
    random = np.random.default_rng(0)
    rows = max(1, AT_ONCE // values.size)
    chunks = [
        values[random.integers(0, values.size, (min(rows, RESAMPLES - start), values.size))].mean(axis=1)
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(chunks)
