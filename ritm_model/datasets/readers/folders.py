"""Data sets that are a folder of images and a folder of masks: GrabCut, Berkeley, DAVIS, and your own.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ritm_model.datasets.mask_files import opaque_pixels, read_labels, read_mask
from ritm_model.datasets.mask_names import named_by, with_any_ending, with_the_same_name, with_usual_ending
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Mask, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.pairs import paired
from ritm_model.images import Pixels

IGNORED_GREY = 128
IGNORED_LABEL = 255
MANY_LABELS = 24
FAINT = 24
"""Values that differ less may be one, as after compression."""
COLOURED = (
    "The mask is painted in colours, of which none but white counts; save it with white objects on black."
)

Parts = tuple[Mask, Mask | None]
"""Where the object is, and where it may be."""


def three_grey_levels(mask_BGR: Pixels) -> Parts:
    """GrabCut and Berkeley: the first channel is 128 where nothing counts, above it on the object."""
    grey_HW = mask_BGR[..., 0]
    return (grey_HW > IGNORED_GREY) | (grey_HW == 1), grey_HW == IGNORED_GREY


def anything_painted(mask_BGR: Pixels) -> Parts:
    """DAVIS: every pixel that is not black, of whichever colour, is the object."""
    return mask_BGR.max(axis=2) > 0, None


def white_or_ignored(mask_BGR: Pixels) -> Parts:
    """A folder of images: 128 where nothing counts, brighter on the object."""
    grey_HW = mask_BGR[..., 0]
    return grey_HW > IGNORED_GREY, grey_HW == IGNORED_GREY


@dataclass(frozen=True, slots=True)
class MaskedPhotograph:
    """An image whose masks hold one object each, called by its key."""

    name: str
    image: Path
    masks: tuple[Path, ...]
    keys: tuple[str, ...]
    rule: Callable[[Pixels], Parts]
    about: About = NOTHING_KNOWN

    @property
    def truth(self) -> str:
        return ", ".join(map(str, self.masks))

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        for path, key in zip(self.masks, self.keys, strict=True):
            yield self._object(path, key)

    def _object(self, path: Path, key: str) -> Region | Problem:
        try:
            mask_BGR = read_mask(path)
            object_HW, ignored_HW = self.rule(mask_BGR)
            if self.rule is white_or_ignored:
                if not object_HW.any():
                    object_HW = _ones_of(path, object_HW)
                elif reason := _not_white_on_black(mask_BGR):
                    return Problem(str(path), reason)
        except BrokenFileError as error:
            return error.problem
        return Region(object_HW, key, ignored_HW=ignored_HW)


@dataclass(frozen=True, slots=True)
class LabelledPhotograph:
    """An image whose masks number the objects: 0 background, 255 ignored in maps of 8 bits."""

    name: str
    image: Path
    masks: tuple[Path, ...]
    keys: tuple[str, ...]
    about: About = NOTHING_KNOWN

    @property
    def truth(self) -> str:
        return ", ".join(map(str, self.masks))

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        for path, key in zip(self.masks, self.keys, strict=True):
            prefix = f"{key}:" if len(self.masks) > 1 else ""
            try:
                labels_HW = read_labels(path)
            except BrokenFileError as error:
                yield error.problem
                continue
            ignored_HW = labels_HW == IGNORED_LABEL
            if labels_HW.dtype.itemsize > 1:
                ignored_HW[:] = False
            numbers = [int(number) for number in np.unique(labels_HW[~ignored_HW]) if number]
            if reason := _no_label_map(labels_HW, numbers):
                yield Problem(str(path), reason)
                continue
            for number in numbers:
                yield Region(labels_HW, f"{prefix}{number}", value=number, ignored_HW=ignored_HW)


def _ones_of(path: Path, nothing_HW: Mask) -> Mask:
    """The object of a mask without white pixels: those of value 1, or if all are black those that are opaque.

    Raises:
        BrokenFileError: it has other values.
    """
    try:
        labels_HW = read_labels(path)
    except BrokenFileError:  # a colour picture
        if read_mask(path).max() < FAINT:
            return nothing_HW
        raise BrokenFileError(path, COLOURED) from None
    values = [int(value) for value in np.unique(labels_HW) if value]
    if values == [1]:
        return np.asarray(labels_HW == 1, np.bool_)
    if not values and (opaque_HW := opaque_pixels(path)) is not None:
        return opaque_HW
    if values and values != [IGNORED_GREY]:
        some = ", ".join(map(str, values[:4])) + (" …" if len(values) > 4 else "")
        reason = (
            f"The mask has no white pixels, but the values {some}; maps that number objects are of the layout"
        )
        raise BrokenFileError(path, f"{reason} labels (--layout labels).")
    return nothing_HW


def _not_white_on_black(mask_BGR: Pixels) -> str:
    """Why a mask with white pixels does not say by them where the object is, or nothing."""
    drawn = int((mask_BGR.max(axis=2) >= FAINT).sum())
    if (np.ptp(mask_BGR, axis=2) > FAINT).sum() > drawn / 100:
        return COLOURED
    grey_HW = mask_BGR[..., 0]
    areas = np.bincount(grey_HW[1:-1, 1:-1][_is_inner(grey_HW)], minlength=256)
    white = int(np.flatnonzero(areas).max(initial=0))  # some programs write another bright value
    greys = [
        grey
        for grey in range(FAINT, white - FAINT + 1)
        if areas[grey] > drawn / 20
        and grey != IGNORED_GREY
        and (abs(grey - IGNORED_GREY) > 2 or areas[grey] > areas[IGNORED_GREY])
    ]
    if numbers := greys or [grey for grey in range(1, FAINT) if areas[grey] > drawn]:
        return (
            f"The mask has areas of the values {', '.join(map(str, numbers[:4]))} beside white. White is the "
            "object, and 128 counts for nothing; maps that number objects are of the layout labels "
            "(--layout labels)."
        )
    rim = np.concatenate([grey_HW[0], grey_HW[-1], grey_HW[:, 0], grey_HW[:, -1]])
    if (rim > IGNORED_GREY).all() and (grey_HW < FAINT).mean() > 0.01:
        return (
            "The mask is white along its whole border and black inside, as inverted ones are. White is the "
            "object: invert the mask; where the object does fill the border, number it 1 (--layout labels)."
        )
    return ""


def _is_inner(labels_HW: npt.NDArray[np.integer]) -> Mask:
    """Which pixels are like their four neighbours; (H - 2) x (W - 2), without the border."""
    inner_HW = labels_HW[1:-1, 1:-1]
    is_inner_HW = (inner_HW == labels_HW[:-2, 1:-1]) & (inner_HW == labels_HW[2:, 1:-1])
    is_inner_HW &= (inner_HW == labels_HW[1:-1, :-2]) & (inner_HW == labels_HW[1:-1, 2:])
    return np.asarray(is_inner_HW, np.bool_)


def _no_label_map(labels_HW: npt.NDArray[np.integer], numbers: list[int]) -> str:
    """Why a mask numbers no objects, or nothing."""
    if not numbers:
        return (
            "The mask has no object: all pixels are background or ignored (255). "
            "Black-and-white masks are of the layout images_dir (--layout images_dir)."
        )
    if len(numbers) < MANY_LABELS:
        return ""
    thin = set(numbers) - set(np.unique(labels_HW[1:-1, 1:-1][_is_inner(labels_HW)]).tolist())
    if len(thin) < len(numbers) / 2:
        return ""
    return (
        f"The mask has {len(numbers)} values, {len(thin)} of them in thin lines only: it was a JPEG or was "
        "resized smoothly, which blurs the numbers along edges. Save masks as PNG, and resize them without "
        "smoothing; blurred black-and-white masks are of the layout images_dir (--layout images_dir)."
    )


def one_mask_each(root: Path, images: str, masks: str, rule: Callable[[Pixels], Parts]) -> Collection:
    """Pair each image with the mask of the same stem, or of its name up to the first dot."""
    pairs, problems = paired(root, images, masks, with_the_same_name)
    photographs: list[MaskedPhotograph] = []
    for pair in pairs:
        if len(pair.masks) > 1:
            names = ", ".join(path.name for path in pair.masks)
            problems.append(Problem(str(pair.image), f"There are several masks for this image: {names}."))
        else:
            photographs.append(MaskedPhotograph(pair.name, pair.image, pair.masks, ("",), rule))
    return Collection(photographs, problems)


def numbered_masks(root: Path, split: str, pattern: str = "") -> Collection:
    """The paper's folder of images: masks `<stem>.*` or `<stem>_<number>.*`, one object each.

    Args:
        root: of the data set.
        split: as `paired` takes it.
        pattern: how masks are named, as `named_by` takes it; nothing for the usual names.

    Raises:
        DatasetError: there are no photographs, no such list, or the pattern is none.
    """
    owners = named_by(pattern) if pattern else with_usual_ending
    pairs, problems = paired(root, "images", "masks", owners, split)
    photographs = [
        MaskedPhotograph(pair.name, pair.image, pair.masks, pair.keys, white_or_ignored) for pair in pairs
    ]
    return Collection(photographs, problems)


def label_maps(root: Path, split: str, pattern: str = "") -> Collection:
    """Masks `<stem>.*` or `<stem>_<anything>.*` that number the objects; arguments as of `numbered_masks`."""
    owners = named_by(pattern) if pattern else with_any_ending
    pairs, problems = paired(root, "images", "masks", owners, split)
    photographs = [LabelledPhotograph(pair.name, pair.image, pair.masks, pair.keys) for pair in pairs]
    return Collection(photographs, problems)
