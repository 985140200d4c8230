"""A photograph with the masks of its objects.

Shapes: H and W the image, L layers of masks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ritm_model.datasets.layers import Instance, Layers, value_counts
from ritm_model.datasets.photograph import Mask
from ritm_model.images import Pixels


@dataclass(frozen=True, slots=True)
class Scene:
    """Image and masks of one size.

    Attributes:
        image_HW3: uint8 RGB.
        layers_LHW: uint8 values of the objects; overlapping objects are in different layers.
        instances: the objects that may be asked for.
        ignored_HW: True where nobody knows.
        name: of the mask file, for messages.
        parents: of each object that is part of another, the smallest one that it is part of.
        areas: pixels of the objects, where they have been counted; not to be kept where masks change.
    """

    image_HW3: Pixels
    layers_LHW: Layers
    instances: tuple[Instance, ...]
    ignored_HW: Mask
    name: str = ""
    parents: Mapping[Instance, Instance] = field(default_factory=dict)
    areas: Mapping[Instance, int] | None = field(default=None, compare=False, repr=False)

    @property
    def size(self) -> tuple[int, int]:
        return self.image_HW3.shape[0], self.image_HW3.shape[1]

    @property
    def wholes(self) -> tuple[Instance, ...]:
        """The objects that are not part of another."""
        return tuple(instance for instance in self.instances if instance not in self.parents)

    def parts(self, instance: Instance) -> tuple[Instance, ...]:
        """The parts of an object; parts of parts are not among them."""
        return tuple(part for part in self.instances if self.parents.get(part) == instance)

    def mask(self, instance: Instance) -> Mask:
        """H x W bool, True on the object."""
        mask_HW: Mask = self.layers_LHW[instance.layer] == instance.value
        return mask_HW

    def union(self, instances: tuple[Instance, ...]) -> Mask:
        """H x W bool, True on any of the objects."""
        covered_HW = np.zeros(self.size, bool)
        for instance in instances:
            covered_HW |= self.mask(instance)
        return covered_HW

    def with_objects_of(self, min_area: int) -> Scene:
        """Drop the objects of fewer pixels; they become background, and their parts go to their parents."""
        areas = self.areas if self.areas is not None else self._areas()
        kept = tuple(instance for instance in self.instances if areas[instance] >= max(min_area, 1))
        if not self.parents:
            return replace(self, instances=kept, areas=areas)
        among = frozenset(kept)
        parents = {i: parent for i in kept if (parent := self._nearest(i, among)) is not None}
        return replace(self, instances=kept, parents=parents, areas=areas)

    def _areas(self) -> dict[Instance, int]:
        counts = [value_counts(layer_HW) for layer_HW in self.layers_LHW]
        return {each: int(counts[each.layer][each.value]) for each in self.instances}

    def _nearest(self, instance: Instance, among: frozenset[Instance]) -> Instance | None:
        parent = self.parents.get(instance)
        while parent is not None and parent not in among:
            parent = self.parents.get(parent)
        return parent
