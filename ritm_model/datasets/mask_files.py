"""Mask files as arrays, whatever kind of image file holds them.

A mask lies as a viewer shows it: its own orientation tag counts. Whoever compares it with the photograph sees
whether the photograph's must, too (`regions_of`).

Shapes: H x W the mask.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.files import parsing
from ritm_model.images import DEFAULT_MAX_PIXELS, FORMATS, Pixels
from ritm_model.images.orientation import shown_orientation, turned, turned_map
from ritm_model.mistaken import mistaken

Value = TypeVar("Value", bound=np.generic)

_PAGED = ("TIFF", "GIF", "WEBP", "PNG")
_DEEP_MODES = ("I", "F")
"""What Pillow calls 32-bit values, which OpenCV does not read out of TIFF files."""


def read_mask(path: Path) -> Pixels:
    """Read a mask file as the paper's tool does: H x W x 3 uint8 in OpenCV's order B, G, R.

    Palettes are turned into their colours, grey values are repeated. Where a pixel is transparent, nothing is
    painted: it is black.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    return decode_mask(read_bytes(path), path)


def read_numbers(path: Path) -> Pixels:
    """Read a mask whose colours are numbers, as `read_mask` does.

    Raises:
        BrokenFileError: also for a lossy file, which blurs numbers.
    """
    data = read_bytes(path)
    refuse_lossy(data, path)
    return decode_mask(data, path)


def refuse_lossy(data: bytes, path: Path) -> None:
    """Raise BrokenFileError for a JPEG or lossy WebP file, whatever its name."""
    if data[:2] == b"\xff\xd8" or (data[8:12] == b"WEBP" and data[12:16] == b"VP8 "):
        raise BrokenFileError(
            path, "A lossy JPEG or WebP file cannot number objects: it blurs the numbers. Save masks as PNG."
        )


def decode_mask(data: bytes, path: Path) -> Pixels:
    """The same for the bytes of a mask file; `path` is what errors name."""
    orientation = _checked_orientation(data, path)
    pixels_HW3 = turned(_colours(data, path), orientation)
    if (clear_HW := _transparent(data, orientation, path)) is not None:
        pixels_HW3[clear_HW] = 0
    return pixels_HW3


def read_labels(path: Path) -> npt.NDArray[np.integer]:
    """Read a map of object numbers: H x W of 8 or more bits; of a palette image, the indices.

    Transparent pixels are background.

    Raises:
        BrokenFileError: missing, not an image that can be read, or a colour picture.
    """
    data = read_bytes(path)
    refuse_lossy(data, path)
    orientation = _checked_orientation(data, path)
    if _is_grey_png(data):
        return _upright(_decoded(data, cv2.IMREAD_GRAYSCALE, path), orientation)
    with parsing(_damaged(path)), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        labels = np.asarray(image.convert("L") if image.mode == "1" else image)
    clear_HW = _transparent(data, orientation, path)
    if clear_HW is not None:
        labels = labels[..., :-1]
    if labels.ndim == 3 and (labels == labels[..., :1]).all():
        labels = labels[..., 0]
    if labels.ndim != 2:
        raise BrokenFileError(
            path,
            "The mask is a colour picture, not a map of object numbers. Save it with one channel, in which "
            "each object has its number and all else is 0.",
        )
    if np.issubdtype(labels.dtype, np.floating):
        labels = _whole_numbers(labels, path)
    labels = _upright(labels, orientation)
    return labels if clear_HW is None else np.where(clear_HW, labels.dtype.type(0), labels)


def read_first_channel(path: Path) -> Pixels:
    """Read the first channel, in OpenCV's order the blue one, of a mask file: H x W uint8.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    data = read_bytes(path)
    refuse_lossy(data, path)
    return decode_first_channel(data, path)


def decode_first_channel(data: bytes, path: Path) -> Pixels:
    """The same for the bytes of a mask file; `path` is what errors name."""
    if not _is_grey_png(data):
        return np.ascontiguousarray(decode_mask(data, path)[..., 0])
    orientation = _checked_orientation(data, path)
    return _upright(_decoded(data, cv2.IMREAD_GRAYSCALE, path), orientation)


def opaque_pixels(path: Path) -> npt.NDArray[np.bool_] | None:
    """Where a mask is opaque, if it is transparent elsewhere: H x W; None for others.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    data = read_bytes(path)
    clear_HW = _transparent(data, _checked_orientation(data, path), path)
    return ~clear_HW if clear_HW is not None and clear_HW.any() and not clear_HW.all() else None


def small_labels(labels_HW: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """A label map in 8 bits, if all its numbers fit."""
    return labels_HW.astype(np.uint8) if not labels_HW.size or labels_HW.max() < 256 else labels_HW


def _colours(data: bytes, path: Path) -> Pixels:
    """H x W x 3 as they are stored, B, G, R."""
    with parsing(_damaged(path)), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.format != "TIFF" or image.mode not in _DEEP_MODES:
            return _decoded(data, cv2.IMREAD_COLOR, path)
        values_HW = np.nan_to_num(np.asarray(image, np.float64))
    return np.repeat(np.clip(np.rint(values_HW), 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def _decoded(data: bytes, flags: int, path: Path) -> Pixels:
    """The pixels as they are stored; those of TIFF files are turned."""
    pixels = None
    with parsing(_damaged(path)):
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise _damaged(path)(ValueError())
    return pixels.astype(np.uint8, copy=False)


def _damaged(path: Path) -> Callable[[Exception], BrokenFileError]:
    return lambda _: BrokenFileError(path, "The mask is damaged or of a kind that cannot be read.")


def _upright(map_HW: npt.NDArray[Value], orientation: int) -> npt.NDArray[Value]:
    return map_HW if orientation == 1 else np.ascontiguousarray(turned_map(map_HW, orientation))


def _whole_numbers(values_HW: npt.NDArray[np.floating], path: Path) -> npt.NDArray[np.integer]:
    """Object numbers that were saved as fractions, which some tools do."""
    if not np.isfinite(values_HW).all() or (values_HW != np.rint(values_HW)).any() or values_HW.min() < 0:
        raise BrokenFileError(path, "The mask holds fractions, not the numbers of objects.")
    return values_HW.astype(np.int64)


def _transparent(data: bytes, orientation: int, path: Path) -> npt.NDArray[np.bool_] | None:
    """Where a mask is more than half transparent: H x W; None where it cannot be."""
    with parsing(_damaged(path)), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if "A" not in image.getbands():
            return None
        return _upright(np.asarray(image.getchannel("A")) < 128, orientation)


def _is_grey_png(data: bytes) -> bool:
    """Whether a file is a PNG of 8-bit grey values, by its header."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:26] == b"\x08\x00"


def _checked_orientation(data: bytes, path: Path) -> int:
    """The EXIF orientation of a mask, by its header.

    Raises:
        BrokenFileError: it has an impossible size, which is told before memory is taken, or several pages.
    """
    what = mistaken(data)
    damaged = BrokenFileError(path, f"The mask {what or 'is no image of a known kind, or damaged'}.")
    with parsing(lambda _: damaged), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        if width * height > DEFAULT_MAX_PIXELS:
            raise BrokenFileError(path, f"A mask of {width} x {height} pixels is too large.")
        orientation = shown_orientation(image)
        if image.format in _PAGED and getattr(image, "n_frames", 1) > 1:
            image.seek(1)
            if image.size == (width, height):  # smaller ones are previews of the first
                reason = "The mask file has several pages: save each as a file of its own, with one object."
                raise BrokenFileError(path, reason)
    return orientation
