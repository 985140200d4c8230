"""COCO and LVIS combined: masks packed into layers, with the hierarchy of objects and their parts.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ritm_model.datasets.files import read_json
from ritm_model.datasets.mask_files import decode_first_channel
from ritm_model.datasets.named_files import NamedFiles, without_suffix
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Kind, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.plain_pickle import read_pickle
from ritm_model.errors import shown
from ritm_model.images import Pixels

ALLOW_LIST = "allow_list.json"


@dataclass(frozen=True, slots=True)
class CocoLvisPhotograph:
    """An image with a pickle of layers; the first `objects_count` masks are objects, the others stuff.

    Attributes:
        image: the photograph.
        masks: the pickle.
        objects_count: how many masks are objects.
        parents: of each object that is part of another, that other.
    """

    image: Path
    masks: Path
    objects_count: int
    parents: tuple[tuple[int, int], ...] = field(default=(), repr=False)
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.masks)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        layers, places = self._layers_and_places()
        if len(places) < self.objects_count:
            reason = f"{self.objects_count} objects were announced, {len(places)} are there."
            yield Problem(self.truth, reason)
        parents = dict(self.parents)
        for number, (layer, value) in enumerate(places):
            if not 0 <= layer < len(layers):
                yield Problem(self.truth, f"Object {number} is in layer {layer}, which is not there.")
            else:
                parent = str(parents[number]) if number in parents else None
                kind: Kind = "object" if number < self.objects_count else "stuff"
                yield Region(layers[layer], str(number), "", kind, parent, value)

    def _layers_and_places(self) -> tuple[list[Pixels], list[tuple[int, int]]]:
        content: Any = read_pickle(self.masks)
        try:
            encoded, mapping = content
            places = [(int(layer), int(value)) for layer, value in mapping]
            data = [layer if isinstance(layer, bytes) else _as_bytes(layer) for layer in encoded]
        except (TypeError, ValueError):
            raise BrokenFileError(self.masks, "The pickle does not hold layers of masks.") from None
        return [decode_first_channel(layer, self.masks) for layer in data], places


def _as_bytes(layer: object) -> bytes:
    if not isinstance(layer, np.ndarray) or layer.dtype != np.uint8:
        raise TypeError
    return layer.tobytes()


def _parents(hierarchy: object) -> tuple[tuple[int, int], ...]:
    """Which object is part of which; whatever is not written as it should be is no part."""
    if not isinstance(hierarchy, dict):
        return ()
    return tuple(
        (number, about["parent"])
        for number, about in hierarchy.items()
        if isinstance(about, dict) and type(number) is int and type(about.get("parent")) is int
    )


def coco_lvis(root: Path, split: str) -> Collection:
    """All images of `<split>/hannotation.pickle`, in the order of their names.

    Where `<split>/allow_list.json` holds a list of image ids, the others are left out by rule.
    """
    folder = root / split
    source = folder / "hannotation.pickle"
    images = read_pickle(source)
    if not isinstance(images, dict):
        raise BrokenFileError(source, "The pickle does not hold images.")
    problems: list[Problem] = []
    allowed = _allowed(folder / ALLOW_LIST)
    if allowed is not None:
        named = {name: about for name, about in images.items() if _plain(name) in allowed}
        reason = f"Images that the list does not name: {len(images) - len(named)}."
        images = named
        problems.append(Problem(str(folder / ALLOW_LIST), reason, by_rule=True))
    image_files, mask_files = NamedFiles(folder / "images", ".jpg"), NamedFiles(folder / "masks", ".pickle")
    photographs: list[CocoLvisPhotograph] = []
    for name, about in sorted(images.items(), key=lambda item: str(item[0])):
        count = about.get("num_instance_masks") if isinstance(about, dict) else None
        try:
            if type(name) is not str or not isinstance(count, int | np.integer):
                raise BrokenFileError(source, f"The entry '{shown(name)}' does not say how many objects.")
            image, masks = image_files.path(name), mask_files.path(without_suffix(name))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        if count < 1:
            problems.append(Problem(str(masks), "The image has no object.", by_rule=True))
        else:
            photographs.append(CocoLvisPhotograph(image, masks, int(count), _parents(about.get("hierarchy"))))
    return Collection(photographs, problems)


def _allowed(path: Path) -> frozenset[str] | None:
    """Ids of the images to take; None for all."""
    if not path.exists():
        return None
    ids = read_json(path)
    if not isinstance(ids, list) or not all(type(one) in (int, str) for one in ids):
        raise BrokenFileError(path, "The file is not a list of ids of images.")
    return frozenset(_plain(one) for one in ids)


def _plain(image_id: object) -> str:
    """COCO's numbers come with and without leading zeros."""
    return str(image_id).lstrip("0")
