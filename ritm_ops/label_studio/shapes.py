"""The five shapes of Label Studio that enclose pixels: brush, bitmask, polygon, rectangle, ellipse.

Each is read from the `value` of a result by `shape_of`, and painted by its `mask(height, width)`, which gives
H x W bool and raises ShapeError. Places are in percent of the upright photograph's width and height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, SupportsBytes, TypeAlias

import numpy as np
import numpy.typing as npt

from ritm_model.errors import RitmError
from ritm_model.masks import bitmask, brush_rle
from ritm_model.masks.coco import MaskError, coco_mask
from ritm_model.masks.figures import box_corners, ellipse_mask

Mask: TypeAlias = npt.NDArray[np.bool_]
Bounds: TypeAlias = tuple[float, float, float, float]
Kind = Literal["brush", "bitmask", "polygon", "rectangle", "ellipse"]

KINDS: dict[str, Kind] = {
    "brush": "brush",
    "brushlabels": "brush",
    "labels": "brush",  # only with an rle in its value
    "bitmask": "bitmask",
    "bitmasklabels": "bitmask",
    "polygon": "polygon",
    "polygonlabels": "polygon",
    "rectangle": "rectangle",
    "rectanglelabels": "rectangle",
    "ellipse": "ellipse",
    "ellipselabels": "ellipse",
}
"""What each type of result encloses its pixels with."""


_LONGEST_NUMBER = 32


class ShapeError(RitmError):
    """A shape that cannot be read or painted."""


class Shape(Protocol):
    def mask(self, height: int, width: int) -> Mask:
        """Paint it: H x W bool. Raises ShapeError."""

    def bounds(self, height: int, width: int) -> Bounds:
        """Where it lies at most, without painting it: left, top, right and bottom in pixels."""

    def value(self) -> dict[str, object]:
        """What `shape_of` reads it from; an `rle` as bytes. Raises ShapeError where it is damaged."""


@dataclass(frozen=True, slots=True)
class Brush:
    """Run lengths; a list of byte values, or text that becomes one when it is painted."""

    rle: Sequence[int] | SupportsBytes = field(repr=False)

    def bytes(self) -> bytes:
        """Raises ShapeError where it is no list of byte values."""
        try:
            return bytes(self.rle)
        except (TypeError, ValueError):
            raise ShapeError("The brush mask is not a list of byte values.") from None

    def mask(self, height: int, width: int) -> Mask:
        try:
            return brush_rle.decode(self.bytes(), width, height)
        except brush_rle.RleError as error:
            raise ShapeError(str(error)) from None

    def bounds(self, height: int, width: int) -> Bounds:
        return 0, 0, width, height

    def value(self) -> dict[str, object]:
        return {"format": "rle", "rle": self.bytes()}


@dataclass(frozen=True, slots=True)
class Bitmask:
    """A PNG in a `data:` address."""

    url: str = field(repr=False)

    def mask(self, height: int, width: int) -> Mask:
        try:
            return bitmask.decode(self.url, width, height)
        except bitmask.BitmaskError as error:
            raise ShapeError(str(error)) from None

    def bounds(self, height: int, width: int) -> Bounds:
        return 0, 0, width, height

    def value(self) -> dict[str, object]:
        return {"imageDataURL": self.url}


@dataclass(frozen=True, slots=True)
class Polygon:
    """One ring of at least three corners (x, y); whoever draws it may not have closed it yet."""

    points: tuple[tuple[float, float], ...] = field(repr=False)
    is_closed: bool = True

    def mask(self, height: int, width: int) -> Mask:
        return _filled(self._corners(height, width), height, width)

    def bounds(self, height: int, width: int) -> Bounds:
        return _around(self._corners(height, width))

    def _corners(self, height: int, width: int) -> list[tuple[float, float]]:
        return [(x / 100 * width, y / 100 * height) for x, y in self.points]

    def value(self) -> dict[str, object]:
        return {"points": [list(point) for point in self.points], "closed": self.is_closed}


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A box, turned clockwise by `rotation` degrees about its first corner (x, y)."""

    x: float
    y: float
    width: float
    height: float
    rotation: float

    def mask(self, height: int, width: int) -> Mask:
        return _filled(self.corners(height, width), height, width)

    def bounds(self, height: int, width: int) -> Bounds:
        return _around(self.corners(height, width))

    def value(self) -> dict[str, object]:
        return {
            "x": self.x,
            "y": self.y,
            "width": self.width,
            "height": self.height,
            "rotation": self.rotation,
        }

    def corners(self, height: int, width: int) -> list[tuple[float, float]]:
        """Its corners (x, y) in pixels. The editor turns it in pixels, not in percent."""
        corner = self.x / 100 * width, self.y / 100 * height
        size = self.width / 100 * width, self.height / 100 * height
        return box_corners(corner, size, self.rotation, corner)


