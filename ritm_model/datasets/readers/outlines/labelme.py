r"""LabelMe: a JSON file for each photograph, beside it or in a folder of its own.

    {"shapes": [{"label": "cat", "points": [[10, 6], [30, 6], [30, 18]], "shape_type": "polygon",
                 "group_id": null}],
     "imagePath": "..\\photos\\a.jpg", "imageData": null, "imageHeight": 480, "imageWidth": 640}

Shapes of one label and one `group_id` are one object. A box is no mask.
"""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ritm_model.datasets.drawn import Drawn, EllipsePaint, Labelled, Paint, PolygonPaint, joined
from ritm_model.datasets.files import read_json
from ritm_model.datasets.mask_files import decode_mask
from ritm_model.datasets.photograph import About, Collection, Mask, Photograph
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.outlines.common import Photographs, files_below, numbers, points, ring
from ritm_model.errors import shown
from ritm_model.images.names import has_suffix
from ritm_model.masks.coco import MaskError

ABOUT = About(source="labelme")
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PatchPaint:
    """A PNG whose first pixel lies at (left, top); the object is where it is not black."""

    left: int
    top: int
    png: bytes = field(repr=False)
    path: Path

    def __call__(self, height: int, width: int) -> Mask:
        patch_HW = decode_mask(self.png, self.path).max(axis=2) > 0
        mask_HW = np.zeros((height, width), np.bool_)
        top, left = max(self.top, 0), max(self.left, 0)
        seen_HW = patch_HW[top - self.top :, left - self.left :]
        seen_HW = seen_HW[: max(height - top, 0), : max(width - left, 0)]
        mask_HW[top : top + seen_HW.shape[0], left : left + seen_HW.shape[1]] = seen_HW
        return mask_HW


@dataclass(frozen=True, slots=True)
class EmbeddedPhotograph(Labelled):
    """A photograph that lies in the JSON file itself, in Base64."""

    def image_bytes(self) -> bytes:
        """Raises BrokenFileError."""
        return _image_data(_record(self.image), self.image)


@dataclass(frozen=True, slots=True)
class Shapes:
    """What is drawn on a photograph, in its file."""

    path: Path

    def __call__(self) -> Iterator[Drawn]:
        yield from _drawn(_record(self.path), self.path, [])


def labelme(root: Path, split: str, elsewhere: Sequence[Path] = ()) -> Collection:
    """The photographs of all JSON files below a folder, or of one file.

    Args:
        root: the folder, or the file.
        split: name of a folder below it, of which files are taken; nothing for all.
        elsewhere: folders of the user, in which photographs may lie anywhere.

    Raises:
        DatasetError: there is no such file.
    """
    folder, paths = files_below(root, split, ".json")
    images = Photographs(folder, elsewhere)
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            record = _record(path)
            if any(_drawn(record, path, problems)):
                photographs.append(_photograph(path, folder, images, record))
            else:
                problems.append(Problem(str(path), "It has no mask.", by_rule=True))
        except BrokenFileError as error:  # noqa: PERF203  (one broken file is one file)
            problems.append(error.problem)
    return Collection(photographs, problems)


def _record(path: Path) -> Record:
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        raise BrokenFileError(path, "The file is none of LabelMe: it has no list 'shapes'.")
    return content


def _photograph(path: Path, root: Path, images: Photographs, record: Record) -> Labelled:
    """Where the file says, or under the name of the file beside it, or in the file itself."""
    said = record.get("imagePath")
    name = said if isinstance(said, str) and said else path.stem
    sides = [record.get(key) for key in ("imageHeight", "imageWidth")]
    height, width = (int(side) if type(side) in (int, float) and side else 0 for side in sides)
    size = (height, width) if height and width else None
    last = name.replace("\\", "/").rpartition("/")[2]
    is_foreign = name.startswith(("/", "\\")) or name[1:2] == ":"  # of a folder that is not known here
    found = images.find(path, (last, name, path.stem) if is_foreign else (name, path.stem))
    if found is not None:
        return Labelled(*found, str(path), Shapes(path), ABOUT, size)
    if not record.get("imageData"):
        raise BrokenFileError(path, images.missing(path, name).reason)
    _image_data(record, path)
    place = path.relative_to(root).with_suffix(Path(name).suffix if has_suffix(name) else ".png")
    return EmbeddedPhotograph(place.as_posix(), path, str(path), Shapes(path), ABOUT, size)


def _image_data(record: Record, path: Path) -> bytes:
    try:
        return base64.b64decode(record.get("imageData") or "", validate=True)
    except (TypeError, ValueError):
        raise BrokenFileError(path, "Its 'imageData' is damaged, and its image is not there.") from None


def _drawn(record: Record, path: Path, problems: list[Problem]) -> Iterator[Drawn]:
    shapes: list[tuple[str, str, Paint]] = []
    others: Counter[str] = Counter()
    for place, shape in enumerate(record["shapes"], 1):
        known: Record = shape if isinstance(shape, dict) else {"shape_type": "broken record"}
        kind = known.get("shape_type") or "polygon"
        try:
            paint = _paint(shown(kind), known, path)
        except MaskError as error:
            problems.append(Problem(str(path), f"Shape {place}: {error}"))
            continue
        if paint is None:
            others[shown(kind)] += 1
            continue
        group, label = known.get("group_id"), known.get("label")
        key = str(place) if group is None else f"group-{shown(group)}"
        shapes.append((key, "" if label is None else shown(label), paint))
    for kind, count in sorted(others.items()):
        problems.append(Problem(str(path), f"Shapes that are no masks: {count} of {kind}.", by_rule=True))
    yield from joined(shapes)


def _paint(kind: str, shape: Record, path: Path) -> Paint | None:
    """Raises MaskError."""
    if kind not in ("polygon", "circle", "mask"):
        return None
    corners = points(shape.get("points"))
    if kind == "polygon":
        return PolygonPaint(ring(corners))
    if len(corners) < 1 + (kind == "circle"):
        raise MaskError(f"It has {len(corners)} points.")
    (x, y), *others = corners
    if kind == "circle":
        radius = math.hypot(others[0][0] - x, others[0][1] - y)
        return EllipsePaint((x, y), (radius, radius))
    try:
        png = base64.b64decode(shape.get("mask") or "", validate=True)
    except (TypeError, ValueError):
        raise MaskError("The mask is no PNG, or damaged.") from None
    left, top = numbers([round(x), round(y)])
    return PatchPaint(int(left), int(top), png, path)
