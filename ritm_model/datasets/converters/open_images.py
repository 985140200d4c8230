"""Open Images as it comes: a table of masks, one file per object, often of another size than the photograph.

Shapes: H x W the photograph.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from ritm_model.datasets.files import files_in
from ritm_model.datasets.named_files import NamedFiles
from ritm_model.datasets.photograph import About, Collection, Photograph, Region
from ritm_model.datasets.problems import BrokenFileError, ConversionError, Problem
from ritm_model.datasets.readers.open_images import upright_mask
from ritm_model.errors import shown

COLUMNS = ("MaskPath", "ImageID", "LabelName")
SOURCE = "openimages"


@dataclass(frozen=True, slots=True)
class PublishedOpenImages:
    """A photograph with its mask files, each with the name of its class."""

    name: str
    image: Path
    about: About
    masks: tuple[tuple[Path, str], ...] = field(repr=False)

    @property
    def truth(self) -> str:
        return ", ".join(str(path) for path, _ in self.masks)

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Masks are brought to the size of the photograph, each pixel the nearest."""
        for path, category in self.masks:
            try:
                mask_HW = upright_mask(path, self.image, height, width).max(axis=2)
            except BrokenFileError as error:
                yield error.problem
                continue
            if mask_HW.shape != (height, width):
                mask_HW = cv2.resize(mask_HW, (width, height), interpolation=cv2.INTER_NEAREST).astype(
                    np.uint8
                )
            yield Region(mask_HW > 0, path.stem, category)


def open_images(root: Path, splits: Sequence[str]) -> Collection:
    """Find the photographs and masks that are there.

    Args:
        root: of <split>/<split>-annotations-object-segmentation.csv, <split>/images/*.jpg and
            <split>/masks/*.png; names of classes come from any *class-descriptions*.csv beside them.
        splits: such as "train", "validation" and "test".

    Raises:
        DatasetError: a file or folder is missing or damaged.
        ConversionError: the table lacks columns.
    """
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for split in splits:
        photographs += _photographs(root / split, split, _class_names(root, root / split), problems)
    return Collection(photographs, problems)


def _photographs(
    folder: Path, split: str, classes: dict[str, str], problems: list[Problem]
) -> Iterator[Photograph]:
    table = folder / f"{split}-annotations-object-segmentation.csv"
    for below in ("images", "masks"):
        files_in(folder / below)  # a missing folder is named
    images, masks = NamedFiles(folder / "images", ".jpg"), NamedFiles(folder / "masks", ".png")
    of_image: dict[Path, list[tuple[Path, str]]] = {}
    without_image = without_mask = 0
    for mask_name, image_name, label in _rows(table):
        if (image := images.find(image_name)) is None:
            without_image += 1
        elif (mask := masks.find(mask_name)) is None:
            without_mask += 1
        else:
            of_image.setdefault(image, []).append((mask, classes.get(label, shown(label))))
    for count, what in ((without_image, "photograph"), (without_mask, "mask")):
        if count:
            problems.append(Problem(str(table), f"Rows whose {what} is not there: {count}."))
    for image in sorted(of_image):
        yield PublishedOpenImages(image.name, image, About(split, SOURCE), tuple(of_image[image]))


def _rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Mask, image and label of each row."""
    lines = _lines(path)
    header = next(lines, [])
    if lacking := [column for column in COLUMNS if column not in header]:
        raise ConversionError(f"{path} has no column '{lacking[0]}'.")
    places = [header.index(column) for column in COLUMNS]
    for row in lines:
        if len(row) > max(places):
            mask, image, label = (row[place] for place in places)
            yield mask, image, label


def _class_names(*folders: Path) -> dict[str, str]:
    """Names by their labels, such as /m/01yrx; empty without such a table."""
    names: dict[str, str] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*class-descriptions*.csv"))):
        names.update((row[0], row[1]) for row in _lines(path) if len(row) > 1)
    return names


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from csv.reader(file)
    except OSError as error:
        raise BrokenFileError(path, f"The file cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, csv.Error):
        raise BrokenFileError(path, "The file is not a table of text.") from None
