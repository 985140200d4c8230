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

from ritm_model.datasets.files import files_in, read_names
from ritm_model.datasets.mask_files import read_numbers
from ritm_model.datasets.named_files import NamedFiles, without_suffix
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.plain_pickle import read_pickle

IGNORED_GREY = 220  # the pale outlines of the palette
WHITE = 255
ALL = "all"
IMAGES, MASKS = "JPEGImages", "SegmentationObject"
LISTS = "ImageSets/Segmentation"


@dataclass(frozen=True, slots=True)
class VocPhotograph:
    """An image whose objects go by the grey value of their colour.

    Attributes:
        name: of the photograph.
        image: its file.
        mask: its palette image.
        wanted: grey values of the objects to take, or nothing for all.
    """

    name: str
    image: Path
    mask: Path
    wanted: tuple[int, ...] = ()
    about: About = NOTHING_KNOWN

    @property
    def truth(self) -> str:
        return str(self.mask)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        grey_HW = np.asarray(cv2.cvtColor(read_numbers(self.mask), cv2.COLOR_BGR2GRAY), np.uint8)
        found = {int(grey) for grey in np.unique(grey_HW)} - {0}
        # White is no colour of the palette: it is 255 in a map of plain numbers, unless it is all there is.
        void = {IGNORED_GREY, WHITE} if found - {WHITE} else {IGNORED_GREY}
        present = sorted(found - void)
        if not present and not self.wanted:
            yield Problem(self.truth, "The mask has no object.")
        ignored_HW = np.isin(grey_HW, list(void))
        for grey in self.wanted or present:
            yield Region(grey_HW, str(grey), value=grey, ignored_HW=ignored_HW)


def pascal_voc(root: Path, split: str) -> Collection:
    """`test`: the objects that `test.pickle` names. `all`: every mask. Others: the images in a list.

    Args:
        root: folder of the layout, or a list that lies in it, at most four folders down.
        split: which part; of no importance where the root is a list.

    Raises:
        DatasetError: there is no such list, or nothing in it.
    """
    if root.is_file():
        home = next((folder for folder in list(root.parents)[:4] if (folder / MASKS).is_dir()), root.parent)
        named: list[tuple[str, tuple[int, ...]]] = [(name, ()) for name in read_names(root)]
    elif split == "test":
        home = root
        chosen = _test_objects(root / LISTS / "test.pickle")
        groups = groupby(chosen, key=lambda pair: pair[0])
        named = [(name, tuple(grey for _, grey in group)) for name, group in groups]
    elif split == ALL:
        home = root
        named = [(path.stem, ()) for path in files_in(root / MASKS)]
    else:
        home = root
        named = [(name, ()) for name in read_names(root / LISTS / f"{split}.txt")]
    images, masks = NamedFiles(home / IMAGES, ".jpg"), NamedFiles(home / MASKS, ".png")
    problems: list[Problem] = []
    photographs: list[VocPhotograph] = []
    for name, wanted in named:
        try:
            image, mask = images.path(name), masks.path(without_suffix(name))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        photographs.append(VocPhotograph(image.name, image, mask, wanted))
    return Collection(photographs, problems)


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
