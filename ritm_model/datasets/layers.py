"""Regions that may overlap in few layers of numbers, as learning needs them.

The largest region comes first; each goes into the first layer in which all its pixels are free, as in the
paper's code. Regions that share a label map stay in it: its numbers are changed, and no mask is made.

Shapes: H x W the photograph, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.datasets.photograph import Mask, Region

Layers = npt.NDArray[np.uint8]
Table = npt.NDArray[np.uint8]  # 256 numbers, one for each number of a map
MOST_IN_A_LAYER = 254  # 255 is left free, as in masks of packs


class Instance(NamedTuple):
    """An object: the pixels of one value in one layer."""

    layer: int
    value: int


@dataclass(frozen=True, slots=True)
class PackedRegions:
    """Regions in layers.

    Attributes:
        layers_LHW: the layers.
        instances: where each region is, in the order in which they were given.
        areas: pixels of each.
    """

    layers_LHW: Layers
    instances: tuple[Instance, ...]
    areas: tuple[int, ...]


def pack_regions(
    regions: Sequence[Region], size: tuple[int, int], most_in_a_layer: int = MOST_IN_A_LAYER
) -> PackedRegions:
    """Put regions into few layers.

    Args:
        regions: with maps of H x W each.
        size: H and W, for the case that there are none.
        most_in_a_layer: numbers that a layer has.

    Returns:
        At least one layer.
    """
    if any(region.labels_HW.dtype != np.uint8 for region in regions):
        return pack_masks([region.mask for region in regions], size, most_in_a_layer)
    maps: dict[int, npt.NDArray[np.uint8]] = {
        id(region.labels_HW): region.labels_HW.astype(np.uint8, copy=False) for region in regions
    }
    order = {key: place for place, key in enumerate(maps)}
    values = [(order[id(region.labels_HW)], region.value) for region in regions]  # map and number in it
    chosen = [np.zeros(256, np.uint8) for _ in maps]  # numbers of a map to numbers of its regions
    for owner, value in values:
        chosen[owner][value] = value
    numbered = [_only(map_HW, table) for map_HW, table in zip(maps.values(), chosen, strict=True)]
    found_MHW, counts = [map_HW for map_HW, _ in numbered], [each for _, each in numbered]
    areas = [int(counts[owner][value]) for owner, value in values]
    overlaps = _overlaps(values, found_MHW)
    places: dict[int, Instance] = {}
    members: list[list[int]] = []
    for number in sorted(range(len(regions)), key=lambda place: -areas[place]):
        free = (
            layer
            for layer, within in enumerate(members)
            if len(within) < most_in_a_layer and overlaps[number].isdisjoint(within)
        )
        layer = next(free, len(members))
        if layer == len(members):
            members.append([])
        members[layer].append(number)
        places[number] = Instance(layer, len(members[layer]))
    layers_LHW = np.zeros((max(len(members), 1), *size), np.uint8)
    for layer, within in enumerate(members):
        tables: dict[int, Table] = {}
        for number in within:
            owner, value = values[number]
            tables.setdefault(owner, np.zeros(256, np.uint8))[value] = places[number].value
        for owner, table in tables.items():
            layers_LHW[layer] |= _renumbered(found_MHW[owner], table)
    return PackedRegions(layers_LHW, tuple(places[number] for number in range(len(regions))), tuple(areas))


def _only(map_HW: npt.NDArray[np.uint8], table: Table) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """A map with the numbers that a table keeps alone, and how often each number occurs in it."""
    counts = value_counts(map_HW)
    is_dropped = (table == 0) & (counts > 0)
    is_dropped[0] = False
    if not is_dropped.any():
        return map_HW, counts
    counts[0] += counts[is_dropped].sum()
    counts[is_dropped] = 0
    return _renumbered(map_HW, table), counts


def _overlaps(values: Sequence[tuple[int, int]], maps: Sequence[npt.NDArray[np.uint8]]) -> list[set[int]]:
    """For each (map, value), which of the others share a pixel with it."""
    numbers: dict[tuple[int, int], list[int]] = {}
    for number, value in enumerate(values):
        numbers.setdefault(value, []).append(number)
    found: list[set[int]] = [set() for _ in values]
    for (owner, number_in_map), same in numbers.items():
        if len(same) > 1 and (maps[owner] == number_in_map).any():
            for number in same:
                found[number].update(other for other in same if other != number)
    for one in range(len(maps)):
        for other in range(one + 1, len(maps)):
            is_both_HW = (maps[one] > 0) & (maps[other] > 0)
            pairs = maps[one][is_both_HW].astype(np.intp) * 256 + maps[other][is_both_HW]
            for pair in np.flatnonzero(np.bincount(pairs)).tolist():
                value_of_one, value_of_other = divmod(pair, 256)
                for a in numbers[one, value_of_one]:
                    for b in numbers[other, value_of_other]:
                        found[a].add(b)
                        found[b].add(a)
    return found


def _renumbered(map_HW: npt.NDArray[np.uint8], table: Table) -> npt.NDArray[np.uint8]:
    return np.asarray(cv2.LUT(map_HW, table), np.uint8)


def pack_masks(
    masks: Sequence[Mask], size: tuple[int, int], most_in_a_layer: int = MOST_IN_A_LAYER
) -> PackedRegions:
    """Put masks, H x W bool each, into few layers; see `pack_regions`."""
    # The columns of unpacked runs lie together: few layers are turned in the end, instead of every mask.
    by_columns = all(mask_HW.flags.f_contiguous for mask_HW in masks)
    lined = [mask_HW.T if by_columns else np.ascontiguousarray(mask_HW) for mask_HW in masks]
    layers: list[npt.NDArray[np.uint8]] = []
    taken: list[Mask] = []  # pixels of each layer
    used: list[int] = []
    places: dict[int, Instance] = {}
    areas = [int(np.count_nonzero(mask)) for mask in lined]
    for number in sorted(range(len(masks)), key=lambda place: -areas[place]):
        lines = _extent(lined[number])
        mask = lined[number][lines]
        for layer, is_taken in enumerate(taken):
            if used[layer] < most_in_a_layer and not (is_taken[lines] & mask).any():
                break
        else:
            layer = len(layers)
            layers.append(np.zeros(lined[number].shape, np.uint8))
            taken.append(np.zeros(lined[number].shape, np.bool_))
            used.append(0)
        used[layer] += 1
        taken[layer][lines] |= mask
        np.copyto(layers[layer][lines], used[layer], where=mask)
        places[number] = Instance(layer, used[layer])
    upright = [cv2.transpose(layer) for layer in layers] if by_columns else layers
    layers_LHW = np.stack(upright) if upright else np.zeros((1, *size), np.uint8)
    return PackedRegions(
        layers_LHW.astype(np.uint8, copy=False),
        tuple(places[number] for number in range(len(masks))),
        tuple(areas),
    )


def _extent(mask: Mask) -> slice:
    """From the first line with a pixel to the last one."""
    hits = np.flatnonzero(mask.any(1))
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else slice(0, 0)


def value_counts(map_HW: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """How often each of the numbers 0 to 255 occurs."""
    histogram = cv2.calcHist([map_HW], [0], None, [256], [0, 256])
    return histogram.ravel().astype(np.int64)
