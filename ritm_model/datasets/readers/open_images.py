"""OpenImages: a mask file for each object, often of another size than the image.

Shapes: H x W the image, as large as the smaller of image and mask.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ritm_model.datasets.files import orientation_of, read_image
from ritm_model.datasets.mask_files import read_mask
from ritm_model.datasets.named_files import NamedFiles
from ritm_model.datasets.photograph import NOTHING_KNOWN, About, Collection, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.plain_pickle import read_pickle
from ritm_model.errors import shown
from ritm_model.images import Pixels
from ritm_model.images.orientation import turned


@dataclass(frozen=True, slots=True)
class OpenImagesPhotograph:
    """An image and one of its masks, of which learning draws one. Both shrink to the size they share."""

    image: Path
    mask: Path
    about: About = NOTHING_KNOWN

    @property
    def name(self) -> str:
        return self.image.name

    @property
    def truth(self) -> str:
        return str(self.mask)

    def load_image(self) -> Pixels:
        image_HW3 = read_image(self.image)
        return _shrunk(image_HW3, self._mask(image_HW3), cv2.INTER_LINEAR)

    def regions(self, _height: int, _width: int) -> Iterator[Region | Problem]:
        image_HW3 = read_image(self.image)
        mask_HW3 = _shrunk(self._mask(image_HW3), image_HW3, cv2.INTER_NEAREST)
        grey_HW = cv2.cvtColor(mask_HW3, cv2.COLOR_BGR2GRAY)
        yield Region(grey_HW > 0, self.mask.stem)

    def _mask(self, image_HW3: Pixels) -> Pixels:
        return upright_mask(self.mask, self.image, *image_HW3.shape[:2])


def upright_mask(mask: Path, image: Path, height: int, width: int) -> Pixels:
    """Read a mask, H x W x 3 of any size, turned with its photograph if it lies as the camera held that.

    Args:
        mask: its file.
        image: file of the photograph.
        height: of the upright photograph.
        width: of the upright photograph.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    mask_HW3 = read_mask(mask)
    mask_height, mask_width = mask_HW3.shape[:2]
    if (mask_height - mask_width) * (height - width) >= 0:
        return mask_HW3
    orientation = orientation_of(image)
    return turned(mask_HW3, orientation) if orientation >= 5 else mask_HW3


def _shrunk(picture_HW3: Pixels, other_HW3: Pixels, interpolation: int) -> Pixels:
    height, width = np.minimum(picture_HW3.shape[:2], other_HW3.shape[:2]).tolist()
    if picture_HW3.shape[:2] == (height, width):
        return picture_HW3
    return cv2.resize(picture_HW3, (width, height), interpolation=interpolation).astype(np.uint8, copy=False)


def open_images(root: Path, split: str) -> Collection:
    """All masks of all images of `<split>/<split>-annotations-object-segmentation_clean.pkl`."""
    folder = root / split
    source = folder / f"{split}-annotations-object-segmentation_clean.pkl"
    content = read_pickle(source)
    names = content.get("dataset_samples") if isinstance(content, dict) else None
    masks = content.get("image_id_to_masks") if isinstance(content, dict) else None
    if not isinstance(names, list) or not isinstance(masks, dict):
        raise BrokenFileError(source, "The pickle does not hold images and their masks.")
    images, mask_files = NamedFiles(folder / "images", ".jpg"), NamedFiles(folder / "masks", ".png")
    problems: list[Problem] = []
    photographs: list[OpenImagesPhotograph] = []
    for name in names:
        mask_names = masks.get(name) if isinstance(name, str) else None
        if not isinstance(mask_names, list) or not mask_names:
            problems.append(Problem(str(source), f"The image '{shown(name)}' has no masks."))
            continue
        try:
            image = images.path(name)
            paths = [mask_files.path(mask_name) for mask_name in mask_names]
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        photographs += [OpenImagesPhotograph(image, path) for path in paths]
    return Collection(photographs, problems)
