"""What a detector has found, as files in COCO's formats tell it.

    {"images": [...], "annotations": [{"image_id": 1, "category_id": 2, "bbox": [x, y, width, height]}], ...}
    [{"image_id": 1, "category_id": 2, "bbox": [x, y, width, height], "score": 0.9}, ...]

The second, a list of results, names images and categories by numbers alone: what they are called stands in
another file of the first format. Some detectors write `file_name` and `category_name` into each result, or
the name of the image, without its extension, as `image_id`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ritm_backend.label_studio.regions import number
from ritm_model.datasets.json_stream import outline, values
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.coco import file_name_of
from ritm_model.datasets.readers.coco_json import CocoJson, Id, Record, id_of, kind_of, read_coco
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError, image_size_of


@dataclass(frozen=True, slots=True)
class Detection:
    """A box around an object.

    Attributes:
        image: name of the image file.
        size: (width, height) of the image in pixels, None where the file does not say.
        label: name of the category, None where there is none.
        box: left, top, width and height in pixels.
        score: of the detector, None where the file does not say.
    """

    image: str
    size: tuple[int, int] | None
    label: str | None
    box: tuple[float, float, float, float]
    score: float | None


@dataclass(frozen=True, slots=True)
class Detections:
    """What a file holds.

    Attributes:
        boxes: in its order.
        left_out: how many entries are none, by sentences that say why.
    """

    boxes: tuple[Detection, ...]
    left_out: Mapping[str, int]


def read_detections(path: Path, images: Path | None = None) -> Detections:
    """Read a file of either format.

    Args:
        path: of the file.
        images: a file in COCO's format that names the images and categories of a list of results.

    Raises:
        BrokenFileError: a file is missing, or is no such file.
    """
    problems: list[Problem] = []
    records: Iterable[object]
    if outline(path) is None:
        records = values(path, str(path), problems)
        names = _Names.of(read_coco(images), problems) if images else _Names()
    else:
        source = read_coco(path)
        records = source.streamed("annotations", problems)
        names = _Names.of(read_coco(images) if images else source, problems)
    boxes: list[Detection] = []
    left_out: Counter[str] = Counter()
    for record in records:
        found = names.detection(record)
        if isinstance(found, Detection):
            boxes.append(found)
        else:
            left_out[found] += 1
    left_out.update(problem.reason for problem in problems if not problem.by_rule)
    return Detections(tuple(boxes), left_out)


@dataclass(frozen=True, slots=True)
class _Names:
    """What the numbers in a file stand for; without lists, each image is called as its id."""

    images: Mapping[Id, Record] | None = None
    categories: Mapping[Id, str] = field(default_factory=dict)

    @classmethod
    def of(cls, source: CocoJson, problems: list[Problem]) -> _Names:
        if "images" not in source.lists:
            raise BrokenFileError(source.path, "The file has no list 'images'.")
        return cls(source.by_id("images", problems), source.categories(problems))

    def detection(self, record: object) -> Detection | str:
        """One entry of a list, or why it is none."""
        if not isinstance(record, dict):
            return "An entry is no record."
        if kind_of(record) in ("crowd", "ignored"):
            return "A crowd, or a region to be ignored, is no object."
        box = _box(record.get("bbox"))
        if box is None:
            return "An entry has no box: `bbox` must be left, top, width and height in pixels."
        key, name = id_of(record.get("image_id")), record.get("file_name")
        image: Record = {}
        if not isinstance(name, str) and self.images is not None:
            if key is None or key not in self.images:
                return f"The file lists no image with the id {shown(key)}."
            image = self.images[key]
            name = file_name_of(image)
        elif not isinstance(name, str):
            name = None if key is None else str(key)
        if not isinstance(name, str) or not name:
            return "An entry names no image."
        return Detection(name, _size(image), self._label(record), box, number(record.get("score")))

    def _label(self, record: Record) -> str | None:
        category, name = id_of(record.get("category_id")), record.get("category_name")
        if category is not None and category in self.categories:
            return self.categories[category]
        if isinstance(name, str) and name:
            return name
        return None if category is None else str(category)


def _box(value: object) -> tuple[float, float, float, float] | None:
    numbers = [number(each) for each in value] if isinstance(value, list) else []
    sides = [each for each in numbers if each is not None]
    if len(numbers) != 4 or len(sides) != 4:
        return None
    left, top, width, height = sides
    return (left, top, width, height) if width > 0 and height > 0 else None


def _size(image: Record) -> tuple[int, int] | None:
    try:
        height, width = image_size_of(image)
    except MaskError:
        return None
    return width, height
