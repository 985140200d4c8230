"""Polygons that follow a mask with few points.

Shapes: H x W the image, R rings, N points of a ring. Coordinates are (x, y) in pixels, or x + iy; pixel i
covers [i, i + 1).

A polygon is one ring, as most tools have it. So a mask of several parts becomes several polygons. A hole is
either filled, or bridged: the ring runs along a cut line to the hole, around it, and back along the same
line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, islice
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from ritm_model.masks.contours import Contours, Mask
from ritm_model.masks.outline import Points, Ring_N2, outlines
from ritm_model.masks.simplify import simplify

Holes: TypeAlias = Literal["bridge", "fill"]

MIN_IOU = 0.98
_LEAST_CHANGE = 1e-9  # share of the area, where the bound allows none: no pixel is as small
_SHARE_OF_HOLES = 0.25  # of what the bound allows, for holes so small that they are filled all the same


def polygons(
    mask_HW: Mask,
    min_iou: float = MIN_IOU,
    holes: Holes = "bridge",
    corner: tuple[int, int] = (0, 0),
    frame: tuple[int, int] | None = None,
    contours: Contours | None = None,
) -> list[Ring_N2]:
    """Polygons around the parts of a mask, the largest part first.

    Args:
        mask_HW: the mask, or the part of it that holds anything.
        min_iou: in [0.5, 1]: each polygon's IoU with its part of the mask is at least that, measured as area
            between the outlines.
        holes: whether holes are kept by a cut line, or filled; with "fill" the IoU is that with the filled
            part.
        corner: row and column of the part's first pixel in the image.
        frame: height and width of the image; of the mask if left out.
        contours: of `mask_HW`, if they are known.

    Returns:
        rings of at least three points, in pixels of the image and inside it; none for an empty mask.
    """
    height, width = frame or mask_HW.shape
    contours = contours or Contours.of(mask_HW)
    rings = outlines(contours)
    areas = np.abs(rings.areas()).tolist()
    points = rings.sizes.tolist()
    parts = [_Part(outer, []) for outer in sorted(contours.outer, key=lambda place: -areas[place])]
    if not parts:
        return []
    if holes == "bridge":
        by_outer = {part.outer: part for part in parts}
        for hole in sorted(contours.holes, key=areas.__getitem__):
            by_outer[contours.parents[hole]].holes.append(hole)
    chosen: list[int] = []
    allowed: list[float] = []
    sizes: list[int] = []
    for part in parts:
        kept, to_change = part.without_small_holes(areas, max(1 - min_iou, _LEAST_CHANGE))
        per_point = to_change / sum(points[place] for place in kept.rings)
        sizes.append(len(kept.rings))
        chosen += kept.rings
        allowed += [per_point * points[place] for place in kept.rings]
    top, left = corner
    # Rings are in half pixels of the part.
    low, high = complex(-2 * left, -2 * top), complex(2 * (width - left), 2 * (height - top))
    corners = iter(simplify(rings.chosen(chosen), 4 * np.array(allowed), low, high))
    return [_polygon(*islice(corners, size)) / 2 + (left, top) for size in sizes]


class _Part(NamedTuple):
    """A connected part of a mask: the places of its outer ring and of its holes', small ones first."""

    outer: int
    holes: list[int]

    @property
    def rings(self) -> list[int]:
        """All of them."""
        return [self.outer, *self.holes]

    def without_small_holes(self, areas: Sequence[float], share: float) -> tuple[_Part, float]:
        """The part with the smallest holes filled, and what may change of its area besides."""
        sizes = [areas[hole] for hole in self.holes]
        allowed = share * (areas[self.outer] - sum(sizes))
        filled = list(accumulate(sizes))
        count = bisect_right(filled, _SHARE_OF_HOLES * allowed)
        return _Part(self.outer, self.holes[count:]), allowed - (filled[count - 1] if count else 0.0)


def _polygon(outer_N: Points, *holes: Points) -> Ring_N2:
    for hole_N in holes:
        outer_N = _bridged(outer_N, hole_N)
    return outer_N.view(np.float64).reshape(-1, 2)


def _bridged(outer_N: Points, hole_N: Points) -> Points:
    """One ring through both, with a cut line where they are nearest."""
    between = outer_N[:, np.newaxis] - hole_N
    distances = between.real**2 + between.imag**2
    start, entry = divmod(int(distances.argmin()), len(hole_N))
    around = (hole_N[entry:], hole_N[: entry + 1])
    return np.concatenate([outer_N[: start + 1], *around, outer_N[start:]])
