"""Clicks, and the one place where pixel coordinates become the paper's (row, column) points.

Shapes: B batch, N clicks per sign, 3 = (row, column, order).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNUSED = -1.0
UNUSED_POINT = (UNUSED, UNUSED, UNUSED)


@dataclass(frozen=True, slots=True)
class Click:
    """One click of an annotator on the upright image.

    `x` runs to the right and `y` downwards, in pixels; pixel i covers [i, i + 1). Both may be
    fractional, and after a zoom-in they may lie outside the crop.
    """

    x: float
    y: float
    is_positive: bool = True


def points_array(
    clicks: Sequence[Click], *, limit: int | None = None, least: int = 1
) -> npt.NDArray[np.float32]:
    """Lay clicks out as the networks want them.

    The first half of the rows holds the positive clicks, the second half the negative ones, both in
    chronological order, each half padded with (-1, -1, -1) to the length of the longer one.

    Args:
        clicks: in the order in which they were made.
        limit: only the first `limit` clicks enter, both signs counted together; None for all.
        least: rows of each half; more where there are more clicks.

    Returns:
        2N x 3 float32 rows (row, column, order); the order counts the clicks from 0.
    """
    rows: dict[bool, list[tuple[float, float, float]]] = {True: [], False: []}
    for order, click in enumerate(clicks[:limit]):
        rows[click.is_positive].append((click.y, click.x, float(order)))
    n = max(len(rows[True]), len(rows[False]), least)
    padded = [half + [UNUSED_POINT] * (n - len(half)) for half in (rows[True], rows[False])]
    return np.array(padded[0] + padded[1], dtype=np.float32)
