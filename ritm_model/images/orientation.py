"""Which way up a picture is: as the browser shows it, because that is what annotators click on.

Chromium turns JPEG files by the EXIF data in front of their pixels, and PNG files by an eXIf chunk in
front of theirs. It reads the first directory only, and there the first orientation that is one 16-bit
number from 1 to 8. It turns no WebP, GIF or BMP file, and ignores XMP. A test holds these rules
against a real browser. TIFF files are shown by no browser; Pillow turns them by their own tag.

Shapes: H x W before, H x W or W x H after.
"""

from __future__ import annotations

import struct
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Value = TypeVar("Value", bound=np.generic)

_TURNED_BY_BROWSERS = frozenset({"JPEG", "MPO", "PNG"})
_ORIENTATION_TAG, _SHORT = 0x0112, 3
_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}

# What undoes each orientation: whether to transpose, then the code of cv2.flip (0 upside down, 1 left to
# right, -1 both).
_TURNS: dict[int, tuple[bool, int | None]] = {
    1: (False, None),
    2: (False, 1),
    3: (False, -1),
    4: (False, 0),
    5: (True, None),
    6: (True, 1),
    7: (True, -1),
    8: (True, 0),
}


def shown_orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8, that a browser applies to this image; 1 is upright.

    Ask before the pixels are loaded: what stands behind them in a file does not count. Never raises.
    """
    exif = image.info.get("exif")
    if image.format not in _TURNED_BY_BROWSERS or not isinstance(exif, bytes):
        return 1
    directory = exif.removeprefix(b"Exif\0\0")
    order = _BYTE_ORDERS.get(directory[:4])
    try:
        return _first_orientation(directory, order) if order else 1
    except struct.error:  # cut off
        return 1


def turned(pixels_HW3: npt.NDArray[np.uint8], orientation: int) -> npt.NDArray[np.uint8]:
    """Turn H x W x 3 pixels upright that are stored in an EXIF orientation from 1 to 8."""
    is_transposed, flip = _TURNS[orientation]
    upright: npt.NDArray[np.uint8] = pixels_HW3
    if is_transposed:
        upright = np.asarray(cv2.transpose(upright), np.uint8)
    if flip is not None:
        upright = np.asarray(cv2.flip(upright, flip), np.uint8)
    return upright


def turned_map(map_HW: npt.NDArray[Value], orientation: int) -> npt.NDArray[Value]:
    """Turn an H x W mask or map of any values upright that is stored in an EXIF orientation from 1 to 8."""
    is_transposed, flip = _TURNS[orientation]
    upright_HW = map_HW.T if is_transposed else map_HW
    if flip is not None:
        upright_HW = np.flip(upright_HW, (0, 1) if flip < 0 else flip)
    return upright_HW


def _first_orientation(directory: bytes, order: str) -> int:
    (start,) = struct.unpack_from(order + "I", directory, 4)
    (n_entries,) = struct.unpack_from(order + "H", directory, start)
    for entry in range(n_entries):
        tag, kind, count, value = struct.unpack_from(order + "HHIHxx", directory, start + 2 + 12 * entry)
        if (tag, kind, count) == (_ORIENTATION_TAG, _SHORT, 1) and value in _TURNS:
            return int(value)
    return 1
