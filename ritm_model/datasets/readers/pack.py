"""A folder of photographs and indexed masks, listed in a manifest.

`manifest.json` holds {"samples": [...]}, one entry for each pair of image and mask. Masks are 8-bit images:
0 background, 1 to 254 objects, 255 ignored. A photograph may have several masks.

Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.mask_files import read_labels
from ritm_model.datasets.named_files import NamedFiles
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Region
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.errors import shown
from ritm_model.values import ForeignValue

MANIFEST = "manifest.json"
IGNORED_VALUE = 255


class PackObject(ForeignValue):
    """One object: its value in the mask, its area as a part of the image's, and the name of its class."""

    id: Annotated[int, Field(ge=1, le=254)]
    area: Annotated[float, Field(ge=0, le=1)]
    cat: object = ""

    @property
    def category(self) -> str:
        return shown(self.cat) if isinstance(self.cat, str) else ""


class PackEntry(ForeignValue):
    """One image and mask; paths are relative to the folder of the manifest."""

    image: str
    mask: str
    source: str = ""
    license_class: str = ""
    license: str = ""
    objects: tuple[PackObject, ...]

    def chosen(self, min_share: float) -> tuple[PackObject, ...]:
        """The objects that cover at least `min_share` of the image."""
        return tuple(item for item in self.objects if item.area >= min_share)


class PackManifest(ForeignValue):
    samples: tuple[PackEntry, ...]


@dataclass(frozen=True, slots=True)
class PackMask:
    """A mask of a photograph: its file, and the class of each of its objects."""

    path: Path
    classes: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class PackPhotograph:
    """A photograph of a pack with one or several of its masks."""

    name: str
    image: Path
    masks: tuple[PackMask, ...] = field(repr=False)
    about: About = NOTHING_KNOWN

    @property
    def truth(self) -> str:
        return ", ".join(str(mask.path) for mask in self.masks)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        """The objects that the manifest lists."""
        for mask in self.masks:
            prefix = f"{mask.path.stem}:" if len(self.masks) > 1 else ""
            try:
                labels_HW = read_labels(mask.path)
            except BrokenFileError as error:
                yield error.problem
                continue
            ignored_HW = labels_HW == IGNORED_VALUE
            for value, category in mask.classes:
                yield Region(labels_HW, f"{prefix}{value}", category, value=value, ignored_HW=ignored_HW)
            present = np.flatnonzero(np.bincount(labels_HW.ravel())).tolist()
            if unlisted := set(present) - {0, IGNORED_VALUE, *dict(mask.classes)}:
                values = ", ".join(map(str, sorted(unlisted)))
                yield Problem(str(mask.path), f"Values that the manifest does not list: {values}.", True)


def is_pack(folder: Path) -> bool:
    """Whether a folder looks like a pack."""
    return (folder / MANIFEST).is_file()


def read_pack(folder: Path) -> tuple[PackEntry, ...]:
    """Read the manifest of a pack.

    Raises:
        DatasetError: it is not there, or not such a manifest.
    """
    path = folder / MANIFEST
    try:
        return PackManifest.model_validate_json(read_bytes(path)).samples
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise DatasetError(f"{path} is not a manifest of a pack: {where}: {problem['msg']}.") from None


def pack(folder: Path, min_share: float = 0.0) -> Collection:
    """The photographs of a pack, each with all of its masks; objects below `min_share` do not count.

    Raises:
        DatasetError: it is no pack.
    """
    images, mask_files = NamedFiles(folder, ".jpg"), NamedFiles(folder, ".png")
    problems: list[Problem] = []
    masks: dict[Path, list[PackMask]] = {}
    about: dict[Path, About] = {}
    for entry in read_pack(folder):
        try:
            image, mask = images.path(entry.image), mask_files.path(entry.mask)
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        classes = tuple({item.id: item.category for item in entry.chosen(min_share)}.items())
        masks.setdefault(image, []).append(PackMask(mask, classes))
        said = About(source=entry.source, license=entry.license, license_class=entry.license_class)
        about.setdefault(image, said)
    photographs = [
        PackPhotograph(image.name, image, tuple(of_image), about[image]) for image, of_image in masks.items()
    ]
    return Collection(photographs, problems)
