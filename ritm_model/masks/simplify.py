"""Rings with as few points as a bound on the changed area allows.

Shapes: R rings, N points of all rings together, T tolerances, K corners that are left; points are complex
numbers, x + iy, in half pixels.

The Douglas-Peucker algorithm says where to cut a ring into pieces. Each piece is then replaced by the
straight line that fits it best, and the corners are where neighbouring lines meet. That needs about a quarter
fewer corners than lines between points of the ring, which cut off something at every bulge.

What lies between a piece and its line has moved from one side to the other. The sum of these areas bounds
what both rings do not share, however they wind, so nothing has to be painted to know how good the result is.

How much a tolerance changes follows from the length of the ring, about. So a few tolerances near the one that
is expected to spend what is allowed are tried for all rings at once, and that with the fewest corners is
taken.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.masks.outline import Halves_N2, Indices, Points, Rings
from ritm_model.masks.pieces import CutRings, Values

_FEWEST_CORNERS = 3
_MOST_POINTS = 500  # of a ring that is worked on; one that has more is thinned out first
_THINNING_SHARE = 0.3  # of the bound, at most, for that
_TRIED = np.geomspace(4.4, 8.5, 8)  # tolerances, in mean distances by which a ring may move
_LOWER = 0.5  # times these where none keeps the bound
_LEAST_TOLERANCE = 0.6  # half pixels: less leaves every step of the pixels' edges
_FARTHEST = 5  # tolerances that a corner may lie off the ring
_NONE = np.iinfo(np.intp).max


def simplify(rings: Rings, allowed_R: Values, low: complex, high: complex) -> list[Points]:
    """Leave out points, as many as possible.

    Args:
        rings: their points lie a pixel apart at most; one ring at least.
        allowed_R: quarters of square pixels by which the areas may differ, counted without sign.
        low: the picture's upper left corner in half pixels; no corner of a ring leaves the picture.
        high: its lower right corner.

    Returns:
        of each ring its corners in half pixels, at least three.
    """
    rings, left_R = _thinned(rings, allowed_R)
    cut_rings = CutRings(rings)
    tolerances_TR = np.outer(_TRIED, left_R / cut_rings.lengths())
    simplified: list[Points] = [np.zeros(0, np.complex128)] * len(left_R)
    places_R = np.arange(len(left_R))
    while True:
        found = _fewest_corners(rings, cut_rings, left_R, tolerances_TR, low, high)
        missed = []
        for number, (place, corners_K) in enumerate(zip(places_R.tolist(), found, strict=True)):
            if corners_K is not None:
                simplified[place] = corners_K
            elif tolerances_TR[-1, number] < _LEAST_TOLERANCE:
                simplified[place] = _exactly(rings.split()[number])
            else:
                missed.append(number)
        if not missed:
            return simplified
        rings, places_R, left_R = rings.chosen(missed), places_R[missed], left_R[missed]
        cut_rings, tolerances_TR = CutRings(rings), _LOWER * tolerances_TR[:, missed]


def _fewest_corners(
    rings: Rings, cut_rings: CutRings, allowed_R: Values, tolerances_TR: Values, low: complex, high: complex
) -> list[Points | None]:
    """Of each ring the fewest corners that one of its tolerances leaves, if any keeps the bound."""
    pieces = cut_rings.cut(*_kept(rings, tolerances_TR))
    counts_TR = pieces.counts.reshape(tolerances_TR.shape)
    corners_K = cut_rings.meeting(pieces, (_FARTHEST * tolerances_TR).ravel().repeat(pieces.counts))
    _move_inside(corners_K, low, high)
    areas_TR = cut_rings.areas_between(pieces, corners_K).reshape(tolerances_TR.shape)
    keeps_TR = (areas_TR <= allowed_R) & (counts_TR >= _FEWEST_CORNERS)
    best_R = np.where(keeps_TR, counts_TR, _NONE).argmin(axis=0)
    rings_R = np.arange(len(best_R))
    chosen_R = best_R * len(best_R) + rings_R
    bounds = zip(pieces.firsts_C[chosen_R].tolist(), pieces.lasts_C[chosen_R].tolist(), strict=True)
    return [
        corners_K[first : last + 1] if keeps else None
        for (first, last), keeps in zip(bounds, keeps_TR[best_R, rings_R].tolist(), strict=True)
    ]


def _kept(rings: Rings, tolerances_TR: Values) -> tuple[Indices, Indices]:
    """The points that are left at tolerances, which rise: their places in order, and how many of each ring.

    The first point of a ring always is.
    """
    left: list[npt.NDArray[np.int32]] = list(rings.split())
    kept: list[npt.NDArray[np.int32]] = []
    for tolerances in tolerances_TR.tolist():
        # What is left at a tolerance is all that the next one has to look at.
        left = [
            np.asarray(cv2.approxPolyDP(line, tolerance, False), np.int32)
            for line, tolerance in zip(left, tolerances, strict=True)
        ]
        # A line that is open keeps both ends; the last point stands beside the first one.
        kept += [points[:-1] if len(points) > 1 else points for points in left]
    counts_C = np.array([len(points) for points in kept])
    names_K = np.concatenate(kept).view(np.int64)[:, 0, 0]
    order_N = rings.names.argsort()  # no point comes twice
    return order_N.take(rings.names.searchsorted(names_K, sorter=order_N)), counts_C


def _move_inside(points_K: Points, low: complex, high: complex) -> None:
    for values_K, least, most in (
        (points_K.real, low.real, high.real),
        (points_K.imag, low.imag, high.imag),
    ):
        np.maximum(values_K, least, out=values_K)
        np.minimum(values_K, most, out=values_K)


def _exactly(ring_N2: Halves_N2) -> Points:
    """A ring without the points that change nothing."""
    left_K12 = cv2.approxPolyDP(ring_N2, 0.0, True)
    if len(left_K12) < _FEWEST_CORNERS:
        left_K12 = ring_N2
    return left_K12.reshape(-1, 2).astype(np.float64).view(np.complex128)[:, 0]


def _thinned(rings: Rings, allowed_R: Values) -> tuple[Rings, Values]:
    """Every so many-th point of long rings, and what is left of the allowed areas."""
    steps_R = np.maximum(rings.sizes // _MOST_POINTS, 1)
    cut_rings = CutRings(rings) if (steps_R > 1).any() else None
    while cut_rings is not None and (steps_R > 1).any():
        bounds = zip(rings.begins_R.tolist(), rings.ends.tolist(), steps_R.tolist(), strict=True)
        kept = [np.arange(*bound) for bound in bounds]
        pieces = cut_rings.cut(np.concatenate(kept), np.array([len(each) for each in kept]))
        spent_R = cut_rings.areas_between(pieces, cut_rings.kept(pieces))
        is_too_much_R = (steps_R > 1) & (spent_R > _THINNING_SHARE * allowed_R)
        if not is_too_much_R.any():
            return Rings(rings.halves_N2[pieces.begins_K], pieces.firsts_C), allowed_R - spent_R
        steps_R = np.where(is_too_much_R, steps_R // 2, steps_R)
    return rings, allowed_R
