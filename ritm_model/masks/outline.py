"""Outlines of a mask, exact and along the borders between pixels.

Shapes: H x W the image, N corners of a ring. Coordinates are (x, y); pixel i covers [i, i + 1).

OpenCV walks from centre to centre of the pixels on the rim. A polygon through these centres would be half a
pixel too small on every side. So for each pixel of the walk the sides that face the background are taken
instead. They follow from where the walk comes from and where it goes on to, hence one table does for all
pixels at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Ring_N2 = npt.NDArray[np.float64]

_EAST, _SOUTH, _WEST, _NORTH = 0, 2, 4, 6  # of eight directions, clockwise as seen, diagonals between them
# The middle of each side of a pixel, by its direction, in half pixels from the pixel's upper left corner.
_MIDDLES = {_EAST: (2, 1), _SOUTH: (1, 2), _WEST: (0, 1), _NORTH: (1, 0)}
_DIRECTION = np.full((3, 3), -1, np.intp)
for _index, (_dx, _dy) in enumerate([(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]):
    _DIRECTION[_dy + 1, _dx + 1] = _index


@dataclass(frozen=True, slots=True)
class Outline:
    """One connected part of a mask: its outer ring, and those of its holes."""

    outer_N2: Ring_N2
    holes: tuple[Ring_N2, ...]


def outlines(mask_HW: Mask) -> list[Outline]:
    """The outlines of a mask's parts, the largest first.

    Rings run through the middles of pixel sides, so that a slanted edge is straight and not a staircase. All
    pixel centres inside the mask are inside the outline, all others are outside.

    Returns:
        none for an empty mask; outer rings and holes run in opposite directions.
    """
    walks, nesting = cv2.findContours(mask_HW.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    holes: dict[int, list[Ring_N2]] = {}
    outer: dict[int, Ring_N2] = {}
    for index, walk in enumerate(walks):
        parent = int(nesting[0, index, 3])
        ring_N2 = _ring(np.asarray(walk[:, 0], np.intp))
        if parent < 0:
            outer[index] = ring_N2
        else:
            holes.setdefault(parent, []).append(ring_N2)
    found = [Outline(ring_N2, tuple(holes.get(index, ()))) for index, ring_N2 in outer.items()]
    return sorted(found, key=lambda outline: -abs(signed_area(outline.outer_N2)))


def signed_area(ring_N2: Ring_N2) -> float:
    """The area inside a ring in square pixels; negative if it runs anticlockwise, as seen."""
    x, y = (ring_N2 - ring_N2[0]).T
    # Not np.dot: BLAS would wake its threads for a long ring, and wait for them on a busy machine.
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) / 2


def _ring(walk_N2: npt.NDArray[np.intp]) -> Ring_N2:
    if len(walk_N2) == 1:
        sides = np.array([_MIDDLES[side] for side in (_WEST, _SOUTH, _EAST, _NORTH)])
        return np.asarray((2 * walk_N2 + sides) / 2, np.float64)
    steps = np.roll(walk_N2, -1, axis=0) - walk_N2
    to_next = _DIRECTION[steps[:, 1] + 1, steps[:, 0] + 1]
    to_previous = np.roll(to_next, 1) + 4 & 7
    counts = _COUNTS[to_previous, to_next]
    owners = np.repeat(np.arange(len(walk_N2)), counts)
    places = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    middles = _SIDES[to_previous[owners], to_next[owners], places]
    return np.asarray((2 * walk_N2[owners] + middles) / 2, np.float64)


def _table() -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """For each direction back and forth: how many sides face the background, and their middles in order.

    The walk keeps the background at its right hand: these are the directions met when turning
    anticlockwise from the pixel before to the pixel after.
    """
    counts = np.zeros((8, 8), np.intp)
    middles = np.zeros((8, 8, 4, 2), np.intp)
    for back in range(8):
        for forth in range(8):
            between = [(back - turn) % 8 for turn in range(1, (back - forth - 1) % 8 + 1)]
            sides = [side for side in between if side in _MIDDLES]
            counts[back, forth] = len(sides)
            for place, side in enumerate(sides):
                middles[back, forth, place] = _MIDDLES[side]
    return counts, middles


_COUNTS, _SIDES = _table()
