"""The mean IoU after each click, and how far chance may have moved it.

Shapes: N samples, K clicks, R resamples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ritm_model.evaluation.compare import AT_ONCE, RESAMPLES
from ritm_model.evaluation.noc import Curve

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """Mean IoU after click 1, 2, …, K and its 95 % interval, by bootstrap over the samples."""

    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def mean_curve(curves: Sequence[Curve], clicks: int) -> MeanCurve:
    """Average curves click by click; one that ended before keeps its last value.

    Args:
        curves: IoU after each click, for each sample; at least one.
        clicks: K, how many clicks to look at.
    """
    rows_NK = np.array([[curve[min(k, len(curve)) - 1] for k in range(1, clicks + 1)] for curve in curves])
    iou_NK: Values = rows_NK.astype(np.float64)
    low_K, high_K = np.quantile(_resampled_means(iou_NK), [0.025, 0.975], axis=0)
    return MeanCurve(tuple(iou_NK.mean(axis=0).tolist()), tuple(low_K.tolist()), tuple(high_K.tolist()))


def _resampled_means(iou_NK: Values) -> Values:
    """R x K means of samples drawn with replacement; all clicks of a sample are drawn together."""
    random = np.random.default_rng(0)
    n = len(iou_NK)
    rows = max(1, AT_ONCE // n)
    chunks = [
        random.multinomial(n, np.full(n, 1 / n), size=min(rows, RESAMPLES - start)) @ iou_NK / n
        for start in range(0, RESAMPLES, rows)
    ]
    return np.concatenate(chunks)
