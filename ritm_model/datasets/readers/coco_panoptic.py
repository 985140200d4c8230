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
from ritm_model.datasets.readers.coco_json import read_coco


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


def coco_panoptic(root: Path, split: str) -> Collection:
    """Things that are no crowd, and stuff."""
    folder = root / "annotations" / f"panoptic_{split}"
    source = read_coco(folder.with_suffix(".json"))
    problems: list[Problem] = []
    categories = source.by_id("categories", problems)
    names = source.categories([])
    photographs: list[PanopticPhotograph] = []
    for annotation in source.records("annotations", problems):
        try:
            mask = inside(folder, annotation.get("file_name"))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        things: list[tuple[int, str, Kind]] = []
        stuff: list[tuple[int, str, Kind]] = []
        crowds = 0
        for segment in annotation.get("segments_info") or []:
            if not isinstance(segment, dict) or type(segment.get("id")) is not int:
                problems.append(source.problem(f"A segment of {mask.name} has no id."))
            elif segment.get("category_id") not in categories:
                problems.append(source.problem(f"Segment {segment['id']} of {mask.name} has no category."))
            elif segment.get("iscrowd"):
                crowds += 1
            elif categories[segment["category_id"]].get("isthing"):
                things.append((segment["id"], category_name(names, segment), "object"))
            else:
                stuff.append((segment["id"], category_name(names, segment), "stuff"))
        if crowds:
            problems.append(source.problem(f"Crowds in {mask.name}: {crowds}.", by_rule=True))
        if things:
            image = root / split / f"{mask.stem}.jpg"
            photographs.append(PanopticPhotograph(image, mask, (*things, *stuff)))
        else:
            problems.append(source.problem(f"{mask.name} has no object.", by_rule=True))
    return Collection(photographs, problems)
