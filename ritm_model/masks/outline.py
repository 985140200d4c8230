"""Outlines of a mask, exact and along the borders between pixels.

Shapes: R rings, N points of all rings together, one ring after the other. Coordinates are whole numbers of
half pixels; pixel i covers [2i, 2i + 2). Where there is arithmetic, a point is a complex number, x + iy, so
that one operation on an array does for both coordinates.

OpenCV walks from centre to centre of the pixels on the rim. A polygon through these centres would be half a
pixel too small on every side. So for each pixel of the walk the sides that face the background are taken
instead. They follow from where the walk comes from and where it goes on to, hence one table does for all
pixels at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ritm_model.masks.contours import Contours

Ring_N2 = npt.NDArray[np.float64]
Halves_N2 = npt.NDArray[np.int32]
Names = npt.NDArray[np.int64]
Points = npt.NDArray[np.complex128]
Indices = npt.NDArray[np.intp]
_Values = TypeVar("_Values", Points, Indices, Names)

_EAST, _SOUTH, _WEST, _NORTH = 0, 2, 4, 6  # of eight directions, clockwise as seen, diagonals between them
_NOWHERE = 8  # where a walk of one pixel goes
# The middle of each side of a pixel, by its direction, in half pixels from the pixel's upper left corner.
_MIDDLES = {_EAST: (2, 1), _SOUTH: (1, 2), _WEST: (0, 1), _NORTH: (1, 0)}
_STEPS = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (0, 0)]
_DIRECTION = np.zeros(9, np.intp)  # by 4 + dx + 3 dy
for _index, (_dx, _dy) in enumerate(_STEPS):
    _DIRECTION[4 + _dx + 3 * _dy] = _index


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed rings; at least one point each.

    Attributes:
        halves_N2: (x, y) of the points of all rings, in half pixels.
        begins_R: where each ring begins among them.
    """

    halves_N2: Halves_N2
    begins_R: Indices

    @property
    def ends(self) -> Indices:
        """Where each ring ends, which is where the next one begins."""
        ends_R = np.empty_like(self.begins_R)
        ends_R[:-1] = self.begins_R[1:]
        ends_R[-1:] = len(self.halves_N2)
        return ends_R

    @property
    def sizes(self) -> Indices:
        """Points of each ring."""
        return self.ends - self.begins_R

    @property
    def names(self) -> Names:
        """One number for each point."""
        return self.halves_N2.view(np.int64)[:, 0]

    def points(self) -> Points:
        """All points as complex numbers, still in half pixels."""
        return self.halves_N2.astype(np.float64).view(np.complex128)[:, 0]

    def areas(self) -> npt.NDArray[np.float64]:
        """The area inside each ring in square pixels; negative if it runs anticlockwise, as seen."""
        if not len(self.begins_R):
            return np.zeros(0)
        points_N = self.points()
        # Exact, as these are whole numbers. Not np.vdot: BLAS would wake its threads for a long ring.
        twice_N = (points_N.conj() * turned(points_N, self.begins_R, self.ends - 1, 1)).imag
        return np.asarray(np.add.reduceat(twice_N, self.begins_R) / 8, np.float64)

    def split(self) -> list[Halves_N2]:
        """The points of each ring."""
        bounds = zip(self.begins_R.tolist(), self.ends.tolist(), strict=True)
        return [self.halves_N2[begin:end] for begin, end in bounds]

    def chosen(self, places: Sequence[int]) -> Rings:
        """Some of the rings, one at least, in this order."""
        if list(places) == list(range(len(self.begins_R))):
            return self
        rings = self.split()
        halves_N2 = np.concatenate([rings[place] for place in places])
        sizes_R = self.sizes[list(places)]
        return Rings(halves_N2, sizes_R.cumsum() - sizes_R)


def outlines(contours: Contours) -> Rings:
    """The outlines of a mask's parts and holes, in the order of its contours.

    Rings run through the middles of pixel sides, so that a slanted edge is straight and not a staircase. All
    pixel centres inside the mask are inside the outline, all others are outside. Outer rings and holes run in
    opposite directions. No point comes twice.
    """
    if not contours.walks:
        return Rings(np.zeros((0, 2), np.int32), np.zeros(0, np.intp))
    walk_N2 = np.concatenate(contours.walks)[:, 0]
    ends_R = np.array([len(walk) for walk in contours.walks]).cumsum()
    lasts_R, begins_R = ends_R - 1, _begins(ends_R)
    places_N = (walk_N2[:, 0] + 3 * walk_N2[:, 1]).astype(np.intp)
    # `take` and `compress` need half the time of brackets.
    to_next_N = _DIRECTION.take(turned(places_N, begins_R, lasts_R, 1) - places_N + 4)
    codes_N = turned(to_next_N, begins_R, lasts_R, -1) * 9 + to_next_N
    # Both coordinates as one number: none is negative, so that nothing is carried from one to the other.
    corners_N1 = 2 * walk_N2.view(np.int64)
    sides_N4, is_side_N4 = corners_N1 + _SIDES.take(codes_N, axis=0), _IS_SIDE.take(codes_N, axis=0)
    points_N = sides_N4.ravel().compress(is_side_N4.ravel())
    begins_R = _begins(_COUNTS.take(codes_N).cumsum()[lasts_R])
    return Rings(points_N.view(np.int32).reshape(-1, 2), begins_R)


def turned(values_N: _Values, firsts_R: Indices, lasts_R: Indices, by: int) -> _Values:
    """The values of the next point of each ring (`by` 1), or of the one before (-1)."""
    moved_N = np.empty_like(values_N)
    if by > 0:
        moved_N[:-1] = values_N[1:]
        moved_N[lasts_R] = values_N[firsts_R]
    else:
        moved_N[1:] = values_N[:-1]
        moved_N[firsts_R] = values_N[lasts_R]
    return moved_N


def _begins(ends_R: Indices) -> Indices:
    begins_R = np.zeros_like(ends_R)
    begins_R[1:] = ends_R[:-1]
    return begins_R


def _table() -> tuple[Indices, npt.NDArray[np.bool_], Names]:
    """By 9 times the direction to a pixel and that from it on: how many sides face the background, which of
    four places hold one, and their middles in order.

    The walk keeps the background at its right hand: these are the directions met when turning
    anticlockwise from the pixel before to the pixel after.
    """
    is_side, middles = np.zeros((81, 4), np.bool_), np.zeros((81, 4, 2), np.int32)
    for came in range(9):
        for forth in range(9):
            if came == _NOWHERE or forth == _NOWHERE:
                between = [_WEST, _SOUTH, _EAST, _NORTH]
            else:
                back = (came + 4) % 8
                between = [(back - turn) % 8 for turn in range(1, (back - forth - 1) % 8 + 1)]
            sides = [_MIDDLES[side] for side in between if side in _MIDDLES]
            is_side[9 * came + forth, : len(sides)] = True
            middles[9 * came + forth, : len(sides)] = sides or np.zeros((0, 2))
    return is_side.sum(axis=1), is_side, middles.view(np.int64)[:, :, 0]


_COUNTS, _IS_SIDE, _SIDES = _table()
