"""COCO: instances of any file in its format, and panoptic images.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.readers.coco_json import CocoJson, Record, read_coco
from ritm_model.datasets.files import inside, read_image, read_mask
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.samples import Annotated, Listing, truth_of
from ritm_model.errors import shown
from ritm_model.images import Pixels
from ritm_model.masks.coco import MaskError, coco_mask, image_size_of
from ritm_model.simulation import OBJECT

Kind = Literal["object", "ignored", "crowd", "stuff"]


@dataclass(frozen=True, slots=True)
class CocoPicture:
    """An image with its annotations out of the JSON file, each with the name of its category.

    Annotations of the COCO-RLE layout may say more: `"ignore": 1` counts for no object, `"stuff": 1` is no
    object, and `parent` names the object of which an object is a part.
    """

    name: str
    image: Path
    truth: str
    record: Record = field(repr=False)
    annotations: tuple[tuple[Record, str], ...] = field(repr=False)

    def load_image(self) -> Pixels:
        return read_image(self.image)

    def objects(self) -> Iterator[Annotated | Problem]:
        ignored_HW: npt.NDArray[np.bool_] | None = None
        for found in self._painted("ignored"):
            if isinstance(found, Problem):
                yield found
            else:
                mask_HW = found.mask == OBJECT
                ignored_HW = mask_HW if ignored_HW is None else ignored_HW | mask_HW
        for found in self._painted("object"):
            if isinstance(found, Annotated) and ignored_HW is not None:
                found = replace(found, mask=truth_of(found.mask == OBJECT, ignored_HW))
            yield found

    def stuff(self) -> Iterator[Annotated]:
        """Stuff that cannot be painted does not count."""
        yield from (found for found in self._painted("stuff") if isinstance(found, Annotated))

    def _painted(self, kind: Kind) -> Iterator[Annotated | Problem]:
        try:
            height, width = image_size_of(self.record)
        except MaskError as error:
            raise BrokenFileError(self.truth, f"Image {shown(self.name)}: {error}") from None
        levels = {shown(record.get("id")): record.get("level", 0) for record, _ in self.annotations}
        for annotation, category in self.annotations:
            if _kind(annotation) != kind:
                continue
            key = shown(annotation.get("id"))
            parent = shown(annotation.get("parent"))
            # A part is one level below its whole, so nothing can be part of itself.
            is_part = type(level := annotation.get("level")) is int and levels.get(parent) == level - 1
            try:
                mask_HW = coco_mask(annotation.get("segmentation"), height, width)
            except MaskError as error:
                yield Problem(self.truth, f"Annotation {key}: {error}")
            else:
                yield Annotated(key, truth_of(mask_HW), category, parent if is_part else "")


def _kind(annotation: Record) -> Kind:
    if annotation.get("ignore"):
        return "ignored"
    if annotation.get("iscrowd"):
        return "crowd"
    return "stuff" if annotation.get("stuff") else "object"


def coco_instances(root: Path, split: str) -> Listing:
    """A file in the format of COCO, or a folder laid out as COCO with a split.

    Images are looked for in the folder of their split, beside the file, and in a folder `images` beside it
    or beside its folder. Crowds, which are not one object, are left out by rule.
    """
    if root.suffix.lower() == ".json":
        source = read_coco(root)
        beside = root.parent
        split = root.stem.removeprefix("instances_")
        folders = [beside, beside / "images", beside.parent / split, beside.parent / "images"]
    else:
        source = read_coco(root / "annotations" / f"instances_{split}.json")
        folders = [root / split, root / "images"]
    return _listing(source, folders)


def coco_rle(root: Path, split: str) -> Listing:
    """A folder that `ritm dataset` has written, or the part of it whose images name the split.

    Raises:
        DatasetError: no image names it.
    """
    source = read_coco(root / "annotations.json")
    listing = _listing(source, [root / "images"], split)
    if not listing.pictures and split:
        raise DatasetError(f"No image of {source.path} with an object is of the split '{split}'.")
    return listing


def _listing(source: CocoJson, folders: list[Path], split: str = "") -> Listing:
    problems: list[Problem] = []
    images = source.by_id("images", problems)
    annotations = source.annotations_of(images, problems)
    categories = source.categories(problems)
    folder = _image_folder(source, images.values(), folders)
    pictures: list[CocoPicture] = []
    for number, record in images.items():
        if split and record.get("split") != split:
            continue
        try:
            path = inside(folder, record.get("file_name"))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        name = path.relative_to(folder).as_posix()
        kinds = Counter(map(_kind, annotations[number]))
        if crowds := kinds["crowd"]:
            reason = f"Crowds in image {name}, which are not one object: {crowds}."
            problems.append(source.problem(reason, by_rule=True))
        if stuff := kinds["stuff"]:
            reason = f"Stuff in image {name}, which is no object: {stuff}."
            problems.append(source.problem(reason, by_rule=True))
        if kinds["object"]:
            named = tuple((each, category_name(categories, each)) for each in annotations[number])
            pictures.append(CocoPicture(name, path, str(source.path), record, named))
        else:
            problems.append(source.problem(f"Image {name} has no object.", by_rule=True))
    return Listing(pictures, problems)


def category_name(categories: dict[int | str, str], annotation: Record) -> str:
    number = annotation.get("category_id")
    return categories.get(number, "") if isinstance(number, int | str) else ""


def _image_folder(source: CocoJson, images: object, folders: list[Path]) -> Path:
    """The first folder that has one of the images."""
    names = [record.get("file_name") for record in images]  # type: ignore[attr-defined]
    for folder in folders:
        if any(isinstance(name, str) and "\0" not in name and (folder / name).is_file() for name in names):
            return folder
    where = ", ".join(map(str, folders))
    raise DatasetError(f"None of the images of {source.path} is in one of the folders {where}.")


@dataclass(frozen=True, slots=True)
class PanopticPicture:
    """An image with the segments of a panoptic image, whose colours are their numbers."""

    image: Path
    mask: Path
    segments: tuple[tuple[int, str], ...] = field(repr=False)
    stuff_segments: tuple[tuple[int, str], ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.mask)

    def load_image(self) -> Pixels:
        return read_image(self.image)

    def objects(self) -> Iterator[Annotated | Problem]:
        return self._painted(self.segments)

    def stuff(self) -> Iterator[Annotated]:
        return self._painted(self.stuff_segments)

    def _painted(self, segments: tuple[tuple[int, str], ...]) -> Iterator[Annotated]:
        blue_HW, green_HW, red_HW = np.moveaxis(read_mask(self.mask).astype(np.int32), -1, 0)
        numbers_HW = red_HW + 256 * green_HW + 65536 * blue_HW
        for number, category in segments:
            yield Annotated(str(number), truth_of(numbers_HW == number), category)


def coco_panoptic(root: Path, split: str) -> Listing:
    """Things that are no crowd. Stuff and crowds are left out by rule."""
    folder = root / "annotations" / f"panoptic_{split}"
    source = read_coco(folder.with_suffix(".json"))
    problems: list[Problem] = []
    categories = source.by_id("categories", problems)
    names = source.categories([])
    pictures: list[PanopticPicture] = []
    for annotation in source.records("annotations", problems):
        try:
            mask = inside(folder, annotation.get("file_name"))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        segments: list[tuple[int, str]] = []
        stuff: list[tuple[int, str]] = []
        left_out = 0
        for segment in annotation.get("segments_info") or []:
            if not isinstance(segment, dict) or type(segment.get("id")) is not int:
                problems.append(source.problem(f"A segment of {mask.name} has no id."))
            elif segment.get("category_id") not in categories:
                problems.append(source.problem(f"Segment {segment['id']} of {mask.name} has no category."))
            elif segment.get("iscrowd") or not categories[segment["category_id"]].get("isthing"):
                left_out += 1
                if not segment.get("iscrowd"):
                    stuff.append((segment["id"], category_name(names, segment)))
            else:
                segments.append((segment["id"], category_name(names, segment)))
        if left_out:
            problems.append(
                source.problem(f"Segments of stuff or crowds in {mask.name}: {left_out}.", by_rule=True)
            )
        if segments:
            image = root / split / f"{mask.stem}.jpg"
            pictures.append(PanopticPicture(image, mask, tuple(segments), tuple(stuff)))
        else:
            problems.append(source.problem(f"{mask.name} has no object.", by_rule=True))
    return Listing(pictures, problems)
