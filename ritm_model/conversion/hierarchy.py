"""Which objects are parts of which: a part lies inside its whole. The rules are those of the paper's data.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ritm_model.inference.geometry import Roi, mask_roi, roi_iou

Mask = npt.NDArray[np.bool_]

LEAST_BOX_INSIDE = 0.7
LEAST_INSIDE = 0.8  # exceeded
SAME_BOX = 0.7  # exceeded


@dataclass(frozen=True, slots=True)
class Shape:
    """A mask with what is asked of it again and again.

    Attributes:
        mask_HW: bool, True on the object; not empty.
        box: the pixels that it spans.
        area: number of its pixels.
    """

    mask_HW: Mask
    box: Roi
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


def shape_of(mask_HW: Mask) -> Shape | None:
    """None for an empty mask."""
    box = mask_roi(mask_HW)
    return None if box is None else Shape(mask_HW, box, int(np.count_nonzero(mask_HW[box.slices])))


def hierarchy(shapes: Sequence[Shape]) -> tuple[Node, ...]:
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


def are_the_same(a: Shape, b: Shape, least_iou: float) -> bool:
    """Whether two masks are of one object: alike boxes, and an IoU above `least_iou`."""
    if roi_iou(a.box, b.box) <= SAME_BOX:
        return False
    shared = _shared(a, b)
    return shared / (a.area + b.area - shared) > least_iou


def _holds(whole: Shape, part: Shape) -> bool:
    common = _common(whole.box, part.box)
    if common is None or _pixels(common) < LEAST_BOX_INSIDE * _pixels(part.box):
        return False
    return _shared(whole, part) > LEAST_INSIDE * part.area


def _shared(a: Shape, b: Shape) -> int:
    common = _common(a.box, b.box)
    if common is None:
        return 0
    return int(np.count_nonzero(a.mask_HW[common.slices] & b.mask_HW[common.slices]))


def _common(a: Roi, b: Roi) -> Roi | None:
    both = Roi(max(a.top, b.top), min(a.bottom, b.bottom), max(a.left, b.left), min(a.right, b.right))
    return both if min(both.size) > 0 else None


def _pixels(box: Roi) -> int:
    return box.size[0] * box.size[1]
