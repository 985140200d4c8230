"""A photograph with regions on it: what every reader gives, and evaluation, learning and conversion take.

Shapes: H x W the upright photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.files import decoded_image, orientation_of, read_bytes
from ritm_model.datasets.problems import Problem
from ritm_model.images import Pixels
from ritm_model.images.orientation import turned_map

Mask = npt.NDArray[np.bool_]
LabelMap = npt.NDArray[np.bool_] | npt.NDArray[np.integer[Any]]
Kind = Literal["object", "stuff", "ignored", "crowd"]


@dataclass(frozen=True, slots=True, eq=False)
class Region:
    """A region of a photograph: the pixels of one value in a label map, which other regions may share.

    Attributes:
        labels_HW: the map as it is stored, or a bool mask of this region alone.
        key: what the source calls it, unique on its photograph; nothing where there is but one.
        category: its class, or nothing.
        kind: an object (whole, or part of another), stuff where no object is, pixels that nobody knows, or
            a crowd that is not one object.
        parent: the key of the object it is part of, or None.
        value: of its pixels; of no importance where the map is a mask.
        ignored_HW: bool, where this region may be or not, if its mask says so.
    """

    labels_HW: LabelMap = field(repr=False)
    key: str
    category: str = ""
    kind: Kind = "object"
    parent: str | None = None
    value: int = 1
    ignored_HW: Mask | None = field(default=None, repr=False)

    @property
    def is_mask(self) -> bool:
        """Whether the map is a mask of this region alone."""
        return self.labels_HW.dtype == np.bool_

    @property
    def mask(self) -> Mask:
        """H x W bool, True on the region."""
        return np.asarray(self.labels_HW if self.is_mask else self.labels_HW == self.value, np.bool_)


@dataclass(frozen=True, slots=True)
class About:
    """What is known of a photograph besides its pixels.

    Attributes:
        split: such as "train" or "val", or nothing.
        source: the collection it comes from, or nothing.
        license: name of its licence, or nothing.
        license_class: kind of that licence, or nothing.
        number: its id in the source, or None.
    """

    split: str = ""
    source: str = ""
    license: str = ""
    license_class: str = ""
    number: int | None = None


NOTHING_KNOWN = About()


class Photograph(Protocol):
    """A photograph with annotations.

    Pixels are only read when asked for, so it can be sent to processes. One without a file also has
    `load_image`; see `Rescaled`.
    """

    @property
    def name(self) -> str:
        """Of its file, with "/" between folders where names repeat."""

    @property
    def image(self) -> Path:
        """Its file; where there is none, what messages call it."""

    @property
    def truth(self) -> str:
        """The file that holds its annotation, for messages."""

    @property
    def about(self) -> About:
        """What is known of it."""

    def regions(self, height: int, width: int, /) -> Iterator[Region | Problem]:
        """Its regions in a fixed order, and what is left out.

        Args:
            height: of the upright photograph.
            width: of the upright photograph.

        Raises:
            BrokenFileError: nothing (more) can be read.
        """


@runtime_checkable
class Rescaled(Protocol):
    """A photograph that gives its pixels itself: they are not those of its file, or there is no file."""

    def load_image(self) -> Pixels:
        """H x W x 3 uint8 RGB, upright. Raises BrokenFileError."""


@runtime_checkable
class Embedded(Protocol):
    """A photograph whose bytes are no file of their own; `image` is the file that holds them."""

    def image_bytes(self) -> bytes:
        """Those of a JPEG, PNG or the like. Raises BrokenFileError."""


@runtime_checkable
class Varied(Protocol):
    """A photograph that learning sees another way each time."""

    def drawn(self, random: np.random.Generator) -> Photograph:
        """One of the ways."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What a reader has found, without having opened photographs or masks.

    Attributes:
        photographs: in a fixed order.
        problems: what is left out already.
        category_ids: numbers that categories must keep, by name; the others are numbered by their names.
        license_urls: addresses of licences, by name.
    """

    photographs: Sequence[Photograph]
    problems: Sequence[Problem] = ()
    category_ids: Mapping[str, int] = field(default_factory=dict)
    license_urls: Mapping[str, str] = field(default_factory=dict)


def load_image(photograph: Photograph) -> Pixels:
    """Read a photograph: H x W x 3 uint8 RGB, upright.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    if isinstance(photograph, Rescaled):
        return photograph.load_image()
    return decoded_image(image_bytes(photograph), photograph.image)


def image_bytes(photograph: Photograph) -> bytes:
    """The bytes of a photograph's file.

    Raises:
        BrokenFileError: it cannot be read.
    """
    return photograph.image_bytes() if isinstance(photograph, Embedded) else read_bytes(photograph.image)


def regions_of(photograph: Photograph, height: int, width: int) -> Iterator[Region | Problem]:
    """The regions of a photograph, turned upright where its masks are stored as the camera held it.

    Many tools ignore the orientation that a camera notes: the sides of their masks are swapped.
    """
    orientation = 0
    turned_maps: dict[int, tuple[LabelMap, LabelMap]] = {}  # as stored, so that it stays, and upright
    for found in photograph.regions(height, width):
        is_swapped = isinstance(found, Region) and found.labels_HW.shape == (width, height) != (height, width)
        if not is_swapped or isinstance(photograph, Rescaled):
            yield found
            continue
        assert isinstance(found, Region)
        orientation = orientation or orientation_of(photograph.image)
        if orientation < 5:  # it does not swap the sides
            yield found
            continue
        stored_HW, ignored_HW = found.labels_HW, found.ignored_HW
        if id(stored_HW) not in turned_maps:
            upright_HW: Any = turned_map(stored_HW, orientation)
            turned_maps[id(stored_HW)] = stored_HW, upright_HW
        if ignored_HW is not None:
            ignored_HW = turned_map(ignored_HW, orientation)
        yield replace(found, labels_HW=turned_maps[id(stored_HW)][1], ignored_HW=ignored_HW)


def union_of(masks: Sequence[Mask | None], size: tuple[int, int]) -> Mask:
    """H x W bool, True where any of the masks is; those of another size and None do not count."""
    covered_HW = np.zeros(size, np.bool_)
    for mask_HW in {id(mask): mask for mask in masks if mask is not None}.values():
        if mask_HW.shape == size:
            covered_HW |= mask_HW
    return covered_HW


def sound_parents(regions: Mapping[str, Region]) -> dict[str, str]:
    """Of each object that is part of another among `regions`, that other.

    Parts of what is not there, of what is no object, or of themselves are whole objects.
    """
    return {
        key: region.parent
        for key, region in regions.items()
        if region.parent is not None and region.kind == "object" and _is_sound(key, regions)
    }


def _is_sound(key: str, regions: Mapping[str, Region]) -> bool:
    parent, below = regions[key].parent, {key}
    while parent is not None:
        if parent in below or parent not in regions or regions[parent].kind != "object":
            return False
        below.add(parent)
        parent = regions[parent].parent
    return True
