"""From photographs and mask files, in any of the layouts that evaluation and training read.

Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ritm_model.datasets.problems import ConversionError
from ritm_model.datasets.photograph import About, Collection, Mask, Photograph, Region
from ritm_model.datasets.layouts import DATASETS
from ritm_model.datasets.opening import find_dataset
from ritm_model.datasets.problems import Problem
from ritm_model.datasets.samples import Annotated, HasStuff, Picture
from ritm_model.simulation import IGNORED, OBJECT

# COCO's own files have a converter that loses nothing; the masks of Open Images shrink photographs.
LAYOUTS = tuple(name for name in DATASETS if name not in ("COCO", "coco_rle", "OpenImages"))


@dataclass(frozen=True, slots=True)
class MaskedPhotograph:
    """A picture of an evaluation layout."""

    picture: Picture
    about: About

    @property
    def name(self) -> str:
        return self.picture.image.name

    @property
    def image(self) -> Path:
        return self.picture.image

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """All objects, stuff, then what is ignored by one of the masks and no object in another."""
        ignored_HW = np.zeros((height, width), np.bool_)
        objects_HW = np.zeros((height, width), np.bool_)
        has_stuff = isinstance(self.picture, HasStuff)
        for found in self.picture.objects():
            if isinstance(found, Annotated):
                object_HW: Mask = found.mask == OBJECT
                if found.mask.shape == (height, width):
                    objects_HW |= object_HW
                    ignored_HW |= found.mask == IGNORED
                yield Region(object_HW, found.key or "1", found.category, parent=found.parent or None)
            elif not (found.by_rule and has_stuff):  # which is what the rule leaves out
                yield found
        if isinstance(self.picture, HasStuff):
            for stuff in self.picture.stuff():
                yield Region(stuff.mask == OBJECT, f"stuff:{stuff.key}", stuff.category, "stuff")
        ignored_HW &= ~objects_HW
        if ignored_HW.any():
            yield Region(ignored_HW, "ignored", kind="ignored")


def from_masks(root: Path, layout: str, splits: Sequence[str], about: About) -> Collection:
    """Find photographs and their masks.

    Args:
        root: folder of the layout.
        layout: one of `LAYOUTS`.
        splits: which parts of it; none for the whole, or for the part that the layout takes by itself.
        about: what is said of every photograph.

    Raises:
        ConversionError: there is no such layout.
        DatasetError: the folder is not laid out so.
    """
    if layout not in LAYOUTS:
        raise ConversionError(f"'{layout}' is no layout of masks; known ones are {', '.join(LAYOUTS)}.")
    photographs: list[Photograph] = []
    problems: list[Problem] = []
    for split in splits or ("",):
        name = f"{layout}:{split}" if split else layout
        place = find_dataset(name, {layout: root})
        if missing := place.missing():
            raise ConversionError(f"{root} is no folder of the layout {layout}: {missing[0]} is missing.")
        listing = place.layout.read(place.root, place.split)
        said = replace(about, split=place.split or about.split)
        photographs += [MaskedPhotograph(picture, said) for picture in listing.pictures]
        problems += listing.problems
    return Collection(photographs, problems)
