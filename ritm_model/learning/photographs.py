"""Photographs of any data set that `ritm datasets` lists, and of the COCO-RLE layout, to learn from.

Shapes: H x W the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.samples import Annotated, Drawn, HasStuff, Picture
from ritm_model.datasets.readers.coco_rle import (
    MOST_IN_A_LAYER,
    CocoEntry,
    load_coco_scene,
    pack_layers,
    read_coco_layout,
)
from ritm_model.learning.scene import Scene
from ritm_model.simulation import IGNORED, OBJECT


@dataclass(frozen=True, slots=True)
class DatasetPhotograph:
    """A photograph of a data set.

    Attributes:
        data: name of the data set.
        pictures: readers of the photograph; where there are several, each scene has the objects of one.
        min_share: objects below this part of the photograph are background.
        stuff_prob: of taking stuff as objects.
        skip_broken: leave out objects that cannot be used; otherwise they are errors.
    """

    data: str
    pictures: tuple[Picture, ...] = field(repr=False)
    min_share: float = 0.0
    stuff_prob: float = 0.0
    skip_broken: bool = False

    @property
    def name(self) -> str:
        return self.pictures[0].name

    @property
    def image(self) -> Path:
        return self.pictures[0].image

    @property
    def source(self) -> str:
        return self.data

    @property
    def licence(self) -> str:
        return ""

    @property
    def objects(self) -> None:
        return None

    def scene(self, random: np.random.Generator) -> Scene:
        picture = self.pictures[random.integers(len(self.pictures))]
        if isinstance(picture, Drawn):
            picture = picture.drawn(random)
        image_HW3 = np.require(picture.load_image(), requirements="W")
        size = image_HW3.shape[0], image_HW3.shape[1]
        found = list(self._usable(picture, picture.objects(), size))
        if random.random() < self.stuff_prob and isinstance(picture, HasStuff):
            found += self._usable(picture, picture.stuff(), size)
        layers_LHW, instances = pack_layers([each.mask == OBJECT for each in found], size, MOST_IN_A_LAYER)
        ignored_HW = np.zeros(size, bool)
        for each in found:
            ignored_HW |= each.mask == IGNORED
        places = {each.key: instance for each, instance in zip(found, instances, strict=True)}
        parents = {
            places[each.key]: places[each.parent]
            for each in found
            if each.parent in places and each.parent != each.key
        }
        scene = Scene(image_HW3, layers_LHW, instances, ignored_HW, picture.truth, parents)
        return scene.with_objects_of(math.ceil(self.min_share * size[0] * size[1]))

    def _usable(
        self, picture: Picture, found: Iterable[Annotated | Problem], size: tuple[int, int]
    ) -> Iterator[Annotated]:
        for each in found:
            if isinstance(each, Annotated):
                if each.mask.shape != size:
                    sizes = " and ".join(f"{shape[1]} x {shape[0]}" for shape in (each.mask.shape, size))
                    raise BrokenFileError(picture.truth, f"Mask and image differ in size: {sizes}.")
                yield each
            elif not (each.by_rule or self.skip_broken):
                raise BrokenFileError(each.file, each.reason)


def dataset_photographs(pictures: Iterable[Picture], template: DatasetPhotograph) -> list[DatasetPhotograph]:
    """Make photographs like `template`, one for all pictures of the same file."""
    groups: dict[str, list[Picture]] = {}
    for picture in pictures:
        groups.setdefault(picture.name, []).append(picture)
    return [replace(template, pictures=tuple(group)) for group in groups.values()]


@dataclass(frozen=True, slots=True)
class CocoPhotograph:
    """A photograph of the COCO-RLE layout; see `DatasetPhotograph`."""

    folder: Path
    entry: CocoEntry = field(repr=False)
    min_share: float = 0.0
    stuff_prob: float = 0.0

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def image(self) -> Path:
        return self.folder / self.entry.image

    @property
    def source(self) -> str:
        return self.entry.source

    @property
    def licence(self) -> str:
        return self.entry.license

    @property
    def objects(self) -> int:
        return len(self.entry.chosen(self.min_share))

    def scene(self, random: np.random.Generator) -> Scene:
        chosen = self.entry.chosen(self.min_share, parts=True)
        stuff = bool(random.random() < self.stuff_prob)
        scene = load_coco_scene(self.folder, self.entry, chosen, stuff=stuff)
        places = dict(zip(chosen, scene.instances, strict=False))  # stuff comes after the objects
        parents = {
            instance: places[parent]
            for place, instance in places.items()
            if (parent := self.entry.objects[place].parent) in places
        }
        return replace(scene, parents=parents)


def coco_photographs(
    folder: Path, split: str, licence_classes: Iterable[str] | None, min_share: float, stuff_prob: float
) -> list[CocoPhotograph]:
    """The photographs of a split (or all) that have a licence of these classes (None: any) and an object."""
    allowed = None if licence_classes is None else frozenset(licence_classes)
    return [
        CocoPhotograph(folder, entry, min_share, stuff_prob)
        for entry in read_coco_layout(folder)
        if entry.chosen(min_share)
        and (not split or entry.split == split)
        and (allowed is None or entry.license_class in allowed)
    ]
