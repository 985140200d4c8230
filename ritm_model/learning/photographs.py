"""Photographs of any data set, to learn from.

Shapes: H x W the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ritm_model.datasets.layers import Instance, PackedRegions, pack_regions, value_counts
from ritm_model.datasets.photograph import (
    Photograph,
    Region,
    Varied,
    load_image,
    regions_of,
    sound_parents,
    union_of,
)
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.pack import IGNORED_VALUE
from ritm_model.learning.scene import Scene

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TrainingPhotograph:
    """A photograph, and how much of it is learnt. Small, and can be sent to other processes.

    Attributes:
        name: of its file. Whether it is held out follows from it alone.
        variants: readers of it; where there are several, each scene has the objects of one.
        source: the collection it comes from, or nothing.
        licence: name of its licence, or nothing.
        objects: how many there are, None where only the masks tell.
        min_share: objects below this part of the photograph are background.
        stuff_prob: of taking stuff as objects; None where the data has none.
        skip_broken: leave out objects that cannot be used; otherwise they are errors.
        keeps_numbers: objects keep the numbers of their label map. Otherwise they are numbered by falling
            area, whatever file they come from. Random choices, and so the samples of a seed, follow the
            numbers.
    """

    name: str
    variants: tuple[Photograph, ...] = field(repr=False)
    source: str = ""
    licence: str = ""
    objects: int | None = None
    min_share: float = 0.0
    stuff_prob: float | None = 0.0
    skip_broken: bool = False
    keeps_numbers: bool = False

    @property
    def image(self) -> Path:
        """The file."""
        return self.variants[0].image

    def scene(self, random: np.random.Generator) -> Scene:
        """Read it.

        Raises:
            BrokenFileError: a file is missing or broken; it is named.
        """
        photograph = self.variants[random.integers(len(self.variants))]
        if isinstance(photograph, Varied):
            photograph = photograph.drawn(random)
        image_HW3 = np.require(load_image(photograph), requirements="W")
        size = image_HW3.shape[0], image_HW3.shape[1]
        found = list(self._usable(photograph, size))
        chosen = [region for region in found if region.kind == "object"]
        if self.stuff_prob is not None and random.random() < self.stuff_prob:
            chosen += [region for region in found if region.kind == "stuff"]
        packed = self._packed(chosen, size)
        unknown = [region.mask for region in found if region.kind == "ignored"]
        ignored_HW = union_of([*unknown, *(region.ignored_HW for region in chosen)], size)
        scene = Scene(
            image_HW3,
            packed.layers_LHW,
            packed.instances,
            ignored_HW,
            photograph.truth,
            _parents(chosen, packed.instances),
            dict(zip(packed.instances, packed.areas, strict=True)),
        )
        return scene.with_objects_of(math.ceil(self.min_share * size[0] * size[1]))

    def _packed(self, chosen: list[Region], size: Size) -> PackedRegions:
        if not (self.keeps_numbers and chosen):
            return pack_regions(chosen, size)
        labels_HW = chosen[0].labels_HW
        layer_HW = np.where(labels_HW == IGNORED_VALUE, 0, labels_HW).astype(np.uint8)
        counts = value_counts(layer_HW)
        instances = tuple(Instance(0, region.value) for region in chosen)
        return PackedRegions(layer_HW[None], instances, tuple(int(counts[each.value]) for each in instances))

    def _usable(self, photograph: Photograph, size: Size) -> Iterator[Region]:
        for found in regions_of(photograph, *size):
            if isinstance(found, Problem):
                if not (found.by_rule or self.skip_broken):
                    raise BrokenFileError(found.file, found.reason)
            elif found.labels_HW.shape != size:
                sizes = " and ".join(f"{shape[1]} x {shape[0]}" for shape in (found.labels_HW.shape, size))
                raise BrokenFileError(photograph.truth, f"Mask and image differ in size: {sizes}.")
            else:
                yield found


def _parents(chosen: list[Region], instances: tuple[Instance, ...]) -> dict[Instance, Instance]:
    if not any(region.parent for region in chosen):
        return {}
    regions = {region.key: region for region in chosen}
    places = {region.key: instance for region, instance in zip(chosen, instances, strict=True)}
    return {places[key]: places[parent] for key, parent in sound_parents(regions).items()}


def grouped(photographs: Iterable[Photograph], template: TrainingPhotograph) -> list[TrainingPhotograph]:
    """Make photographs like `template`, one for all readers of the same file."""
    groups: dict[str, list[Photograph]] = {}
    for photograph in photographs:
        groups.setdefault(photograph.name, []).append(photograph)
    return [replace(template, name=name, variants=tuple(group)) for name, group in groups.items()]
