"""Masks on their way to the page and from files.

Shapes: H x W the image, h x w a crop of it.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from ritm_model.errors import RitmError
from ritm_model.images import decode_image

Mask = npt.NDArray[np.bool_]

_MOST_BYTES = 5  # of one length

MOST_OBJECTS = 64
"""A grey picture with more different values is one mask with soft or noisy edges, not many objects."""


class RunsError(RitmError):
    """What stands for the runs of a mask is none."""


def run_lengths(mask_hw: Mask) -> bytes:
    """Lengths of the runs in row order, off and on in turn, the first one off and perhaps empty.

    Each length is a variable-length number: seven bits per byte, the lowest first, the top bit set in all
    bytes but the last. An outline of a thousand rows takes a few kilobytes, and the page unpacks it without
    a decoder for pictures.
    """
    flat = mask_hw.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate(([0], edges, [flat.size])))
    if flat.size and flat[0]:
        lengths = np.concatenate(([0], lengths))
    shifts = np.arange(0, 35, 7)
    rest_N5 = lengths[:, None] >> shifts
    used_N5 = (rest_N5 > 0) | (shifts == 0)
    more_N5 = (rest_N5 >> 7) > 0
    bytes_N5 = (rest_N5 & 127) | (more_N5 << 7)
    encoded: bytes = bytes_N5[used_N5].astype(np.uint8).tobytes()
    return encoded


def read_runs(data: bytes, height: int, width: int) -> Mask:
    """What `run_lengths` has written: h x w bool.

    Raises:
        RunsError: the runs cannot be read, or are not as long as the mask.
    """
    bytes_N = np.frombuffer(data, np.uint8)
    ends_K = np.flatnonzero(bytes_N < 128)
    counts_K = np.diff(ends_K, prepend=-1)  # bytes of each length
    if counts_K.sum() != len(data) or (counts_K > _MOST_BYTES).any():
        raise RunsError("The runs of a mask cannot be read.")
    length_of_N = np.repeat(np.arange(len(counts_K)), counts_K)
    shift_N = 7 * (np.arange(len(data)) - (ends_K - counts_K + 1)[length_of_N])
    lengths = np.bincount(length_of_N, (bytes_N & 127).astype(np.int64) << shift_N).astype(np.int64)
    if lengths.sum() != height * width:
        raise RunsError(f"The runs of a mask do not fill its {width} x {height} pixels.")
    ends = np.cumsum(lengths)
    flat = np.zeros(height * width, np.uint8)
    np.bitwise_xor.at(flat, ends[:-1][ends[:-1] < flat.size], 1)
    # Unlike `np.repeat`, this lets other threads run.
    np.bitwise_xor.accumulate(flat, out=flat)
    return flat.view(np.bool_).reshape(height, width)


def read_values(data: bytes, *, max_pixels: int) -> npt.NDArray[np.uint8]:
    """Read a picture of masks: 0 is background, every other value an object.

    The numbers of an indexed (palette) picture are taken as they are, and so are those of a grey one with
    few different values. Any other picture is one mask: what is brighter than half. What is transparent is
    background; black is, too, unless all else is transparent, as in bitmasks of Label Studio.

    Returns:
        H x W uint8.

    Raises:
        ImageError: not a picture, or more than `max_pixels`.
    """
    pixels_HW3 = decode_image(data, max_pixels=max_pixels)  # refuses what is damaged or too large
    grey_HW: npt.NDArray[np.uint8] = pixels_HW3.max(axis=2)
    with Image.open(io.BytesIO(data)) as picture:
        if picture.mode == "P":
            return np.asarray(picture)
        if picture.has_transparency_data:
            grey_HW = _on_nothing(np.asarray(ImageOps.exif_transpose(picture).convert("RGBA")))
    if np.count_nonzero(np.bincount(grey_HW.ravel(), minlength=256)[1:]) <= MOST_OBJECTS:
        return grey_HW
    return (grey_HW > 127).astype(np.uint8)


def _on_nothing(pixels_HW4: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """How bright each pixel is, transparent ones 0; 1 where it is opaque, if all of these are black."""
    is_opaque_HW = pixels_HW4[:, :, 3] > 127
    grey_HW = pixels_HW4[:, :, :3].max(axis=2) * is_opaque_HW
    has_black_ground = grey_HW.any() or is_opaque_HW.all()
    return grey_HW if has_black_ground else is_opaque_HW.astype(np.uint8)


def objects_in(values_HW: npt.NDArray[np.uint8]) -> list[int]:
    """The values of the objects, ascending."""
    present = np.bincount(values_HW.ravel(), minlength=256)[1:]
    return [int(value) + 1 for value in np.flatnonzero(present)]


def mask_of(values_HW: npt.NDArray[np.uint8], value: int | None) -> Mask:
    """The pixels of one object, or of all."""
    return values_HW > 0 if value is None else values_HW == value
