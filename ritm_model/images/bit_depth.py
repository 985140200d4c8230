"""Images of more than 8 bits per value become images of 8, by the bits that they use.

A microscope of 12 bits stores 0 to 4095 in 16-bit files. Scaled as full 16-bit values these would be
almost black, so the largest value of an image tells how many bits it uses, and they are scaled to 255.

Shapes: H x W as Pillow has loaded the image.
"""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, TiffImagePlugin

_DEEP_GREYS = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})
_BITS_PER_SAMPLE, _PLANAR_CONFIGURATION, _EXTRA_SAMPLES = 258, 284, 338  # TIFF tags
_SEPARATE_PLANES, _PREMULTIPLIED = 2, 1
_PNG_SIZE, _PNG_BIT_DEPTH = 16, 24  # where they stand in the file
_TIFF_BYTE_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}


def is_deep_grey(image: Image.Image) -> bool:
    """Whether Pillow holds this grey image with more than 8 bits."""
    return image.mode in _DEEP_GREYS


def eight_bit_grey(image: Image.Image) -> npt.NDArray[np.uint8]:
    """A deep grey image as H x W uint8; floating-point values from [0, 1], or from their range."""
    stored_HW = np.asarray(image)
    values = stored_HW.astype(np.float32)
    if np.issubdtype(stored_HW.dtype, np.floating):
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 1:
            values -= low
            values /= (high - low) or 1
        return np.rint(values * 255).astype(np.uint8)
    scaled = np.rint(np.maximum(values, 0) * (255 / (2 ** _used_bits(stored_HW) - 1)))
    grey_HW: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
    return grey_HW


def deep_colours(image: Image.Image, data: bytes) -> Image.Image | None:
    """The same image with its 16-bit colours scaled by the bits they use, or None if it has none.

    Pillow keeps only the high byte of such colours: four bits of a 12-bit image. So OpenCV decodes them,
    once Pillow has loaded the image and so refused damaged files.
    """
    if image.mode not in ("RGB", "RGBA") or not has_deep_colours(image, data):
        return None
    if not _says_all_once(image, data):
        return None
    stored = np.frombuffer(data, np.uint8)
    values_HWC = cv2.imdecode(stored, cv2.IMREAD_UNCHANGED)  # BGR or BGRA; turned only if it is a TIFF
    if values_HWC is None or values_HWC.dtype != np.uint16 or values_HWC.shape[:2] != image.size[::-1]:
        return None
    bits = _used_bits(values_HWC[:, :, :3])
    colours_HW3 = _to_eight(values_HWC[:, :, 2::-1], bits)
    if values_HWC.shape[2] == 3 or not image.has_transparency_data:
        return Image.fromarray(colours_HW3)
    # Opaque is the largest value of 16 bits, or of the bits that the colours use.
    alpha_HW = values_HWC[:, :, 3]
    alpha_HW1 = _to_eight(alpha_HW, max(bits, _used_bits(alpha_HW)))[:, :, None]
    shown = np.concatenate([colours_HW3, alpha_HW1], axis=2)
    mode = "RGBa" if _tag(image, _EXTRA_SAMPLES, ()) == (_PREMULTIPLIED,) else "RGBA"
    return Image.frombytes(mode, image.size, shown.tobytes()).convert("RGBA")


def has_deep_planes(image: Image.Image) -> bool:
    """Whether a TIFF keeps each of its deep colours for itself, which Pillow and OpenCV read wrongly."""
    return _tag(image, _PLANAR_CONFIGURATION, 1) == _SEPARATE_PLANES and _tiff_bits(image) > 8


def has_deep_colours(image: Image.Image, data: bytes) -> bool:
    """Whether the file of this colour image says that its values have more than 8 bits."""
    if image.format == "PNG":
        return data[_PNG_BIT_DEPTH] == 16
    return _tiff_bits(image) > 8


def _says_all_once(image: Image.Image, data: bytes) -> bool:
    """Whether the file names its size once only.

    Of several, Pillow and OpenCV may take different ones, and only Pillow's was compared with the limit.
    """
    if image.format == "PNG":
        width, height = struct.unpack_from(">II", data, _PNG_SIZE)
        return bool((width, height) == image.size)
    order = _TIFF_BYTE_ORDERS.get(data[:4])
    if order is None:  # a TIFF of more than 4 GB
        return False
    (start,) = struct.unpack_from(order + "I", data, 4)
    (n_entries,) = struct.unpack_from(order + "H", data, start)
    tags = [struct.unpack_from(order + "H", data, start + 2 + 12 * entry) for entry in range(n_entries)]
    return len(set(tags)) == len(tags)


def _tiff_bits(image: Image.Image) -> int:
    return int(max(_tag(image, _BITS_PER_SAMPLE, (1,))))


def _tag(image: Image.Image, number: int, default: object) -> Any:
    return image.tag_v2.get(number, default) if isinstance(image, TiffImagePlugin.TiffImageFile) else default


def _used_bits(values: npt.NDArray[Any]) -> int:
    return max(int(values.max()).bit_length(), 8)


def _to_eight(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    """Scale unsigned values of so many bits to 0..255, with OpenCV because it makes no larger arrays."""
    return np.asarray(cv2.convertScaleAbs(np.ascontiguousarray(values), alpha=255 / (2**bits - 1)), np.uint8)
