"""Datumaro 1.0: items with masks as packed runs, and polygons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ritm_model.datasets.drawn import Drawn, EllipsePaint, Labelled, Paint, PolygonPaint, joined
from ritm_model.datasets.export_images import ExportImages, place_of
from ritm_model.datasets.json_stream import Span, members, outline, read_span
from ritm_model.datasets.photograph import About, Mask
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.masks.coco import coco_mask
from ritm_model.masks.figures import box_corners
from training.exports.tools.background import with_background

SOURCE = "cvat"


@dataclass(frozen=True, slots=True)
class PackedRuns:
    """Runs as COCO packs them: {"size", "counts"}."""

    runs: Mapping[str, Any] = field(repr=False)

    def __call__(self, height: int, width: int) -> Mask:
        return coco_mask(self.runs, height, width)


def read(
    path: Path, folder: Path, roots: tuple[Path, ...], problems: list[Problem], *, boxes: bool = False
) -> Iterator[Labelled]:
    """Read one file of a Datumaro export.

    Args:
        path: `annotations/<subset>.json`.
        folder: the unpacked export, which has `images/`.
        roots: folders in which images are looked for besides.
        problems: hears of everything that is left out.
        boxes: take boxes as masks, too.

    Raises:
        BrokenFileError: it is no such file.
    """
    labels = _labels(path)
    folders, images = (folder / "images" / path.stem, folder / "images", folder), ExportImages(roots)
    about = About(source=SOURCE)
    for key, value, span in members(path):
        if key != "items" or span is None:
            continue
        record: Mapping[str, Any] = value if isinstance(value, dict) else {}
        name = _image_name(record)
        image = None if name is None else images.find(folders, name)
        where = f"{path}, item {shown(record.get('id'))}"
        if name is None:
            problems.append(Problem(where, "It does not name its image."))
        elif image is None:
            problems.append(Problem(where, images.missing(folders, name)))
        elif any(_drawn(record, labels, where, problems, boxes=boxes)):
            item = Item(path, span, labels, boxes)
            yield Labelled(place_of(name, image), image, where, item, about, _size(record))
        else:
            problems.append(Problem(where, "It has no mask.", by_rule=True))


@dataclass(frozen=True, slots=True)
class Item:
    """An item in its file, with the names of all labels."""

    path: Path
    span: Span
    labels: tuple[str, ...] = field(repr=False)
    boxes: bool

    def __call__(self) -> Iterator[Drawn]:
        found = read_span(self.path, self.span)
        record = found if isinstance(found, dict) else {}
        yield from _drawn(record, self.labels, "", [], boxes=self.boxes)


def _labels(path: Path) -> tuple[str, ...]:
    """The names of the labels, wherever in the file they stand.

    Raises:
        BrokenFileError: the file has no items.
    """
    content = outline(path) or {}
    if not isinstance(content.get("items"), list):
        raise BrokenFileError(path, "The file is not of the format of Datumaro.")
    found: object = content.get("categories")
    for key in ("label", "labels"):
        found = found.get(key) if isinstance(found, dict) else None
    rows = found if isinstance(found, list) else []
    return tuple(shown(row.get("name", "")) if isinstance(row, dict) else "" for row in rows)


def _size(record: Mapping[str, Any]) -> tuple[int, int] | None:
    """Height and width, as 30 or 30.0; None where they are not told."""
    abouts = [about for key in ("image", "media") if isinstance(about := record.get(key), dict)]
    size = next((about["size"] for about in abouts if about.get("size")), None)
    if isinstance(size, list) and len(size) == 2 and all(type(side) in (int, float) for side in size):
        return int(size[0]), int(size[1])
    return None


def _image_name(record: Mapping[str, Any]) -> str | None:
    """The path of an item's image; its id, which is that path without extension, where no image is told."""
    abouts = (record.get(key) for key in ("image", "media"))
    paths = [about["path"] for about in abouts if isinstance(about, dict) and about.get("path")]
    name = next(iter(paths), record.get("id"))
    return name if isinstance(name, str) else None


def _drawn(
    item: Mapping[str, Any], labels: Sequence[str], where: str, problems: list[Problem], *, boxes: bool
) -> Iterator[Drawn]:
    shapes: list[tuple[str, str, Paint]] = []
    others: dict[str, int] = {}
    annotations = item.get("annotations")
    records = annotations if isinstance(annotations, list) else []
    for place, record in sorted(enumerate(records, 1), key=lambda item: _z_order(item[1])):
        kind = shown(record.get("type")) if isinstance(record, dict) else "broken record"
        is_taken = boxes or kind != "bbox"
        paint = _paint(kind, record) if isinstance(record, dict) and is_taken else None
        if paint is None:
            others[kind] = others.get(kind, 0) + 1
            continue
        group, label = record.get("group"), record.get("label_id")
        category = _category(label, labels)
        if type(label) is int and label not in range(len(labels)):
            reason = f"The file does not list label {label}; its number stands for its name."
            problems.append(Problem(where, reason, by_rule=True))
        is_group = type(group) is int and group > 0
        shapes.append((f"group-{group}" if is_group else str(place), category, paint))
    for kind, count in sorted(others.items()):
        reason = f"Annotations that are no masks: {count} of {kind}."
        problems.append(Problem(where, reason, by_rule=True))
    yield from joined(with_background(shapes))


def _category(label: object, labels: Sequence[str]) -> str:
    """Its name; the number of a label that the file does not list."""
    if type(label) is not int:
        return ""
    return labels[label] if label in range(len(labels)) else str(label)


def _z_order(record: object) -> int:
    order = record.get("z_order") if isinstance(record, dict) else None
    return order if type(order) is int else 0


def _paint(kind: str, record: Mapping[str, Any]) -> Paint | None:
    runs = record.get("rle")
    if kind == "mask":
        return PackedRuns(runs) if isinstance(runs, dict) else None
    numbers = _numbers(record.get("bbox" if kind == "bbox" else "points"))
    if kind == "polygon" and numbers is not None:
        return PolygonPaint(numbers)
    if numbers is None or len(numbers) != 4:
        return None
    first_x, first_y, x, y = numbers
    turn = _numbers([record["attributes"].get("rotation", 0)]) if _has_attributes(record) else None
    rotation = turn[0] if turn else 0.0
    if kind == "ellipse":  # the corners of the box around it
        centre = (first_x + x) / 2, (first_y + y) / 2
        return EllipsePaint(centre, (abs(x - first_x) / 2, abs(y - first_y) / 2), rotation)
    if kind == "bbox":
        centre = first_x + x / 2, first_y + y / 2
        corners = box_corners((first_x, first_y), (x, y), rotation, centre)
        return PolygonPaint(tuple(side for corner in corners for side in corner))
    return None


def _has_attributes(record: Mapping[str, Any]) -> bool:
    return isinstance(record.get("attributes"), dict)


def _numbers(values: object) -> tuple[float, ...] | None:
    if isinstance(values, list) and all(type(value) in (int, float) for value in values):
        return tuple(values)
    return None
