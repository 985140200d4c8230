"""Segmentation mask 1.1: colours of objects and of classes in two pictures, as in Pascal VOC.

CVAT has flattened overlaps by their z-order already. Shapes: H x W the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.export_images import ExportImages, place_of
from ritm_model.datasets.files import read_names
from ritm_model.datasets.mask_files import read_numbers
from ritm_model.datasets.named_files import NamedFiles, without_suffix
from ritm_model.datasets.photograph import About, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.coco import BACKGROUND
from ritm_model.errors import shown

SOURCE = "cvat"
BLACK = 0
"""Nothing in the picture of objects; `background`, or whatever labelmap.txt calls it, in that of classes."""
MOST_OBJECTS = 10_000

Colours = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class ColouredPhotograph:
    """A photograph with its two pictures of colours."""

    name: str
    image: Path
    objects: Path
    classes: Path
    names: tuple[tuple[int, str], ...]
    about: About

    @property
    def truth(self) -> str:
        return str(self.objects)

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """One region for each colour of objects; its class is the most frequent colour there.

        Objects of the class `background` are none: they were drawn to cut holes.
        """
        objects_HW, classes_HW = _colours(self.objects), _colours(self.classes)
        # Of a photograph whose orientation tag swaps the sides, masks may lie as the camera held it.
        if objects_HW.shape != classes_HW.shape or set(objects_HW.shape) != {height, width}:
            raise BrokenFileError(
                self.objects, f"Its masks are not of the photograph's {width} x {height} pixels."
            )
        found = np.unique(objects_HW)
        if len(found) > MOST_OBJECTS:
            raise BrokenFileError(self.objects, f"It has more than {MOST_OBJECTS:,} colours.")
        names = dict(self.names)
        for colour in found[found != BLACK].tolist():
            mask_HW = objects_HW == colour
            classes, counts = np.unique(classes_HW[mask_HW], return_counts=True)
            category = int(classes[counts.argmax()])
            name = names.get(category, f"#{category:06x}")
            if category == BLACK or name.lower() == BACKGROUND:
                continue
            if category not in names:
                reason = f"labelmap.txt has no class of the colour {name}; the colour stands for it."
                yield Problem(str(self.classes), reason, by_rule=True)
            yield Region(mask_HW, f"{colour:06x}", name)


def read(folder: Path, roots: tuple[Path, ...], problems: list[Problem]) -> Iterator[ColouredPhotograph]:
    """Read the pictures that the lists of a folder name.

    Args:
        folder: the unpacked export, which has `labelmap.txt`.
        roots: folders in which images are looked for besides.
        problems: hears of everything that is left out.

    Raises:
        BrokenFileError: a list is no text.
    """
    names = tuple(_classes(folder / "labelmap.txt", problems))
    object_files, class_files = (
        NamedFiles(folder / kind, ".png") for kind in ("SegmentationObject", "SegmentationClass")
    )
    seen: set[str] = set()
    folders, images = (folder / "JPEGImages",), ExportImages(roots)
    for part in sorted((folder / "ImageSets" / "Segmentation").glob("*.txt")):
        for name in read_names(part):
            if name in seen:
                continue
            seen.add(name)
            try:
                objects, classes = (files.path(without_suffix(name)) for files in (object_files, class_files))
            except BrokenFileError as error:
                problems.append(error.problem)
                continue
            image = images.find(folders, name)
            if image is None:
                problems.append(Problem(str(part), images.missing(folders, name)))
            elif not objects.is_file():
                problems.append(Problem(str(part), f"The image {shown(name)} has no mask.", by_rule=True))
            else:
                yield ColouredPhotograph(
                    place_of(name, image), image, objects, classes, names, About(source=SOURCE)
                )


def _classes(path: Path, problems: list[Problem]) -> Iterator[tuple[int, str]]:
    """Colours and names: each line is `label:r,g,b:parts:actions`, and only labels may hold colons."""
    for line in read_names(path):
        if line.startswith("#"):
            continue
        try:
            label, colour, _, _ = line.rsplit(":", 3)
            red, green, blue = (int(text) for text in colour.split(","))
        except ValueError:
            problems.append(Problem(str(path), f"The line '{shown(line)}' names no class."))
        else:
            yield red << 16 | green << 8 | blue, shown(label)


def _colours(path: Path) -> Colours:
    picture_HW3 = read_numbers(path).astype(np.uint32)
    return np.asarray(picture_HW3 @ np.array([1, 1 << 8, 1 << 16], np.uint32), np.uint32)  # blue comes first
