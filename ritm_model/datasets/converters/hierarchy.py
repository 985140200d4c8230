"""Which objects are parts of which: a part lies inside its whole. The rules are those of the paper's data.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]

LEAST_BOX_INSIDE = 0.7
LEAST_INSIDE = 0.8  # exceeded
SAME_BOX = 0.7  # exceeded


class Bounds(NamedTuple):
    """A rectangle of pixels; bottom and right are the first ones outside."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def pixels(self) -> int:
        return max(self.bottom - self.top, 0) * max(self.right - self.left, 0)

    def common(self, other: Bounds) -> Bounds:
        """What both hold; of no pixels where they are apart."""
        return Bounds(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )

    def hull(self, other: Bounds) -> Bounds:
        """The smallest box that holds both."""
        return Bounds(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )


@dataclass(frozen=True, slots=True)
class MaskShape:
    """A mask with what is asked of it again and again.

    Attributes:
        mask_HW: bool, True on the object; not empty.
        box: the pixels that it spans.
        area: number of its pixels.
    """

    mask_HW: Mask
    box: Bounds
    area: int


@dataclass(frozen=True, slots=True)
class Node:
    """The place of an object among the others.

    Attributes:
        parent: which object it is part of, None for whole objects.
        children: its parts, the largest first.
        level: 0 for whole objects, 1 for their parts, and so on.
    """

    parent: int | None
    children: tuple[int, ...]
    level: int


def shape_of(mask_HW: Mask) -> MaskShape | None:
    """None for an empty mask."""
    left, top, width, height = cv2.boundingRect(mask_HW.astype(np.uint8))
    if not width:
        return None
    box = Bounds(top, top + height, left, left + width)
    return MaskShape(mask_HW, box, int(np.count_nonzero(mask_HW[box.slices])))


def hierarchy(shapes: Sequence[MaskShape]) -> tuple[Node, ...]:
    """Find the whole of each part.

    Shapes are taken from the largest to the smallest, and each is attached to the deepest of those before
    it that holds it; among several of one level, to the smallest.

    Returns:
        One node per shape, in the order of `shapes`.
    """
    parents: dict[int, int | None] = {}
    levels: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for number in sorted(range(len(shapes)), key=lambda n: -shapes[n].area):
        holding = [other for other in parents if _holds(shapes[other], shapes[number])]
        parent = max(reversed(holding), key=lambda other: levels[other], default=None)
        parents[number] = parent
        levels[number] = 0 if parent is None else levels[parent] + 1
        children[number] = []
        if parent is not None:
            children[parent].append(number)
    return tuple(Node(parents[n], tuple(children[n]), levels[n]) for n in range(len(shapes)))


def are_the_same(a: MaskShape, b: MaskShape, least_iou: float) -> bool:
    """Whether two masks are of one object: alike boxes, and an IoU above `least_iou`.

    The likeness of boxes is the paper's: the overlap of the rows times that of the columns.
    """
    common, hull = a.box.common(b.box), a.box.hull(b.box)
    # A product of two ratios is the ratio of the products, that is, of the pixels.
    if common.pixels <= SAME_BOX * hull.pixels:
        return False
    shared = _shared(a, b)
    return shared / (a.area + b.area - shared) > least_iou


def _holds(whole: MaskShape, part: MaskShape) -> bool:
    if whole.box.common(part.box).pixels < LEAST_BOX_INSIDE * part.box.pixels:
        return False
    return _shared(whole, part) > LEAST_INSIDE * part.area


def _shared(a: MaskShape, b: MaskShape) -> int:
    common = a.box.common(b.box)
    return int(np.count_nonzero(a.mask_HW[common.slices] & b.mask_HW[common.slices])) if common.pixels else 0
