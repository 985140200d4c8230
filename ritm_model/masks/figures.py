"""Ellipses and turned boxes, in pixels.

Shapes: H x W the image. Coordinates are (x, y) in pixels; pixel i covers [i, i + 1).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Corners = list[tuple[float, float]]

_BAND_PIXELS = 1 << 20


def ellipse_mask(
    centre: tuple[float, float], radii: tuple[float, float], rotation: float, height: int, width: int
) -> npt.NDArray[np.bool_]:
    """Paint an ellipse: every pixel whose centre it encloses.

    Args:
        centre: x and y.
        radii: both positive.
        rotation: in degrees, clockwise.
        height: of the image.
        width: of the image.

    Returns:
        H x W bool.
    """
    mask_HW = np.zeros((height, width), np.bool_)
    reach = max(radii) + 1
    left, right = (_clamped(centre[0] + side, width) for side in (-reach, reach))
    first, end = (_clamped(centre[1] + side, height) for side in (-reach, reach))
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    # In bands, because it takes many bytes for each pixel.
    band = max(1, _BAND_PIXELS // max(1, right - left))
    for top in range(first, end, band):
        bottom = min(top + band, end)
        row_h1, column_1w = np.ogrid[top:bottom, left:right]
        right_1w, down_h1 = column_1w + 0.5 - centre[0], row_h1 + 0.5 - centre[1]
        with np.errstate(over="ignore"):  # radii next to nothing
            along_hw = (right_1w * cos + down_h1 * sin) / radii[0]
            across_hw = (down_h1 * cos - right_1w * sin) / radii[1]
            mask_HW[top:bottom, left:right] = along_hw**2 + across_hw**2 <= 1
    return mask_HW


def _clamped(place: float, side: int) -> int:
    return int(min(max(place, 0), side))


def box_corners(
    corner: tuple[float, float], size: tuple[float, float], rotation: float, about: tuple[float, float]
) -> Corners:
    """The corners of a box, turned clockwise by `rotation` degrees about a point.

    Args:
        corner: x and y of its first corner before it is turned.
        size: width and height.
        rotation: in degrees.
        about: x and y of the point.
    """
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    across, down = corner[0] - about[0], corner[1] - about[1]
    sides = [(across + u, down + v) for u, v in ((0, 0), (size[0], 0), size, (0, size[1]))]
    return [(about[0] + u * cos - v * sin, about[1] + u * sin + v * cos) for u, v in sides]
