"""Pascal VOC: palette images whose colours tell the objects apart.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ritm_model.datasets.files import inside, read_mask, read_names
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.plain_pickle import read_pickle

IGNORED_GREY = 220  # the pale outlines of the palette
LISTS = "ImageSets/Segmentation"


@dataclass(frozen=True, slots=True)
class VocPhotograph:
    """An image whose objects go by the grey value of their colour.

    Attributes:
        image: the photograph.
        mask: its palette image.
        wanted: grey values of the objects to take, or nothing for all.
    """

    image: Path
    mask: Path
    wanted: tuple[int, ...] = ()
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.mask)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        grey_HW = np.asarray(cv2.cvtColor(read_mask(self.mask), cv2.COLOR_BGR2GRAY), np.uint8)
        present = [int(grey) for grey in np.unique(grey_HW) if grey not in (0, IGNORED_GREY)]
        if not present and not self.wanted:
            yield Problem(self.truth, "The mask has no object.")
        ignored_HW = grey_HW == IGNORED_GREY
        for grey in self.wanted or present:
            yield Region(grey_HW, str(grey), value=grey, ignored_HW=ignored_HW)


def pascal_voc(root: Path, split: str) -> Collection:
    """`test`: the objects that `test.pickle` names. Other splits: all objects of the images in a list."""
    lists = root / LISTS
    if split == "test":
        chosen = _test_objects(lists / "test.pickle")
        photographs = [
            _picture(root, name, tuple(grey for _, grey in group))
            for name, group in groupby(chosen, key=lambda pair: pair[0])
        ]
    else:
        photographs = [_picture(root, name, ()) for name in read_names(lists / f"{split}.txt")]
    return Collection(photographs)


def _picture(root: Path, name: str, wanted: tuple[int, ...]) -> VocPhotograph:
    image = inside(root / "JPEGImages", f"{name}.jpg")
    return VocPhotograph(image, inside(root / "SegmentationObject", f"{name}.png"), wanted)


def _test_objects(path: Path) -> list[tuple[str, int]]:
    content: Any = read_pickle(path)
    try:
        names, greys = content
        pairs = [(str(name), int(grey)) for name, grey in zip(_listed(names), _listed(greys), strict=True)]
    except (TypeError, ValueError):
        raise BrokenFileError(path, "The pickle does not hold names of images and grey values.") from None
    return pairs


def _listed(values: object) -> list[Any]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, list | tuple):
        raise TypeError
    return list(values)
