"""Shapes labelled `background`, with which CVAT cuts holes.

Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ritm_model.datasets.drawn import Paint
from ritm_model.datasets.photograph import Mask
from ritm_model.datasets.readers.coco import BACKGROUND


@dataclass(frozen=True, slots=True)
class Cut:
    """A shape without what was laid over it."""

    paint: Paint
    above: tuple[Paint, ...]

    def __call__(self, height: int, width: int) -> Mask:
        mask_HW = self.paint(height, width)
        for other in self.above:
            mask_HW = mask_HW & ~other(height, width)
        return mask_HW


def with_background(shapes: Sequence[tuple[str, str, Paint]]) -> list[tuple[str, str, Paint]]:
    """Shapes, the lowest first, without those labelled `background`: these cut holes into what lies below.

    So CVAT's own export as a segmentation mask has it.
    """
    found: list[tuple[str, str, Paint]] = []
    above: tuple[Paint, ...] = ()
    for key, category, paint in reversed(shapes):
        if category.strip().lower() == BACKGROUND:
            above = (*above, paint)
        else:
            found.append((key, category, Cut(paint, above) if above else paint))
    return found[::-1]
