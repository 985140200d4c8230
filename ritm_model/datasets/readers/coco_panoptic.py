"""COCO's panoptic images, whose colours number the segments.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.files import inside
from ritm_model.datasets.mask_files import read_numbers
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Kind, Region
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.readers.coco import category_name, folders_near
from ritm_model.datasets.readers.coco_images import CocoImages
from ritm_model.datasets.readers.coco_json import CocoJson, Id, Record, id_of, read_coco
from ritm_model.images.finding import ImageFinder


@dataclass(frozen=True, slots=True)
class PanopticPhotograph:
    """An image with the segments of a panoptic image, whose colours are their numbers."""

    name: str
    image: Path
    mask: Path
    segments: tuple[tuple[int, str, Kind], ...] = field(repr=False)
    about: About = NOTHING_KNOWN

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
    blue_HW, green_HW, red_HW = np.moveaxis(read_numbers(path).astype(np.int32), -1, 0)
    numbers_HW: npt.NDArray[np.int32] = red_HW + 256 * green_HW + 65536 * blue_HW
    return numbers_HW


def segments_of(annotation: Record) -> list[Record]:
    """What an annotation says of its segments; an empty record for what is none."""
    segments = annotation.get("segments_info")
    listed = segments if isinstance(segments, list) else []
    return [segment if isinstance(segment, dict) else {} for segment in listed]


def coco_panoptic(root: Path, split: str) -> Collection:
    """Things that are no crowd, and stuff, of a file in the format, or of COCO's folder with a split.

    Panoptic images lie in a folder beside the file that has its name, or elsewhere beside it.
    """
    if root.suffix.lower() == ".json":
        path, folders = root, folders_near(root, root.stem.removeprefix("panoptic_"))
    else:
        path, folders = root / "annotations" / f"panoptic_{split}.json", [root / split, root / "images"]
    source = read_coco(path)
    problems: list[Problem] = []
    categories = source.by_id("categories", problems)
    names = source.categories([])
    images = source.by_id("images", []) if "images" in source.lists else {}
    beside = path.parent
    mask_folders = (path.with_suffix(""), beside / "masks", beside / "panoptic", beside)
    masks = ImageFinder(*mask_folders, anywhere=False)
    files = _images(source, images, folders)
    photographs: list[PanopticPhotograph] = []
    for annotation in source.streamed("annotations", problems):
        try:
            mask = _mask(masks, path, annotation.get("file_name"))
            name, image = files.find(_name(images, annotation))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        things: list[tuple[int, str, Kind]] = []
        stuff: list[tuple[int, str, Kind]] = []
        crowds = 0
        for segment in segments_of(annotation):
            number, category = segment.get("id"), id_of(segment.get("category_id"))
            class_name = category_name(names, category)
            if type(number) is not int:
                problems.append(source.problem(f"A segment of {mask.name} has no id."))
            elif category not in categories:
                problems.append(source.problem(f"Segment {number} of {mask.name} has no category."))
            elif segment.get("iscrowd"):
                crowds += 1
            elif categories[category].get("isthing"):
                things.append((number, class_name, "object"))
            else:
                stuff.append((number, class_name, "stuff"))
        if crowds:
            problems.append(source.problem(f"Crowds in {mask.name}: {crowds}.", by_rule=True))
        if things:
            photographs.append(PanopticPhotograph(name, image, mask, (*things, *stuff)))
        else:
            problems.append(source.problem(f"{mask.name} has no object.", by_rule=True))
    return Collection(photographs, problems)


def _images(source: CocoJson, images: Mapping[Id, Record], folders: Sequence[Path]) -> CocoImages:
    """Raises DatasetError: no folder has any of the images."""
    files = CocoImages([_name(images, each) for each in source.streamed("annotations", [])], folders, ())
    if not files.has_any:
        where = ", ".join(map(str, folders))
        raise DatasetError(f"None of the images of {source.path} is in one of the folders {where}.")
    return files


def _name(images: Mapping[Id, Record], annotation: Record) -> object:
    """What the image of an annotation is called; without an extension where no list of images tells it."""
    owner, mask = id_of(annotation.get("image_id")), annotation.get("file_name")
    name = None if owner is None else images.get(owner, {}).get("file_name")
    return PurePosixPath(mask).stem if name is None and isinstance(mask, str) else name


def _mask(masks: ImageFinder, path: Path, name: object) -> Path:
    found = masks.find(name) if isinstance(name, str) else None
    return found or inside(path.with_suffix(""), name)
