"""A ring with as few points as a bound on the changed area allows.

Shapes: N points of the ring, K corners that are left, M points of all pieces together; (x, y) each.

The Douglas-Peucker algorithm says where to cut the ring into pieces. Each piece is then replaced by the
straight line that fits it best, and the corners are where neighbouring lines meet. That needs about a quarter
fewer corners than lines between points of the ring, which cut off something at every bulge.

What lies between a piece and its line has moved from one side to the other. The sum of these areas bounds
what both rings do not share, however they wind, so nothing has to be painted to know how good the result is.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Ring_N2 = npt.NDArray[np.float64]
_Indices = npt.NDArray[np.intp]

FEWEST_CORNERS = 3
_MOST_POINTS = 500  # of a ring that is worked on; one that has more is thinned out first
_THINNING_SHARE = 0.3  # of the bound, at most, for that
_TRIALS = 7  # of a tolerance, at most
_SPENT_WELL = 0.95  # of the allowed area: the next trial would hardly save a point
_FIRST_GUESS = 3  # a tolerance moves points by a third of it, about
_FARTHEST = 3  # tolerances that a corner may lie off the ring
_PARALLEL = 0.15  # sine of the angle below which lines do not meet anywhere useful


def simplify(ring_N2: Ring_N2, allowed_area: float, limits: tuple[float, float]) -> Ring_N2:
    """Leave out points, as many as possible.

    Args:
        ring_N2: a closed ring whose points lie a pixel apart at most, at multiples of half a pixel.
        allowed_area: square pixels by which the areas may differ, counted without sign.
        limits: width and height of the picture, which no corner leaves.

    Returns:
        K x 2, at least three corners.
    """
    ring_N2, left_over = _thinned(ring_N2, allowed_area)
    best_K2 = _corners(ring_N2, 0.0)
    low, high = 0.0, math.inf
    tolerance = _FIRST_GUESS * left_over / len(ring_N2)
    for _ in range(_TRIALS):
        kept_K = _kept(ring_N2, tolerance)
        pieces = _Pieces.of(ring_N2, kept_K)
        corners_K2 = _meeting(pieces, _FARTHEST * tolerance, limits)
        spent = _area_between(pieces, corners_K2)
        if len(kept_K) >= FEWEST_CORNERS and spent <= left_over:
            low = tolerance
            if len(corners_K2) <= len(best_K2):
                best_K2 = corners_K2
            if spent >= _SPENT_WELL * left_over:
                break
        else:
            high = tolerance
        # The area grows about in proportion to the tolerance.
        tolerance *= min(max(left_over / max(spent, 1e-9), 0.25), 4.0)
        if not low < tolerance < high:
            tolerance = (low + high) / 2 if high < math.inf else low * 1.5
    return best_K2


def _corners(ring_N2: Ring_N2, tolerance: float) -> Ring_N2:
    kept_K = _kept(ring_N2, tolerance)
    return ring_N2[kept_K] if len(kept_K) >= FEWEST_CORNERS else ring_N2


def _thinned(ring_N2: Ring_N2, allowed_area: float) -> tuple[Ring_N2, float]:
    """Every so many-th point of a long ring, and what is left of the allowed area."""
    step = len(ring_N2) // _MOST_POINTS
    while step > 1:
        kept_K = np.arange(0, len(ring_N2), step)
        spent = _area_between(_Pieces.of(ring_N2, kept_K), ring_N2[kept_K])
        if spent <= _THINNING_SHARE * allowed_area:
            return ring_N2[kept_K], allowed_area - spent
        step //= 2
    return ring_N2, allowed_area


def _kept(ring_N2: Ring_N2, tolerance: float) -> _Indices:
    """Which points Douglas-Peucker keeps, as K indices in order."""
    doubled_N2 = np.round(ring_N2 * 2).astype(np.int32)  # OpenCV takes whole numbers
    kept_K2 = cv2.approxPolyDP(doubled_N2[:, np.newaxis], tolerance * 2, True)[:, 0]
    names_N, names_K = _names(doubled_N2), _names(np.asarray(kept_K2, np.int32))
    order_N = np.argsort(names_N)  # no point comes twice
    return np.sort(order_N[np.searchsorted(names_N[order_N], names_K)])


def _names(points_N2: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """One number for each point."""
    wide_N2 = points_N2.astype(np.int64)
    return wide_N2[:, 0] << 32 | wide_N2[:, 1]


class _Pieces(NamedTuple):
    """A ring, cut at some of its points.

    Attributes:
        turned_N2: the ring from the first cut on.
        owner_N: to which piece each point belongs.
        sizes_K: points of each piece.
        firsts_K2: where each piece begins.
        lasts_K2: where it ends, which is where the next one begins.
    """

    turned_N2: Ring_N2
    owner_N: _Indices
    sizes_K: _Indices
    firsts_K2: Ring_N2
    lasts_K2: Ring_N2

    @classmethod
    def of(cls, ring_N2: Ring_N2, kept_K: _Indices) -> _Pieces:
        sizes_K = np.diff(np.append(kept_K - kept_K[0], len(ring_N2)))
        firsts_K2 = ring_N2[kept_K]
        owner_N = np.repeat(np.arange(len(kept_K)), sizes_K)
        return cls(_turned(ring_N2, int(kept_K[0])), owner_N, sizes_K, firsts_K2, _turned(firsts_K2, 1))


def _turned(points_N2: Ring_N2, by: int) -> Ring_N2:
    """The ring from another of its points on: `np.roll` by minus so many, in a third of the time."""
    return np.concatenate((points_N2[by:], points_N2[:by]))


def _meeting(pieces: _Pieces, farthest: float, limits: tuple[float, float]) -> Ring_N2:
    """Where the lines that fit neighbouring pieces best meet; a kept point itself where that is too far."""
    turned_N2, owner_N, sizes_K, firsts_K2, lasts_K2 = pieces

    def sums(values_N: npt.NDArray[np.float64], lasts_K: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.bincount(owner_N, values_N, minlength=len(sizes_K)) + lasts_K

    counts_K = sizes_K + 1
    centres_K2 = np.stack([sums(turned_N2[:, i], lasts_K2[:, i]) / counts_K for i in (0, 1)], axis=1)
    off_N2, off_K2 = turned_N2 - centres_K2[owner_N], lasts_K2 - centres_K2
    xx_K = sums(off_N2[:, 0] ** 2, off_K2[:, 0] ** 2)
    yy_K = sums(off_N2[:, 1] ** 2, off_K2[:, 1] ** 2)
    xy_K = sums(off_N2[:, 0] * off_N2[:, 1], off_K2[:, 0] * off_K2[:, 1])
    angles_K = np.arctan2(2 * xy_K, xx_K - yy_K) / 2
    ways_K2 = np.stack([np.cos(angles_K), np.sin(angles_K)], axis=1)

    before_K2, ways_before_K2 = _turned(centres_K2, -1), _turned(ways_K2, -1)
    sines_K = _cross(ways_before_K2, ways_K2)
    meets_K = np.abs(sines_K) >= _PARALLEL
    along_K = _cross(centres_K2 - before_K2, ways_K2) / np.where(meets_K, sines_K, 1.0)
    meeting_K2 = before_K2 + ways_before_K2 * along_K[:, np.newaxis]
    between_K2 = (
        _nearest(firsts_K2, centres_K2, ways_K2) + _nearest(firsts_K2, before_K2, ways_before_K2)
    ) / 2
    for candidate_K2, is_good_K in ((between_K2, ~meets_K), (firsts_K2, np.zeros(len(sizes_K), np.bool_))):
        is_near_K = np.hypot(*(meeting_K2 - firsts_K2).T) <= farthest
        replaced_K = is_good_K | ~is_near_K
        meeting_K2[replaced_K] = candidate_K2[replaced_K]
    return np.clip(meeting_K2, 0.0, limits)


def _area_between(pieces: _Pieces, corners_K2: Ring_N2) -> float:
    """At most so much area lies between the pieces of a ring and the lines from corner to corner."""
    turned_N2, owner_N, sizes_K, _, lasts_K2 = pieces
    next_corners_K2 = _turned(corners_K2, 1)
    # Each piece as M points: its corner, its own points, the next piece's first, and the next corner.
    ends_K = np.cumsum(sizes_K + 3)
    owner_M = np.repeat(np.arange(len(sizes_K)), sizes_K + 3)
    points_M2 = np.empty((int(ends_K[-1]), 2))
    points_M2[ends_K - sizes_K - 3] = corners_K2
    points_M2[np.arange(len(turned_N2)) + 3 * owner_N + 1] = turned_N2
    points_M2[ends_K - 2] = lasts_K2
    points_M2[ends_K - 1] = next_corners_K2

    lines_K2 = next_corners_K2 - corners_K2
    lengths_K = np.hypot(*lines_K2.T)
    lines_K2 = lines_K2 / np.where(lengths_K > 0, lengths_K, 1.0)[:, np.newaxis]
    from_corner_M2, ways_M2 = points_M2 - corners_K2[owner_M], lines_K2[owner_M]
    along_M = (from_corner_M2 * ways_M2).sum(axis=1)
    aside_M = _cross(ways_M2, from_corner_M2)
    widths = np.abs(np.diff(along_M))
    one, other = np.abs(aside_M[:-1]), np.abs(aside_M[1:])
    together = np.where(one + other > 0, one + other, 1.0)
    same_side = aside_M[:-1] * aside_M[1:] >= 0
    areas = widths * np.where(same_side, (one + other) / 2, (one**2 + other**2) / (2 * together))
    return float(areas[owner_M[1:] == owner_M[:-1]].sum())


def _cross(a_N2: Ring_N2, b_N2: Ring_N2) -> npt.NDArray[np.float64]:
    return np.asarray(a_N2[:, 0] * b_N2[:, 1] - a_N2[:, 1] * b_N2[:, 0], np.float64)


def _nearest(points_K2: Ring_N2, on_K2: Ring_N2, ways_K2: Ring_N2) -> Ring_N2:
    """The places on lines through `on_K2` that are nearest to points."""
    along_K = ((points_K2 - on_K2) * ways_K2).sum(axis=1)
    return np.asarray(on_K2 + ways_K2 * along_K[:, np.newaxis], np.float64)
