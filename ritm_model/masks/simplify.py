"""Rings with as few points as a bound on the changed area allows.

Shapes: R rings, N points of all rings together, K corners that are left of all of them; points are complex
numbers, x + iy.

The Douglas-Peucker algorithm says where to cut a ring into pieces. Each piece is then replaced by the
straight line that fits it best, and the corners are where neighbouring lines meet. That needs about a quarter
fewer corners than lines between points of the ring, which cut off something at every bulge.

What lies between a piece and its line has moved from one side to the other. The sum of these areas bounds
what both rings do not share, however they wind, so nothing has to be painted to know how good the result is.
The tolerance whose result spends just what is allowed is searched for all rings at once.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.masks.outline import Indices, Points, Rings
from ritm_model.masks.pieces import CutRings, Values
from ritm_model.masks.tolerance import FEWEST_CORNERS, Search

_MOST_POINTS = 500  # of a ring that is worked on; one that has more is thinned out first
_THINNING_SHARE = 0.3  # of the bound, at most, for that
_ESTIMATED = np.geomspace(3.5, 22, 6)  # tolerances, in mean distances by which a ring may move
_FARTHEST = 3  # tolerances that a corner may lie off the ring


def simplify(rings: Rings, allowed_R: Values, limits: tuple[float, float]) -> list[Points]:
    """Leave out points, as many as possible.

    Args:
        rings: their points lie a pixel apart at most, at multiples of half a pixel.
        allowed_R: square pixels by which the areas may differ, counted without sign.
        limits: width and height of the picture, which no corner leaves.

    Returns:
        of each ring its corners, at least three.
    """
    if not len(rings.begins_R):
        return []
    rings, left_R = _thinned(rings, allowed_R, limits)
    peucker, cut_rings = _DouglasPeucker(rings), CutRings(rings, limits)
    estimated_TR = _ESTIMATED[:, np.newaxis] * left_R / cut_rings.lengths()
    about_C = cut_rings.areas_about(cut_rings.cut(*peucker.kept(estimated_TR)))
    searches = [
        Search(allowed, estimated_TR[:, ring].tolist(), about_C[ring :: len(left_R)].tolist())
        for ring, allowed in enumerate(left_R.tolist())
    ]
    trials: list[list[Points]] = []
    while not all(search.is_done for search in searches):
        tolerance_R = np.array([search.tolerance for search in searches])
        pieces = cut_rings.cut(*peucker.kept(tolerance_R))
        corners_K = cut_rings.meeting(pieces, _FARTHEST * tolerance_R)
        areas_R = cut_rings.areas_between(pieces, corners_K)
        for search, corners, area in zip(searches, pieces.counts_C.tolist(), areas_R.tolist(), strict=True):
            search.tell(corners, area)
        trials.append(np.split(corners_K + cut_rings.origins_R[pieces.ring_K], pieces.firsts_C[1:]))
    return [
        trials[search.best][ring] if search.best >= 0 else peucker.exactly(ring)
        for ring, search in enumerate(searches)
    ]


class _DouglasPeucker:
    """The points of rings that are left at a tolerance."""

    def __init__(self, rings: Rings) -> None:
        doubled_N12 = np.rint(2 * rings.points_N).view(np.float64).astype(np.int32).reshape(-1, 1, 2)
        self._doubled = np.split(doubled_N12, rings.begins_R[1:])  # OpenCV takes whole numbers
        names_N = _names(doubled_N12)
        self._order_N = np.argsort(names_N)
        self._names_N = names_N[self._order_N]  # no point comes twice

    def kept(self, tolerances: Values) -> tuple[Indices, Indices]:
        """Their places in order, and how many of each ring, one at least.

        Args:
            tolerances: one for each ring, or several for each, T x R.
        """
        left = [
            cv2.approxPolyDP(ring, tolerance, True)
            for tolerances_R in (2 * tolerances).reshape(-1, len(self._doubled)).tolist()
            for ring, tolerance in zip(self._doubled, tolerances_R, strict=True)
        ]
        counts_C = np.array([len(points) for points in left])
        names_K = _names(np.concatenate(left))
        kept_K = self._order_N[np.searchsorted(self._names_N, names_K)]
        before_K = np.repeat(np.arange(len(left)) * len(self._names_N), counts_C)
        return np.sort(kept_K + before_K) - before_K, counts_C

    def exactly(self, ring: int) -> Points:
        """A ring without the points that change nothing."""
        left_K12 = cv2.approxPolyDP(self._doubled[ring], 0.0, True)
        if len(left_K12) < FEWEST_CORNERS:
            left_K12 = self._doubled[ring]
        return np.asarray(left_K12[:, 0].astype(np.float64).view(np.complex128)[:, 0] / 2)


def _names(points_N12: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """One number for each point."""
    wide_N2 = points_N12[:, 0].astype(np.int64)
    return wide_N2[:, 0] << 32 | wide_N2[:, 1]


def _thinned(rings: Rings, allowed_R: Values, limits: tuple[float, float]) -> tuple[Rings, Values]:
    """Every so many-th point of long rings, and what is left of the allowed areas."""
    steps_R = np.maximum(rings.sizes // _MOST_POINTS, 1)
    cut_rings = CutRings(rings, limits) if (steps_R > 1).any() else None
    while cut_rings is not None and (steps_R > 1).any():
        kept = [
            np.arange(begin, begin + size, step)
            for begin, size, step in zip(rings.begins_R, rings.sizes, steps_R, strict=True)
        ]
        pieces = cut_rings.cut(np.concatenate(kept), np.array([len(each) for each in kept]))
        spent_R = cut_rings.areas_between(pieces, cut_rings.kept(pieces))
        is_too_much_R = (steps_R > 1) & (spent_R > _THINNING_SHARE * allowed_R)
        if not is_too_much_R.any():
            return Rings(rings.points_N[pieces.kept_K], pieces.firsts_C), allowed_R - spent_R
        steps_R = np.where(is_too_much_R, steps_R // 2, steps_R)
    return rings, allowed_R
