"""Boxes, regions of interest, and how clicks move between the image and a crop.

People and adapters speak of a `Box`: pixel edges, x to the right and y downwards, half-open. Inside,
a `Roi` is the paper's (first row, last row, first column, last column), both ends included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click

Size = tuple[int, int]
"""(height, width) in pixels."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle on the upright image, in pixel edges: it covers [left, right) x [top, bottom).

    Edges may be fractional; every pixel the box touches belongs to it.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def centre(self) -> Click:
        """A positive click in the middle of the box."""
        return Click((self.left + self.right) / 2, (self.top + self.bottom) / 2)

    def clipped(self, frame: Size) -> Box | None:
        """The part of the box on the image, None when there is none."""
        left, right = max(self.left, 0.0), min(self.right, float(frame[1]))
        top, bottom = max(self.top, 0.0), min(self.bottom, float(frame[0]))
        return Box(left, top, right, bottom) if left < right and top < bottom else None

    def leading(self, clicks: Sequence[Click], *, always: bool = False) -> tuple[Click, ...]:
        """All clicks on the object that the box was drawn around; the box itself is its region.

        The first is in the middle of the box, unless one of the others says where the object is.

        Args:
            clicks: what was clicked beside drawing the box.
            always: the box was answered before anything was clicked. Then the click in its middle stays,
                since the others correct the mask that it gave.
        """
        if not always and any(click.is_positive for click in clicks):
            return tuple(clicks)
        return (self.centre, *clicks)


class Roi(NamedTuple):
    """A rectangle of pixels, all four ends included."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> Size:
        return self.bottom - self.top + 1, self.right - self.left + 1

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom + 1), slice(self.left, self.right + 1)

    def within(self, outer: Roi) -> tuple[slice, slice]:
        """The slices of these pixels in an array that shows `outer`, which holds them all."""
        top, left = self.top - outer.top, self.left - outer.left
        return slice(top, top + self.size[0]), slice(left, left + self.size[1])

    def moved(self, origin: Roi) -> Roi:
        """The same rectangle, given from the corner of `origin`, from the corner of the image."""
        return Roi(
            self.top + origin.top,
            self.bottom + origin.top,
            self.left + origin.left,
            self.right + origin.left,
        )

    def holds(self, click: Click) -> bool:
        """Whether the click lies inside; the last row and column do not count, as in the paper."""
        return self.top <= click.y < self.bottom and self.left <= click.x < self.right


def whole(frame: Size) -> Roi:
    return Roi(0, frame[0] - 1, 0, frame[1] - 1)


def box_roi(box: Box, frame: Size) -> Roi | None:
    """The pixels of the frame that the box touches, None when there are none."""
    roi = Roi(
        max(math.floor(box.top), 0),
        min(math.ceil(box.bottom), frame[0]) - 1,
        max(math.floor(box.left), 0),
        min(math.ceil(box.right), frame[1]) - 1,
    )
    return roi if min(roi.size) > 0 else None


def mask_roi(mask_HW: npt.NDArray[np.bool_]) -> Roi | None:
    """The bounding box of the pixels that are set, None when there are none."""
    left, top, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    return Roi(top, top + height - 1, left, left + width - 1) if width else None


def with_clicks(roi: Roi, clicks: Sequence[Click], frame: Size) -> Roi:
    """The smallest Roi that holds `roi` and the pixels of the positive clicks.

    A click beside the image counts for the nearest pixel of the image.
    """
    top, bottom, left, right = roi
    for click in clicks:
        if click.is_positive:
            row = min(max(int(click.y), 0), frame[0] - 1)
            column = min(max(int(click.x), 0), frame[1] - 1)
            top, bottom = min(top, row), max(bottom, row)
            left, right = min(left, column), max(right, column)
    return Roi(top, bottom, left, right)


def expand(roi: Roi, ratio: float, min_size: int | None = None) -> Roi:
    """Stretch about the centre by `ratio`, to `min_size` pixels or more in each direction.

    Bounds round half to even, as in the paper; they may leave the image.
    """

    def stretched(first: int, last: int) -> tuple[int, int]:
        centre = 0.5 * (first + last)
        length = ratio * (last - first + 1)
        if min_size is not None:
            length = max(length, min_size)
        return round(centre - 0.5 * length), round(centre + 0.5 * length)

    return Roi(*stretched(roi.top, roi.bottom), *stretched(roi.left, roi.right))


def clamp(roi: Roi, limits: Roi) -> Roi:
    """Cut off what lies beyond `limits`, without shifting."""
    return Roi(
        max(roi.top, limits.top),
        min(roi.bottom, limits.bottom),
        max(roi.left, limits.left),
        min(roi.right, limits.right),
    )


def hull(a: Roi | None, b: Roi | None) -> Roi | None:
    """The smallest Roi that holds both; None stands for no pixels."""
    if a is None or b is None:
        return a or b
    return Roi(min(a.top, b.top), max(a.bottom, b.bottom), min(a.left, b.left), max(a.right, b.right))


def roi_iou(a: Roi, b: Roi) -> float:
    """Product of the overlaps of the two row ranges and of the two column ranges, in [0, 1].

    That is the paper's measure; it is not the ratio of the areas.
    """

    def overlap(a_first: int, a_last: int, b_first: int, b_last: int) -> float:
        shared = max(0, min(a_last, b_last) - max(a_first, b_first) + 1)
        return shared / max(1e-6, max(a_last, b_last) - min(a_first, b_first) + 1)

    rows = overlap(a.top, a.bottom, b.top, b.bottom)
    return rows * overlap(a.left, a.right, b.left, b.right)


def to_crop(clicks: Sequence[Click], roi: Roi, size: Size) -> tuple[Click, ...]:
    """Clicks in pixels of the crop that shows `roi` at `size`, by the ratio of the pixel counts.

    The result is fractional, and negative or beyond the crop for clicks outside `roi`.
    """
    height, width = roi.size
    return tuple(
        replace(
            click,
            x=size[1] * (click.x - roi.left) / width,
            y=size[0] * (click.y - roi.top) / height,
        )
        for click in clicks
    )
