"""Ellipses and turned boxes, in pixels.

Shapes: H x W the image. Coordinates are (x, y) in pixels; pixel i covers [i, i + 1).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Corners = list[tuple[float, float]]


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
    row_H1, column_1W = np.ogrid[:height, :width]
    right_1W, down_H1 = column_1W + 0.5 - centre[0], row_H1 + 0.5 - centre[1]
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    with np.errstate(over="ignore"):  # radii next to nothing
        along_HW = (right_1W * cos + down_H1 * sin) / radii[0]
        across_HW = (down_H1 * cos - right_1W * sin) / radii[1]
        return np.asarray(along_HW**2 + across_HW**2 <= 1, np.bool_)


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
