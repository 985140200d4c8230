"""From pictures with objects to a data set of samples, one per object, with nothing lost on the way.

A layout lists pictures; a picture knows its image and gives its objects one by one. `survey` reads all of
them once, so that whatever is broken is known, and counted, before an evaluation begins.

Shapes: H x W the image.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.images import Pixels
from ritm_model.simulation import IGNORED, OBJECT

Truth = npt.NDArray[np.int8]
OnProgress = Callable[[int, int], None]
"""Called with the number of pictures read and the number of all."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """An object of a picture.

    Attributes:
        key: which one, unique in its picture; nothing where a picture has but one.
        mask: H x W int8, 1 on the object, -1 where nothing counts, 0 elsewhere.
        category: its class, or nothing.
        parent: key of the object that it is part of, or nothing.
    """

    key: str
    mask: Truth
    category: str = ""
    parent: str = ""


class Picture(Protocol):
    """An image and what is known of its objects. Small, and can be sent to other processes."""

    @property
    def name(self) -> str:
        """Name of the image file."""

    @property
    def image(self) -> Path:
        """The image file."""

    @property
    def truth(self) -> str:
        """The file that holds the annotation."""

    def load_image(self) -> Pixels:
        """H x W x 3 uint8 RGB, upright. Raises BrokenFileError."""

    def objects(self) -> Iterator[Annotated | Problem]:
        """All objects in a fixed order, and what is left out. Raises BrokenFileError."""


@runtime_checkable
class HasStuff(Protocol):
    """A picture that knows of sky, road and the like, too."""

    def stuff(self) -> Iterator[Annotated]:
        """All of it. Raises BrokenFileError."""


@runtime_checkable
class Drawn(Protocol):
    """A picture that learning sees another way each time."""

    def drawn(self, random: np.random.Generator) -> Picture:
        """One of the ways."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a layout has found in its folder, without having opened images or masks."""

    pictures: Sequence[Picture]
    problems: Sequence[Problem] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """One object on one image."""

    name: str
    mask: Truth
    category: str
    picture: Picture = field(repr=False)

    def load_image(self) -> Pixels:
        return self.picture.load_image()


@dataclass(frozen=True, slots=True)
class Dataset:
    """All usable objects, in a fixed order.

    Attributes:
        name: as it was asked for.
        pictures: those with at least one usable object.
        index: for each sample, which picture and which of its objects.
        problems: everything that was left out.
    """

    name: str
    pictures: tuple[Picture, ...] = field(repr=False)
    index: tuple[tuple[int, str], ...] = field(repr=False)
    problems: tuple[Problem, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int, /) -> Sample:
        """Read one sample.

        Raises:
            IndexError: there is none.
            BrokenFileError: a file has changed since the data set was opened.
        """
        place, key = self.index[index]
        picture = self.pictures[place]
        for found in picture.objects():
            if isinstance(found, Annotated) and found.key == key:
                return Sample(sample_name(picture, key), found.mask, found.category, picture)
        raise BrokenFileError(picture.truth, f"Object {key or '1'} is gone since the data set was opened.")


def sample_name(picture: Picture, key: str) -> str:
    return f"{picture.name}#{key}" if key else picture.name


def survey(name: str, listing: Listing, on_progress: OnProgress | None = None) -> Dataset:
    """Open every picture and every object, and keep those that can be annotated."""
    problems = list(listing.problems)
    pictures: list[Picture] = []
    index: list[tuple[int, str]] = []
    seen: set[str] = set()
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases Python's lock
        for count, (picture, (keys, left_out)) in enumerate(
            zip(listing.pictures, pool.map(_surveyed, listing.pictures), strict=True), 1
        ):
            problems += left_out
            before = len(index)
            for key in keys:
                sample = sample_name(picture, key)
                if sample in seen:
                    reason = f"{shown(sample)} is there twice; the first counts."
                    problems.append(Problem(picture.truth, reason))
                else:
                    seen.add(sample)
                    index.append((len(pictures), key))
            if len(index) > before:
                pictures.append(picture)
            if on_progress is not None:
                on_progress(count, len(listing.pictures))
    return Dataset(name, tuple(pictures), tuple(index), tuple(problems))


def _surveyed(picture: Picture) -> tuple[list[str], list[Problem]]:
    keys: list[str] = []
    problems: list[Problem] = []
    try:
        size = picture.load_image().shape[:2]
        for found in picture.objects():
            if isinstance(found, Problem):
                problems.append(found)
            elif reason := _unusable(found, size):
                problems.append(Problem(picture.truth, reason))
            else:
                keys.append(found.key)
    except BrokenFileError as error:
        problems.append(error.problem)  # objects before it stay usable
    return keys, problems


def _unusable(found: Annotated, size: tuple[int, ...]) -> str:
    which = f"mask of object {found.key}" if found.key else "mask"
    if found.mask.shape != size:
        mask_height, mask_width = found.mask.shape
        height, width = size
        return f"The {which} is {mask_width} x {mask_height} pixels large, its image {width} x {height}."
    if not (found.mask == OBJECT).any():
        return f"The {which} has no object."
    return ""


def truth_of(object_HW: npt.NDArray[np.bool_], ignored_HW: npt.NDArray[np.bool_] | None = None) -> Truth:
    """Put object and ignored pixels, both H x W bool, into one H x W int8 mask; the object wins."""
    truth_HW = np.zeros(object_HW.shape, np.int8)
    if ignored_HW is not None:
        truth_HW[ignored_HW] = IGNORED
    truth_HW[object_HW] = OBJECT
    return truth_HW
