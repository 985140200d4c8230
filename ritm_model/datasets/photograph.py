"""What every converter gives: photographs, and the regions of objects, stuff and ignored pixels on them.

Shapes: H x W the upright photograph.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.problems import Problem

Mask = npt.NDArray[np.bool_]
Kind = Literal["object", "stuff", "ignored"]


@dataclass(frozen=True, slots=True)
class Region:
    """A region of a photograph.

    Attributes:
        mask_HW: bool, True on it.
        key: what the source calls it, unique on its photograph.
        category: its class, or nothing.
        kind: an object (whole, or part of another), stuff where no object is, or pixels that nobody knows.
        parent: the key of the object it is part of, or None.
    """

    mask_HW: Mask
    key: str
    category: str = ""
    kind: Kind = "object"
    parent: str | None = None


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


class Photograph(Protocol):
    """A photograph with annotations. Small, and can be sent to other processes."""

    @property
    def name(self) -> str:
        """Where it goes below `images/`, with "/" between folders; unique."""

    @property
    def image(self) -> Path:
        """Its file."""

    @property
    def about(self) -> About:
        """What is known of it."""

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Its regions in a fixed order, and what is left out. Raises BrokenFileError."""


@dataclass(frozen=True, slots=True)
class Collection:
    """What a converter has found, without having opened photographs or masks.

    Attributes:
        photographs: in the order in which they will be written.
        problems: what is left out already.
        category_ids: numbers that categories must keep, by name; the others are numbered by their names.
        license_urls: addresses of licences, by name.
    """

    photographs: Sequence[Photograph]
    problems: Sequence[Problem] = ()
    category_ids: Mapping[str, int] = field(default_factory=dict)
    license_urls: Mapping[str, str] = field(default_factory=dict)
