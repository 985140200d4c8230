"""CVAT for images 1.1: an XML file with masks and polygons, and the images, where they were saved along."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ritm_model.datasets.drawn import (
    Drawn,
    EllipsePaint,
    Labelled,
    Paint,
    PolygonPaint,
    joined,
)
from ritm_model.datasets.export_images import ExportImages, place_of
from ritm_model.datasets.photograph import About, Mask
from ritm_model.datasets.problems import Problem
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError
from ritm_model.masks.cvat_rle import decode
from ritm_model.masks.figures import box_corners
from training.exports.tools.background import with_background
from training.exports.tools.cvat_xml import CvatXml, image_at

SOURCE = "cvat"
_OUTSIDE = "those outside the frame"


@dataclass(frozen=True, slots=True)
class Runs:
    """A mask of CVAT: runs row by row inside a box, then the box."""

    points: tuple[float, ...] = field(repr=False)

    def __call__(self, height: int, width: int) -> Mask:
        return decode(self.points, width=width, height=height)


def read(
    path: Path, folder: Path, roots: tuple[Path, ...], problems: list[Problem], *, boxes: bool = False
) -> Iterator[Labelled]:
    """Read the XML file of an export.

    Args:
        path: of the file, usually `annotations.xml`.
        folder: the unpacked export.
        roots: folders in which images are looked for besides.
        problems: hears of everything that is left out.
        boxes: take boxes as masks, too.

    Raises:
        BrokenFileError: it is no such file.
    """
    file, images, about = CvatXml(path), ExportImages(roots), About(source=SOURCE)
    has_images = False
    for element, start in file.images():
        has_images = True
        name, subset = element.get("name", ""), element.get("subset", "")
        folders = (folder / "images" / subset, folder / "images", folder) if _is_plain(subset) else ()
        image = images.find(folders, name)
        where = f"{path}, image {shown(name)}"
        if image is None:
            problems.append(Problem(str(path), images.missing(folders, name)))
        elif any(_drawn(element, where, problems, boxes=boxes)):
            place = "/".join([*_folders(subset), place_of(name, image)])
            yield Labelled(place, image, str(path), Shapes(path, start, boxes), about, _size(element))
        else:
            problems.append(Problem(str(path), f"The image {shown(name)} has no mask.", by_rule=True))
    if not has_images and not file.tracks:
        problems.append(Problem(str(path), "It has no images.", by_rule=True))
    if file.tracks:
        reason = (
            f"Tracks of a video, which are not read: {file.tracks}; export the task as CVAT for images 1.1."
        )
        problems.append(Problem(str(path), reason, by_rule=True))


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is drawn on an image, at its place in the file."""

    path: Path
    start: int
    boxes: bool

    def __call__(self) -> Iterator[Drawn]:
        yield from _drawn(image_at(self.path, self.start), "", [], boxes=self.boxes)


def _drawn(
    element: ElementTree.Element, where: str, problems: list[Problem], *, boxes: bool
) -> Iterator[Drawn]:
    """The objects of an image in their z-order; shapes of a group are parts of one."""
    others: dict[str, int] = {}
    shapes: list[tuple[str, str, Paint]] = []
    for place, shape in enumerate(sorted(element, key=lambda shape: _number(shape.get("z_order")))):
        read_paint = _PAINTS.get(shape.tag)
        if read_paint is None or (shape.tag == "box" and not boxes):
            others[shape.tag] = others.get(shape.tag, 0) + 1
            continue
        if shape.get("outside") == "1":
            others[_OUTSIDE] = others.get(_OUTSIDE, 0) + 1
            continue
        try:
            paint = read_paint(shape)
        except (MaskError, ValueError):
            problems.append(Problem(where, f"The numbers of {shape.tag} {place + 1} are damaged."))
            continue
        group = _number(shape.get("group_id"))
        shapes.append((f"group-{group}" if group else str(place + 1), shown(shape.get("label", "")), paint))
    for tag, count in sorted(others.items()):
        reason = f"Shapes that are no masks: {count} of {shown(tag)}."
        problems.append(Problem(where, reason, by_rule=True))
    yield from joined(with_background(shapes))


def _mask(shape: ElementTree.Element) -> Runs:
    runs = np.array([_whole(text) for text in shape.get("rle", "").split(",") if text.strip()], np.float64)
    left, top, width, height = (_whole(shape.get(name, "")) for name in ("left", "top", "width", "height"))
    return Runs((*runs.tolist(), left, top, left + width - 1, top + height - 1))


def _whole(text: str) -> int:
    """A whole number, as 3 or 3.0. Raises ValueError."""
    number = float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _polygon(shape: ElementTree.Element) -> PolygonPaint:
    points = [float(text) for pair in shape.get("points", "").split(";") for text in pair.split(",")]
    return PolygonPaint(tuple(points))


def _ellipse(shape: ElementTree.Element) -> EllipsePaint:
    x, y, across, down = (float(shape.get(name, "")) for name in ("cx", "cy", "rx", "ry"))
    return EllipsePaint((x, y), (across, down), float(shape.get("rotation") or 0))


def _box(shape: ElementTree.Element) -> PolygonPaint:
    left, top, right, bottom = (float(shape.get(name, "")) for name in ("xtl", "ytl", "xbr", "ybr"))
    centre = (left + right) / 2, (top + bottom) / 2
    sides = right - left, bottom - top
    corners = box_corners((left, top), sides, float(shape.get("rotation") or 0), centre)
    return PolygonPaint(tuple(side for corner in corners for side in corner))


_PAINTS: Mapping[str, Callable[[ElementTree.Element], Paint]] = {
    "mask": _mask,
    "polygon": _polygon,
    "ellipse": _ellipse,
    "box": _box,
}


def _size(element: ElementTree.Element) -> tuple[int, int] | None:
    """Height and width; None where they are not told."""
    size = _number(element.get("height")), _number(element.get("width"))
    return size if all(size) else None


def _number(text: str | None) -> int:
    """A number, as 3 or 3.0; 0 for anything else."""
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        return 0


def _folders(subset: str) -> list[str]:
    """The folders in the name of a subset, which anybody may have written."""
    parts = subset.replace("\0", "").replace(":", "_").replace("\\", "/").split("/")
    return [part for part in parts if part not in ("", ".", "..")]


def _is_plain(subset: str) -> bool:
    return "/" not in subset and "\\" not in subset and subset not in (".", "..") and "\0" not in subset
