"""Data sets that are a folder of images and a folder of masks: GrabCut, Berkeley, DAVIS, and your own.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ritm_model.datasets.files import (
    files_in,
    read_labels,
    read_mask,
    read_names,
)
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Mask, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.images import Pixels
from ritm_model.images.names import IMAGE_SUFFIXES

IGNORED_GREY = 128
IGNORED_LABEL = 255

Pair = tuple[Mask, Mask | None]
"""Where the object is, and where it may be."""


def three_grey_levels(mask_BGR: Pixels) -> Pair:
    """GrabCut and Berkeley: the first channel is 128 where nothing counts, above it on the object."""
    grey_HW = mask_BGR[..., 0]
    return (grey_HW > IGNORED_GREY) | (grey_HW == 1), grey_HW == IGNORED_GREY


def anything_painted(mask_BGR: Pixels) -> Pair:
    """DAVIS: every pixel that is not black, of whichever colour, is the object."""
    return mask_BGR.max(axis=2) > 0, None


def white_or_ignored(mask_BGR: Pixels) -> Pair:
    """A folder of images: 128 where nothing counts, brighter on the object."""
    grey_HW = mask_BGR[..., 0]
    return grey_HW > IGNORED_GREY, grey_HW == IGNORED_GREY


@dataclass(frozen=True, slots=True)
class MaskedPhotograph:
    """An image whose masks hold one object each."""

    image: Path
    masks: tuple[Path, ...]
    rule: Callable[[Pixels], Pair]
    keyed: bool
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return ", ".join(map(str, self.masks))

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        for path in self.masks:
            yield self._object(path)

    def _object(self, path: Path) -> Region | Problem:
        try:
            object_HW, ignored_HW = self.rule(read_mask(path))
            return Region(object_HW, path.stem if self.keyed else "", ignored_HW=ignored_HW)
        except BrokenFileError as error:
            return error.problem


@dataclass(frozen=True, slots=True)
class LabelledPhotograph:
    """An image whose masks number the objects: 0 background, 255 ignored in maps of 8 bits."""

    image: Path
    masks: tuple[Path, ...]
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return ", ".join(map(str, self.masks))

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        for path in self.masks:
            prefix = f"{path.stem}:" if len(self.masks) > 1 else ""
            try:
                labels_HW = read_labels(path)
            except BrokenFileError as error:
                yield error.problem
                continue
            ignored_HW = labels_HW == IGNORED_LABEL
            if labels_HW.dtype.itemsize > 1:
                ignored_HW[:] = False
            numbers = [int(number) for number in np.unique(labels_HW[~ignored_HW]) if number]
            if not numbers:
                yield Problem(
                    str(path),
                    "The mask has no object: all pixels are background or ignored (255). "
                    "Black-and-white masks are of the layout images_dir.",
                )
            for number in numbers:
                yield Region(labels_HW, f"{prefix}{number}", value=number, ignored_HW=ignored_HW)


def one_mask_each(root: Path, images: str, masks: str, rule: Callable[[Pixels], Pair]) -> Collection:
    """Pair each image with the mask of the same stem, or of its name up to the first dot."""
    pairs, problems = _paired(root, images, masks, lambda stem: [stem])
    photographs: list[MaskedPhotograph] = []
    for image, paths in pairs:
        if len(paths) > 1:
            names = ", ".join(path.name for path in paths)
            problems.append(Problem(str(image), f"There are several masks for this image: {names}."))
        else:
            photographs.append(MaskedPhotograph(image, paths, rule, keyed=False))
    return Collection(photographs, problems)


def numbered_masks(root: Path, split: str) -> Collection:
    """The paper's folder of images: masks `<stem>.*` or `<stem>_<number>.*`, one object each."""
    pairs, problems = _paired(root, "images", "masks", _without_number, split)
    return Collection(
        [MaskedPhotograph(image, paths, white_or_ignored, keyed=True) for image, paths in pairs], problems
    )


def label_maps(root: Path, split: str) -> Collection:
    """Masks `<stem>.*` or `<stem>_<anything>.*` that number the objects of their image."""
    pairs, problems = _paired(root, "images", "masks", _without_endings, split)
    return Collection([LabelledPhotograph(image, paths) for image, paths in pairs], problems)


def _without_number(stem: str) -> list[str]:
    start, _, number = stem.rpartition("_")
    return [stem, start] if number.isdecimal() else [stem]


def _without_endings(stem: str) -> list[str]:
    parts = stem.split("_")
    return ["_".join(parts[:count]) for count in range(len(parts), 0, -1)]


Pairs = list[tuple[Path, tuple[Path, ...]]]


def _paired(
    root: Path, images: str, masks: str, owners: Callable[[str], Sequence[str]], split: str = ""
) -> tuple[Pairs, list[Problem]]:
    """Images with their masks.

    Args:
        root: of the data set.
        images: folder in it.
        masks: folder in it.
        owners: from the stem of a mask to the stems its image may have, the likeliest first.
        split: name of a text file in `root` that lists the images to take, or nothing for all.
    """
    image_paths, problems = _images(root / images)
    mask_paths, more = _images(root / masks)
    problems += more
    by_stem: dict[str, list[Path]] = {}
    for path in image_paths:
        by_stem.setdefault(path.stem, []).append(path)
    stems = set(by_stem)
    for path in image_paths:
        if (start := path.name.split(".")[0]) not in stems:
            by_stem.setdefault(start, []).append(path)
    found: dict[Path, list[Path]] = {path: [] for path in image_paths}
    for mask in mask_paths:
        owner = next((stem for stem in owners(mask.stem) if stem in by_stem), None)
        if owner is None:
            problems.append(Problem(str(mask), f"There is no image for this mask in the folder {images}."))
        for path in by_stem.get(owner or "", ()):
            found[path].append(mask)
    if split:
        image_paths = _chosen(root / f"{split}.txt", image_paths, problems)
    problems += [
        Problem(str(path), f"There is no mask for this image in the folder {masks}.")
        for path in image_paths
        if not found[path]
    ]
    return [(path, tuple(found[path])) for path in image_paths if found[path]], problems


def _images(folder: Path) -> tuple[list[Path], list[Problem]]:
    paths = files_in(folder)
    others = [path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES]
    return (
        [path for path in paths if path not in others],
        [Problem(str(path), "The file is no image of a known kind, by its name.") for path in others],
    )


def _chosen(path: Path, image_paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    by_name = {image.stem: image for image in image_paths} | {image.name: image for image in image_paths}
    chosen: list[Path] = []
    for name in read_names(path):
        if name in by_name:
            chosen.append(by_name[name])
        else:
            problems.append(Problem(str(path), f"There is no image '{shown(name)}' in the folder images."))
    return chosen
