"""COCO: instances of any file in its format, and panoptic images.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ritm_model.coco_masks import MaskError, coco_mask, image_size_of
from ritm_model.datasets.coco_json import CocoJson, Record, read_coco
from ritm_model.datasets.files import inside, read_image, read_mask
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.samples import Annotated, Listing, truth_of
from ritm_model.errors import shown
from ritm_model.images import Pixels


@dataclass(frozen=True, slots=True)
class CocoPicture:
    """An image with its annotations out of the JSON file, each with the name of its category.

    Pixels of annotations with `"ignore": 1` count for no object.
    """

    name: str
    image: Path
    truth: str
    record: Record = field(repr=False)
    annotations: tuple[tuple[Record, str], ...] = field(repr=False)

    def load_image(self) -> Pixels:
        return read_image(self.image)

    def objects(self) -> Iterator[Annotated | Problem]:
        try:
            height, width = image_size_of(self.record)
        except MaskError as error:
            raise BrokenFileError(self.truth, f"Image {shown(self.name)}: {error}") from None
        ignored_HW = np.zeros((height, width), np.bool_)
        for annotation, category in sorted(self.annotations, key=_counts):  # what is ignored comes first
            key = shown(annotation.get("id"))
            try:
                mask_HW = coco_mask(annotation.get("segmentation"), height, width)
            except MaskError as error:
                yield Problem(self.truth, f"Annotation {key}: {error}")
                continue
            if _counts((annotation, category)):
                yield Annotated(key, truth_of(mask_HW, ignored_HW), category)
            else:
                ignored_HW |= mask_HW


def _counts(named: tuple[Record, str]) -> bool:
    return not named[0].get("ignore")


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
        left_out = Counter(filter(None, map(_not_one_object, annotations[number])))
        for reason, count in left_out.items():
            problems.append(source.problem(f"{reason.format(name)}: {count}.", by_rule=True))
        named = tuple(
            (annotation, category_name(categories, annotation))
            for annotation in annotations[number]
            if not _not_one_object(annotation)
        )
        if any(map(_counts, named)):
            pictures.append(CocoPicture(name, path, str(source.path), record, named))
        else:
            problems.append(source.problem(f"Image {name} has no object.", by_rule=True))
    return Listing(pictures, problems)


def _not_one_object(annotation: Record) -> str:
    """Why an annotation is neither an object nor a region to ignore, or nothing."""
    if annotation.get("ignore"):
        return ""
    if annotation.get("iscrowd"):
        return "Crowds in image {}, which are not one object"
    return "Stuff in image {}, which is no object" if annotation.get("stuff") else ""


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