@dataclass(frozen=True, slots=True)
class Ellipse:
    """Centre (x, y) and radii, turned clockwise by `rotation` degrees about the centre."""

    x: float
    y: float
    radius_x: float
    radius_y: float
    rotation: float

    def mask(self, height: int, width: int) -> Mask:
        centre, radii = (
            (across / 100 * width, down / 100 * height)
            for across, down in ((self.x, self.y), (self.radius_x, self.radius_y))
        )
        return ellipse_mask(centre, radii, self.rotation, height, width)

    def bounds(self, height: int, width: int) -> Bounds:
        x, y = self.x / 100 * width, self.y / 100 * height
        reach = max(self.radius_x / 100 * width, self.radius_y / 100 * height)
        return x - reach, y - reach, x + reach, y + reach

    def value(self) -> dict[str, object]:
        radii = {"radiusX": self.radius_x, "radiusY": self.radius_y}
        return {"x": self.x, "y": self.y, **radii, "rotation": self.rotation}


def shape_of(kind: Kind, value: object) -> Shape:
    """Read the `value` of a result.

    Raises:
        ShapeError: it holds no shape of this kind.
    """
    if not isinstance(value, dict):
        raise ShapeError("It has no value.")
    match kind:
        case "brush":
            rle = value.get("rle")
            if isinstance(rle, str) or not isinstance(rle, Sequence | SupportsBytes):
                raise ShapeError("It holds no brush mask.")
            return Brush(rle)
        case "bitmask":
            if not isinstance(url := value.get("imageDataURL"), str):
                raise ShapeError("It holds no bitmask.")
            return Bitmask(url)
        case "polygon":
            points = value.get("points")
            pairs = [_pair(point) for point in points] if isinstance(points, list) else []
            found = tuple(pair for pair in pairs if pair is not None)
            if len(found) < len(pairs):
                raise ShapeError("A corner of its polygon is no pair of numbers.")
            if len(found) < 3:
                raise ShapeError("It holds no polygon of at least three points.")
            return Polygon(found, value.get("closed") is not False)
        case "rectangle":
            x, y, width, height = _numbers(value, "x", "y", "width", "height")
            if width <= 0 or height <= 0:
                raise ShapeError("Its width and height must be positive.")
            return Rectangle(x, y, width, height, number(value.get("rotation")) or 0.0)
        case "ellipse":
            x, y, radius_x, radius_y = _numbers(value, "x", "y", "radiusX", "radiusY")
            if radius_x <= 0 or radius_y <= 0:
                raise ShapeError("Its radii must be positive.")
            return Ellipse(x, y, radius_x, radius_y, number(value.get("rotation")) or 0.0)


def number(value: object) -> float | None:
    """A finite number of ordinary size, also as text, else None: JSON may hold NaN, Infinity and 10**400."""
    if isinstance(value, str):
        try:
            value = float(value[:_LONGEST_NUMBER])
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e9 else None  # false for NaN, too


def _numbers(value: dict[str, object], *keys: str) -> list[float]:
    found = [number(value.get(key)) for key in keys]
    known = [item for item in found if item is not None]
    if len(known) < len(keys):
        raise ShapeError(f"{', '.join(keys)} must be numbers.")
    return known


def _pair(point: object) -> tuple[float, float] | None:
    if not isinstance(point, list) or len(point) != 2:
        return None
    x, y = number(point[0]), number(point[1])
    return None if x is None or y is None else (x, y)


def _around(corners: list[tuple[float, float]]) -> Bounds:
    xs, ys = zip(*corners, strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _filled(corners: list[tuple[float, float]], height: int, width: int) -> Mask:
    try:
        return coco_mask([[float(side) for corner in corners for side in corner]], height, width)
    except MaskError as error:
        raise ShapeError(str(error)) from None
