"""Outlines of a mask, exact and along the borders between pixels.

Shapes: R rings, N points of all rings together, one ring after the other. A point is a complex number,
x + iy, so that one operation on an array does for both coordinates; pixel i covers [i, i + 1).

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
Points = npt.NDArray[np.complex128]
Indices = npt.NDArray[np.intp]
_Values = TypeVar("_Values", Points, Indices)

_EAST, _SOUTH, _WEST, _NORTH = 0, 2, 4, 6  # of eight directions, clockwise as seen, diagonals between them
_NOWHERE = 8  # where a walk of one pixel goes
# The middle of each side of a pixel, by its direction, from the pixel's upper left corner.
_MIDDLES = {_EAST: 1 + 0.5j, _SOUTH: 0.5 + 1j, _WEST: 0.5j, _NORTH: 0.5 + 0j}
_STEPS = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (0, 0)]
_DIRECTION = np.zeros(9, np.intp)  # by 4 + dx + 3 dy
for _index, (_dx, _dy) in enumerate(_STEPS):
    _DIRECTION[4 + _dx + 3 * _dy] = _index


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed rings; at least one point each.

    Attributes:
        points_N: of all rings.
        begins_R: where each ring begins among them.
    """

    points_N: Points
    begins_R: Indices

    @classmethod
    def of(cls, rings: Sequence[Points]) -> Rings:
        """Rings that stand by themselves; one at least."""
        sizes_R = np.array([len(points_N) for points_N in rings], np.intp)
        return cls(np.concatenate(rings), np.cumsum(sizes_R) - sizes_R)

    @property
    def sizes(self) -> Indices:
        """Points of each ring."""
        return np.diff(self.begins_R, append=len(self.points_N))

    def next_points(self) -> Points:
        """For each point the one after it on its ring."""
        return turned(self.points_N, self.begins_R, 1)

    def areas(self) -> npt.NDArray[np.float64]:
        """The area inside each ring in square pixels; negative if it runs anticlockwise, as seen."""
        if not len(self.begins_R):
            return np.zeros(0)
        # Exact: points are multiples of a half. Not np.vdot: BLAS would wake its threads for a long ring.
        twice_N = (self.points_N.conj() * self.next_points()).imag
        return np.asarray(np.add.reduceat(twice_N, self.begins_R) / 2, np.float64)

    def split(self) -> list[Points]:
        """The points of each ring."""
        return np.split(self.points_N, self.begins_R[1:]) if len(self.begins_R) else []


def outlines(contours: Contours) -> Rings:
    """The outlines of a mask's parts and holes, in the order of its contours.

    Rings run through the middles of pixel sides, so that a slanted edge is straight and not a staircase. All
    pixel centres inside the mask are inside the outline, all others are outside. Outer rings and holes run in
    opposite directions. No point comes twice.
    """
    if not contours.walks:
        return Rings(np.zeros(0, np.complex128), np.zeros(0, np.intp))
    walk_N2 = np.concatenate(contours.walks)[:, 0]
    lengths_R = np.array([len(walk) for walk in contours.walks])
    begins_R = np.cumsum(lengths_R) - lengths_R
    places_N = walk_N2[:, 0] + 3 * walk_N2[:, 1]
    to_next_N = _DIRECTION[turned(places_N, begins_R, 1) - places_N + 4]
    codes_N = turned(to_next_N, begins_R, -1) * 9 + to_next_N
    corners_N = walk_N2.astype(np.float64).view(np.complex128)
    sizes_R = np.add.reduceat(_COUNTS[codes_N], begins_R)
    points_N = (corners_N + _SIDES[codes_N])[_IS_SIDE[codes_N]]
    return Rings(points_N, np.cumsum(sizes_R) - sizes_R)


def turned(values_N: _Values, begins_R: Indices, by: int) -> _Values:
    """The values of the next point of each ring (`by` 1), or of the one before (-1)."""
    moved_N = np.empty_like(values_N)
    lasts_R = np.append(begins_R[1:], len(values_N)) - 1
    if by > 0:
        moved_N[:-1] = values_N[1:]
        moved_N[lasts_R] = values_N[begins_R]
    else:
        moved_N[1:] = values_N[:-1]
        moved_N[begins_R] = values_N[lasts_R]
    return moved_N


def _table() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_], Points]:
    """By 9 times the direction to a pixel and that from it on: how many sides face the background, which of
    four places hold one, and their middles in order.

    The walk keeps the background at its right hand: these are the directions met when turning
    anticlockwise from the pixel before to the pixel after.
    """
    is_side, middles = np.zeros((81, 4), np.bool_), np.zeros((81, 4), np.complex128)
    for came in range(9):
        for forth in range(9):
            if came == _NOWHERE or forth == _NOWHERE:
                between = [_WEST, _SOUTH, _EAST, _NORTH]
            else:
                back = (came + 4) % 8
                between = [(back - turn) % 8 for turn in range(1, (back - forth - 1) % 8 + 1)]
            sides = [_MIDDLES[side] for side in between if side in _MIDDLES]
            is_side[9 * came + forth, : len(sides)] = True
            middles[9 * came + forth, : len(sides)] = sides
    return is_side.sum(axis=1), is_side, middles


_COUNTS, _IS_SIDE, _SIDES = _table()
