"""Polygons that follow a mask with few points.

Shapes: H x W the image, N points of a ring. Coordinates are (x, y) in pixels; pixel i covers [i, i + 1).

A polygon is one ring, as most tools have it. So a mask of several parts becomes several polygons. A hole is
either filled, or bridged: the ring runs along a cut line to the hole, around it, and back along the same
line.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from ritm_model.masks.outline import Mask, Outline, Ring_N2, outlines, signed_area
from ritm_model.masks.simplify import simplify

Holes: TypeAlias = Literal["bridge", "fill"]

MIN_IOU = 0.98
_SHARE_OF_HOLES = 0.25  # of what the bound allows, for holes so small that they are filled all the same


def polygons(
    mask_HW: Mask,
    min_iou: float = MIN_IOU,
    holes: Holes = "bridge",
    corner: tuple[int, int] = (0, 0),
    frame: tuple[int, int] | None = None,
) -> list[Ring_N2]:
    """Polygons around the parts of a mask, the largest part first.

    Args:
        mask_HW: the mask, or the part of it that holds anything.
        min_iou: in [0.5, 1): each polygon's IoU with its part of the mask is at least that, measured as area
            between the outlines.
        holes: whether holes are kept by a cut line, or filled; with "fill" the IoU is that with the filled
            part.
        corner: row and column of the part's first pixel in the image.
        frame: height and width of the image; of the mask if left out.

    Returns:
        rings of at least three points, in pixels of the image and inside it; none for an empty mask.
    """
    height, width = frame or mask_HW.shape
    shift = np.array([corner[1], corner[0]], np.float64)
    moved = (
        Outline(outline.outer_N2 + shift, tuple(hole + shift for hole in outline.holes))
        for outline in outlines(mask_HW)
    )
    return [_polygon(outline, 1 - min_iou, holes, (width, height)) for outline in moved]


def _polygon(outline: Outline, share: float, holes: Holes, limits: tuple[float, float]) -> Ring_N2:
    kept = sorted(outline.holes if holes == "bridge" else (), key=lambda hole: abs(signed_area(hole)))
    sizes = [abs(signed_area(hole)) for hole in kept]
    allowed = share * (abs(signed_area(outline.outer_N2)) - sum(sizes))
    filled = 0.0
    while kept and filled + sizes[0] <= _SHARE_OF_HOLES * allowed:
        filled += sizes.pop(0)
        kept.pop(0)
    rings = [outline.outer_N2, *kept]
    per_point = (allowed - filled) / sum(len(ring_N2) for ring_N2 in rings)
    outer_N2, *inner = (simplify(ring_N2, per_point * len(ring_N2), limits) for ring_N2 in rings)
    for hole_N2 in inner:
        outer_N2 = _bridged(outer_N2, hole_N2)
    return outer_N2


def _bridged(outer_N2: Ring_N2, hole_N2: Ring_N2) -> Ring_N2:
    """One ring through both, with a cut line where they are nearest."""
    distances = np.hypot(*(outer_N2[:, np.newaxis] - hole_N2[np.newaxis]).transpose(2, 0, 1))
    start, entry = np.unravel_index(int(distances.argmin()), distances.shape)
    around_N2 = np.roll(hole_N2, -int(entry), axis=0)
    return np.concatenate([outer_N2[: start + 1], around_N2, around_N2[:1], outer_N2[start:]])
