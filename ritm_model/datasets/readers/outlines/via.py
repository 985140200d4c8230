"""VGG Image Annotator (VIA): one JSON file for all photographs, a project or exported annotations.

    {"a.jpg4711": {"filename": "a.jpg", "size": 4711, "regions": [
        {"shape_attributes": {"name": "polygon", "all_points_x": [10, 30, 30], "all_points_y": [6, 6, 18]},
         "region_attributes": {"class": "cat"}}]}}

In a project they lie under `_via_img_metadata`. A box is no mask.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ritm_model.datasets.drawn import Drawn, EllipsePaint, Labelled, Paint, PolygonPaint, joined
from ritm_model.datasets.files import read_json
from ritm_model.datasets.photograph import About, Collection, Photograph
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.readers.outlines.common import Photographs, files_below, numbers, ring
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError

ABOUT = About(source="via")
_PROJECT = "_via_img_metadata"
_NAMES = ("class", "label", "name", "type", "category", "object", "species")
"""What the attribute of a region is called that names its class, in most projects."""
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """Objects that are in memory."""

    drawn: tuple[Drawn, ...] = field(repr=False)

    def __call__(self) -> Iterable[Drawn]:
        return self.drawn


def via(root: Path, split: str, elsewhere: Sequence[Path] = ()) -> Collection:
    """The photographs of a file, or of all JSON files of VIA below a folder; arguments as of `labelme`.

    Raises:
        DatasetError: there is no such file.
    """
    folder, paths = files_below(root, split, ".json")
    images = Photographs(folder, elsewhere)
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            photographs += _photographs(path, images, problems)
        except BrokenFileError as error:  # noqa: PERF203  (one broken file is one file)
            if root == path:
                raise
            problems.append(error.problem)
    if not photographs and not problems:
        raise DatasetError(f"No photograph of {root} has an outline.")
    return Collection(photographs, problems)


def metadata(content: object) -> Record | None:
    """The records of photographs in a file of VIA; None where it is none."""
    found = content.get(_PROJECT, content) if isinstance(content, dict) else None
    if not isinstance(found, dict) or not any(_is_photograph(record) for record in found.values()):
        return None
    return found


def _is_photograph(record: object) -> bool:
    return isinstance(record, dict) and "filename" in record and "regions" in record


def _photographs(path: Path, images: Photographs, problems: list[Problem]) -> Iterator[Labelled]:
    records = metadata(read_json(path))
    if records is None:
        raise BrokenFileError(path, "The file is none of VIA 1 or 2: it has no photograph with 'regions'.")
    for key, record in records.items():
        where = f"{path}, image {shown(key)}"
        name = record.get("filename") if _is_photograph(record) else None
        if not isinstance(name, str) or not name:
            problems.append(Problem(where, "It does not name its image."))
        elif not (drawn := tuple(_drawn(record, where, problems))):
            problems.append(Problem(where, "It has no mask.", by_rule=True))
        elif (found := images.find(path, (name,))) is None:
            problems.append(images.missing(path, name))
        else:
            yield Labelled(*found, where, Given(drawn), ABOUT)


def _drawn(record: Record, where: str, problems: list[Problem]) -> Iterator[Drawn]:
    shapes: list[tuple[str, str, Paint]] = []
    others: Counter[str] = Counter()
    regions = record["regions"]
    listed = regions.values() if isinstance(regions, dict) else regions if isinstance(regions, list) else ()
    for place, region in enumerate(listed, 1):
        about = region.get("shape_attributes") if isinstance(region, dict) else None
        kind = shown(about.get("name")) if isinstance(about, dict) else "broken record"
        try:
            paint = _paint(kind, about) if isinstance(about, dict) else None
        except MaskError as error:
            problems.append(Problem(where, f"Region {place}: {error}"))
            continue
        if paint is None:
            others[kind] += 1
        else:
            shapes.append((str(place), _category(region.get("region_attributes")), paint))
    for kind, count in sorted(others.items()):
        problems.append(Problem(where, f"Regions that are no masks: {count} of {kind}.", by_rule=True))
    yield from joined(shapes)


def _category(attributes: object) -> str:
    """The value of the attribute that names classes, or of the first; of boxes to tick, the first ticked."""
    known = attributes if isinstance(attributes, dict) else {}
    by_name = {shown(name).strip().casefold(): value for name, value in known.items()}
    value = next((by_name[name] for name in _NAMES if by_name.get(name)), next(iter(known.values()), ""))
    if isinstance(value, dict):
        value = next((name for name, is_ticked in value.items() if is_ticked), "")
    return shown(value).strip()


def _paint(kind: str, shape: Record) -> Paint | None:
    """Raises MaskError."""
    match kind:
        case "polygon":
            across, down = (numbers(shape.get(f"all_points_{axis}")) for axis in "xy")
            if len(across) != len(down):
                raise MaskError("Its polygon has not as many x as y.")
            return PolygonPaint(ring(list(zip(across, down, strict=True))))
        case "circle":
            x, y, radius = numbers([shape.get(key) for key in ("cx", "cy", "r")])
            return EllipsePaint((x, y), (radius, radius))
        case "ellipse":
            x, y, across_radius, down_radius = numbers([shape.get(key) for key in ("cx", "cy", "rx", "ry")])
            (turn,) = numbers([shape.get("theta") or 0])
            return EllipsePaint((x, y), (across_radius, down_radius), math.degrees(turn))
    return None
