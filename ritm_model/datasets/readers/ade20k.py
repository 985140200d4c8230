"""ADE20k (of 2016): layers of numbered objects and of their parts.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ritm_model.datasets.files import inside, read_image, read_mask
from ritm_model.datasets.readers.plain_pickle import read_pickle
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.samples import Annotated, Listing, truth_of
from ritm_model.errors import shown
from ritm_model.images import Pixels


@dataclass(frozen=True, slots=True)
class AdeLayer:
    """A mask file, the numbers in it that are stuff, and the class of each."""

    mask: Path
    stuff: frozenset[int] = field(repr=False)
    classes: dict[int, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdePicture:
    """An image with all its layers, of which learning draws one.

    The blue channel tells objects apart; the k-th of its values, counted from 1 without background, is
    object k of the annotation, as the data set's own reader has it.
    """

    image: Path
    layers: tuple[AdeLayer, ...]

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return ", ".join(str(layer.mask) for layer in self.layers)

    def load_image(self) -> Pixels:
        return read_image(self.image)

    def objects(self) -> Iterator[Annotated | Problem]:
        for layer in self.layers:
            try:
                blue_HW = read_mask(layer.mask)[..., 0]
            except BrokenFileError as error:
                yield error.problem
                continue
            values = _values(blue_HW)
            left_out = 0
            for number, value in values:
                if number in layer.stuff:
                    left_out += 1
                else:
                    key = f"{layer.mask.stem}:{number}"
                    yield Annotated(key, truth_of(blue_HW == value), layer.classes.get(number, ""))
            if left_out or not values:
                reason = f"Objects that are stuff: {left_out}." if values else "The layer has no object."
                yield Problem(str(layer.mask), reason, by_rule=True)

    def stuff(self) -> Iterator[Annotated]:
        for layer in self.layers:
            blue_HW = read_mask(layer.mask)[..., 0]
            for number, value in _values(blue_HW):
                if number in layer.stuff:
                    yield Annotated(f"{layer.mask.stem}:{number}", truth_of(blue_HW == value))

    def drawn(self, random: np.random.Generator) -> AdePicture:
        return replace(self, layers=(self.layers[random.integers(len(self.layers))],))


def _values(blue_HW: Pixels) -> list[tuple[int, int]]:
    """Numbers and values of the objects."""
    return list(enumerate((int(value) for value in np.unique(blue_HW) if value), 1))


def ade20k(root: Path, split: str) -> Listing:
    """All images of `<split>-annotations-object-segmentation.pkl`."""
    source = root / f"{split}-annotations-object-segmentation.pkl"
    images = read_pickle(source)
    if not isinstance(images, dict):
        raise BrokenFileError(source, "The pickle does not hold images.")
    problems: list[Problem] = []
    pictures: list[AdePicture] = []
    for name, about in images.items():
        picture = _picture_or_problem(root, name, about, source)
        if isinstance(picture, Problem):
            problems.append(picture)
        else:
            pictures.append(picture)
    return Listing(pictures, problems)


def _picture_or_problem(root: Path, name: object, about: object, source: Path) -> AdePicture | Problem:
    try:
        return _picture(root, name, about)
    except BrokenFileError as error:
        return error.problem
    except (AttributeError, KeyError, TypeError, ValueError):
        return Problem(str(source), f"The entry '{shown(name)}' has no layers that can be read.")


def _picture(root: Path, name: object, about: Any) -> AdePicture:
    folder = inside(root, about["folder"])
    layers = tuple(
        AdeLayer(
            inside(folder, layer["mask_name"]),
            frozenset(map(int, layer["stuff_instances"])),
            {int(number): _class(names) for number, names in layer.get("instance_to_class", {}).items()},
        )
        for layer in about["layers"]
    )
    if not layers:
        raise ValueError
    return AdePicture(inside(folder, f"{name}.jpg"), layers)


def _class(names: object) -> str:
    """The first of several names."""
    first = names[0] if isinstance(names, list | tuple) and names else names
    return shown(first) if isinstance(first, str) else ""
