"""What was drawn on a picture, and how it becomes pixels.

Shapes: H x W the upright photograph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ritm_model.datasets.files import orientation_of
from ritm_model.datasets.photograph import About, Mask, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import RitmError
from ritm_model.masks.coco import MaskError, coco_mask
from ritm_model.masks.figures import ellipse_mask

Paint = Callable[[int, int], Mask]
"""From the height and width of the photograph to H x W bool. Raises MaskError or RitmError."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """One object: what its file calls it, its class, and its parts, which together are its mask."""

    key: str
    category: str
    parts: tuple[Paint, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A photograph with what was drawn on it.

    Attributes:
        name: where it goes in the data set.
        image: its file.
        truth: what problems name: the annotation or the file that the objects stand in.
        read: reads its objects from their file, which may hold too many for memory. Raises BrokenFileError.
        about: what is known of it besides.
        size: height and width that the file says, None where it does not. Those of a photograph whose sides
            its orientation tag swaps are as the camera held it; so are the masks then.
    """

    name: str
    image: Path
    truth: str
    read: Callable[[], Iterable[Drawn]] = field(repr=False)
    about: About
    size: tuple[int, int] | None = None

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Raises BrokenFileError where the photograph has another size than the file says."""
        if self.size == (width, height) and orientation_of(self.image) >= 5:
            height, width = width, height
        if self.size is not None and self.size != (height, width):
            sizes = f"{width} x {height} pixels, its annotations are for {self.size[1]} x {self.size[0]}"
            raise BrokenFileError(self.image, f"The photograph has {sizes}.")
        for item in self.read():
            mask_HW = np.zeros((height, width), np.bool_)
            painted = 0
            for paint in item.parts:
                try:
                    mask_HW |= paint(height, width)
                    painted += 1
                except (MaskError, RitmError) as error:  # noqa: PERF203  (one broken part is one part)
                    yield Problem(self.truth, f"Object {item.key}: {error}")
            if painted:
                yield Region(mask_HW, item.key, item.category)


@dataclass(frozen=True, slots=True)
class PolygonPaint:
    """A polygon: x, y, x, y … in pixels."""

    points: tuple[float, ...] = field(repr=False)

    def __call__(self, height: int, width: int) -> Mask:
        return coco_mask([list(self.points)], height, width)


@dataclass(frozen=True, slots=True)
class EllipsePaint:
    """An ellipse in pixels, turned clockwise by `rotation` degrees."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    rotation: float = 0.0

    def __call__(self, height: int, width: int) -> Mask:
        if not all(0 < radius < math.inf for radius in self.radii):
            raise MaskError("The radii of the ellipse must be positive.")
        return ellipse_mask(self.centre, self.radii, self.rotation, height, width)


def joined(shapes: Iterable[tuple[str, str, Paint]]) -> Iterator[Drawn]:
    """Objects out of shapes with their keys and classes; those of one key are parts of one object."""
    parts: dict[tuple[str, str], list[Paint]] = {}
    for key, category, paint in shapes:
        parts.setdefault((key, category), []).append(paint)
    keys = [key for key, _ in parts]
    for (key, category), paints in parts.items():
        unique = key if keys.count(key) == 1 else f"{key}-{category}"
        yield Drawn(unique, category, tuple(paints))
