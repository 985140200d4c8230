"""COCO's panoptic images, whose colours number the segments.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.files import inside, read_mask
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Kind, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.coco import category_name
from ritm_model.datasets.readers.coco_json import Record, id_of, read_coco


@dataclass(frozen=True, slots=True)
class PanopticPhotograph:
    """An image with the segments of a panoptic image, whose colours are their numbers."""

    image: Path
    mask: Path
    segments: tuple[tuple[int, str, Kind], ...] = field(repr=False)
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.mask)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        numbers_HW = segment_numbers(self.mask)
        for number, category, kind in self.segments:
            yield Region(numbers_HW, str(number), category, kind, value=number)


def segment_numbers(path: Path) -> npt.NDArray[np.int32]:
    """The numbers that the colours of a panoptic image stand for: H x W.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    blue_HW, green_HW, red_HW = np.moveaxis(read_mask(path).astype(np.int32), -1, 0)
    numbers_HW: npt.NDArray[np.int32] = red_HW + 256 * green_HW + 65536 * blue_HW
    return numbers_HW


def segments_of(annotation: Record) -> list[Record]:
    """What an annotation says of its segments; an empty record for what is none."""
    segments = annotation.get("segments_info")
    listed = segments if isinstance(segments, list) else []
    return [segment if isinstance(segment, dict) else {} for segment in listed]


def coco_panoptic(root: Path, split: str) -> Collection:
    """Things that are no crowd, and stuff."""
    folder = root / "annotations" / f"panoptic_{split}"
    source = read_coco(folder.with_suffix(".json"))
    problems: list[Problem] = []
    categories = source.by_id("categories", problems)
    names = source.categories([])
    photographs: list[PanopticPhotograph] = []
    for annotation in source.streamed("annotations", problems):
        try:
            mask = inside(folder, annotation.get("file_name"))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        things: list[tuple[int, str, Kind]] = []
        stuff: list[tuple[int, str, Kind]] = []
        crowds = 0
        for segment in segments_of(annotation):
            number, category = segment.get("id"), id_of(segment.get("category_id"))
            name = category_name(names, category)
            if type(number) is not int:
                problems.append(source.problem(f"A segment of {mask.name} has no id."))
            elif category not in categories:
                problems.append(source.problem(f"Segment {number} of {mask.name} has no category."))
            elif segment.get("iscrowd"):
                crowds += 1
            elif categories[category].get("isthing"):
                things.append((number, name, "object"))
            else:
                stuff.append((number, name, "stuff"))
        if crowds:
            problems.append(source.problem(f"Crowds in {mask.name}: {crowds}.", by_rule=True))
        if things:
            image = root / split / f"{mask.stem}.jpg"
            photographs.append(PanopticPhotograph(image, mask, (*things, *stuff)))
        else:
            problems.append(source.problem(f"{mask.name} has no object.", by_rule=True))
    return Collection(photographs, problems)
