"""What people hand to a predictor, checked and in the form that it works with.

Shapes: H x W the image, N points, 2 = (x, y).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL.Image import Image as PillowImage

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.images import upright_rgb
from ritm_model.inference.geometry import Box, Size

Picture: TypeAlias = npt.NDArray[np.uint8] | PillowImage
"""An upright H x W x 3 uint8 RGB array, or a Pillow image of any mode."""

NOT_A_MASK = (
    "A mask has to be H x W numbers: bool, integers that are 0 outside the object, or floats in [0, 1]"
)


class PromptError(RitmError):
    """An image, mask, box or points that cannot be used, or that do not fit each other."""


def pixels_of(image: Picture) -> npt.NDArray[np.uint8]:
    """H x W x 3 uint8 RGB, read-only: an array itself or a view of it, or a Pillow image turned upright.

    An array that may be written to gets a view of its own each time, since what it holds may be another image
    by then.
    """
    if isinstance(image, PillowImage):
        image = upright_rgb(image)
    if not isinstance(image, np.ndarray):
        raise PromptError(
            f"Expected an H x W x 3 uint8 array or a Pillow image, got {type(image).__name__}; "
            "read_image reads a file."
        )
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise PromptError(f"Expected an H x W x 3 uint8 image, got {image.dtype} {image.shape}.")
    if image.flags.writeable:
        image = image.view()
        image.flags.writeable = False
    return image


def mask_of(mask: npt.NDArray[Any], frame: Size) -> npt.NDArray[Any]:
    """A mask as H x W bool, or float32 in [0, 1], of the size of the image. Never the array itself."""
    mask = array_of(mask, "mask")
    if mask.shape != frame:
        raise PromptError(f"The mask is {named(mask.shape)}, the image {named(frame)} pixels large.")
    if mask.dtype.kind in "biu":
        return mask > 0
    if mask.dtype.kind != "f":
        raise PromptError(f"{NOT_A_MASK}; this one holds {mask.dtype}.")
    if not ((mask >= 0) & (mask <= 1)).all():  # NaN is neither
        found = "NaN" if np.isnan(mask).any() else f"numbers from {mask.min():g} to {mask.max():g}"
        raise PromptError(f"{NOT_A_MASK}; this one holds {found}.")
    return mask.astype(np.float32)


def clipped(box: Box, frame: Size) -> Box:
    """The part of a box on the image, which holds a pixel at least."""
    inside = box.clipped(frame)
    if inside is None:
        raise PromptError(f"The region {box} lies outside the {named(frame)} image.")
    return inside


def clicks_of(points_N2: npt.ArrayLike, labels_N: npt.ArrayLike) -> tuple[Click, ...]:
    """Clicks from points (x, y) in pixels and labels, 1 for the object and 0 for the background."""
    points, labels = array_of(points_N2, "points"), array_of(labels_N, "labels")
    if points.size == labels.size == 0:
        return ()
    if points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "biuf":
        raise PromptError(f"Points have to be N x 2 numbers (x, y), not {points.dtype} {points.shape}.")
    if labels.shape != (len(points),):
        raise PromptError(f"There are {len(points)} points; labels {labels.shape} do not fit them.")
    if not np.isfinite(points).all():
        raise PromptError("Points have to be finite numbers.")
    if not np.isin(labels, (0, 1)).all():
        raise PromptError("Labels have to be 1 for the object and 0 for the background.")
    return tuple(Click(float(x), float(y), bool(label)) for (x, y), label in zip(points, labels, strict=True))


def array_of(given: npt.ArrayLike, what: str) -> npt.NDArray[Any]:
    """What was given as an array, which rows of unequal length are not."""
    try:
        return np.asarray(given)
    except ValueError:
        raise PromptError(f"The {what} cannot be read as numbers: rows are not of equal length.") from None


def named(size: tuple[int, ...]) -> str:
    """A shape as people name it: width first."""
    return " x ".join(str(side) for side in reversed(size))
