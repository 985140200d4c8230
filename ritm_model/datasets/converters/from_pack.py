"""From a pack: photographs and masks that a manifest lists.

Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ritm_model.datasets.photograph import About, Collection, Region
from ritm_model.datasets.files import inside, read_json, read_labels
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.datasets.readers.pack import IGNORED_VALUE, PackEntry, read_pack


@dataclass(frozen=True, slots=True)
class PackMask:
    """A mask of a photograph: its file, and the class of each of its objects."""

    path: Path
    classes: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class PackPhotograph:
    """A photograph of a pack with all of its masks."""

    name: str
    image: Path
    masks: tuple[PackMask, ...]
    about: About

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """The objects that the manifest lists, then what is ignored in a mask and no object in another."""
        ignored_HW = np.zeros((height, width), np.bool_)
        objects_HW = np.zeros((height, width), np.bool_)
        for mask in self.masks:
            prefix = f"{mask.path.stem}:" if len(self.masks) > 1 else ""
            try:
                labels_HW = read_labels(mask.path)
            except BrokenFileError as error:
                yield error.problem
                continue
            if labels_HW.shape == (height, width):
                ignored_HW |= labels_HW == IGNORED_VALUE
                objects_HW |= np.isin(labels_HW, list(mask.classes))
            for value, category in mask.classes.items():
                yield Region(labels_HW == value, f"{prefix}{value}", category)
            unlisted = set(np.unique(labels_HW).tolist()) - {0, IGNORED_VALUE, *mask.classes}
            if unlisted:
                values = ", ".join(map(str, sorted(unlisted)))
                yield Problem(str(mask.path), f"Values that the manifest does not list: {values}.", True)
        ignored_HW &= ~objects_HW
        if ignored_HW.any():
            yield Region(ignored_HW, "ignored", kind="ignored")


def from_pack(folder: Path) -> Collection:
    """All photographs of a pack. One that has several masks gets the objects of all of them.

    Raises:
        TrainingError: it is no pack.
    """
    problems: list[Problem] = []
    masks: dict[str, list[PackMask]] = {}
    about: dict[str, About] = {}
    entries = read_pack(folder)
    for entry, classes in zip(entries, _classes(folder), strict=True):
        try:
            inside(folder, entry.image)
            mask = PackMask(
                inside(folder, entry.mask), {item.id: classes.get(item.id, "") for item in entry.objects}
            )
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        masks.setdefault(entry.image, []).append(mask)
        about.setdefault(entry.image, _about(entry))
    photographs = [
        PackPhotograph(Path(image).name, folder / image, tuple(of_image), about[image])
        for image, of_image in masks.items()
    ]
    return Collection(photographs, problems)


def _about(entry: PackEntry) -> About:
    return About(source=entry.source, license=entry.license, license_class=entry.license_class)


def _classes(folder: Path) -> list[dict[int, str]]:
    """The names that learning does not need, for each entry; the manifest has been checked already."""
    manifest: Any = read_json(folder / "manifest.json")
    return [
        {item["id"]: shown(item["cat"]) for item in sample["objects"] if isinstance(item.get("cat"), str)}
        for sample in manifest["samples"]
    ]
