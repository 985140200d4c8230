"""ADE20k (of 2016): layers of numbered objects and of their parts.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ritm_model.datasets.mask_files import read_first_channel
from ritm_model.datasets.named_files import NamedFiles
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Kind, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.plain_pickle import read_pickle
from ritm_model.errors import shown
from ritm_model.images import Pixels


@dataclass(frozen=True, slots=True)
class AdeLayer:
    """A mask file, the numbers in it that are stuff, and the class of each."""

    mask: Path
    stuff: frozenset[int] = field(repr=False)
    classes: dict[int, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AdePhotograph:
    """An image with all its layers, of which learning draws one.

    The blue channel tells objects apart; the k-th of its values, counted from 1 without background, is
    object k of the annotation, as the data set's own reader has it.
    """

    image: Path
    layers: tuple[AdeLayer, ...]
    about: About = field(default=NOTHING_KNOWN, kw_only=True)

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return ", ".join(str(layer.mask) for layer in self.layers)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        for layer in self.layers:
            try:
                blue_HW = read_first_channel(layer.mask)
            except BrokenFileError as error:
                yield error.problem
                continue
            values = _values(blue_HW)
            if not values:
                yield Problem(str(layer.mask), "The layer has no object.", by_rule=True)
            for number, value in values:
                key, category = f"{layer.mask.stem}:{number}", layer.classes.get(number, "")
                kind: Kind = "stuff" if number in layer.stuff else "object"
                yield Region(blue_HW, key, category, kind, value=value)

    def drawn(self, random: np.random.Generator) -> AdePhotograph:
        return replace(self, layers=(self.layers[random.integers(len(self.layers))],))


def _values(blue_HW: Pixels) -> list[tuple[int, int]]:
    """Numbers and values of the objects."""
    return list(enumerate((int(value) for value in np.unique(blue_HW) if value), 1))


def ade20k(root: Path, split: str) -> Collection:
    """All images of `<split>-annotations-object-segmentation.pkl`."""
    source = root / f"{split}-annotations-object-segmentation.pkl"
    images = read_pickle(source)
    if not isinstance(images, dict):
        raise BrokenFileError(source, "The pickle does not hold images.")
    files = NamedFiles(root, ".jpg"), NamedFiles(root, ".png")
    problems: list[Problem] = []
    photographs: list[AdePhotograph] = []
    for name, about in images.items():
        picture = _picture_or_problem(files, name, about, source)
        if isinstance(picture, Problem):
            problems.append(picture)
        else:
            photographs.append(picture)
    return Collection(photographs, problems)


def _picture_or_problem(
    files: tuple[NamedFiles, NamedFiles], name: object, about: object, source: Path
) -> AdePhotograph | Problem:
    try:
        return _picture(*files, name, about)
    except BrokenFileError as error:
        return error.problem
    except (AttributeError, KeyError, TypeError, ValueError):
        return Problem(str(source), f"The entry '{shown(name)}' has no layers that can be read.")


def _picture(images: NamedFiles, masks: NamedFiles, name: object, about: Any) -> AdePhotograph:
    folder = about["folder"]
    layers = tuple(
        AdeLayer(
            masks.path(f"{folder}/{layer['mask_name']}"),
            frozenset(map(int, layer["stuff_instances"])),
            {int(number): _class(names) for number, names in layer.get("instance_to_class", {}).items()},
        )
        for layer in about["layers"]
    )
    if not layers:
        raise ValueError
    return AdePhotograph(images.path(f"{folder}/{name}"), layers)


def _class(names: object) -> str:
    """The first of several names."""
    first = names[0] if isinstance(names, list | tuple) and names else names
    return shown(first) if isinstance(first, str) else ""
