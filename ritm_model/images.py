"""From the bytes of an image file to upright 8-bit RGB pixels, whatever kind of file it is.

Shapes: H x W the upright image.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ritm_model.errors import RitmError

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
DEFAULT_MAX_PIXELS = 120_000_000
_MOST_JPEG_SCANS = 100  # ordinary progressive files have about ten; each costs a pass over all pixels

_lifting = Lock()

_DEEP_MODES = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N", "F"})


class ImageError(RitmError):
    """The bytes are not an image that can be read, or one too large."""


def decode_image(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Decode an image file.

    The first page or frame counts. EXIF orientation is applied. Transparent pixels show white, as on the
    page of a browser. Values of more than 8 bits are scaled from the bits they use: full 16-bit images by
    1/257, the 12-bit ones of microscopes by 1/16; floating-point ones from [0, 1], or from their range if
    they leave it.

    Args:
        data: the whole file: JPEG, PNG, WebP, TIFF, BMP or GIF.
        max_pixels: largest width times height.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ImageError: not such a file, damaged, or more than `max_pixels`.
    """
    try:
        with _opened(data, max_pixels) as image:
            with _lifting:
                limit = Image.MAX_IMAGE_PIXELS or math.inf
            # Some kinds of files ask Pillow's limit again. Images below it do not wait for each other.
            is_beyond = math.prod(image.size) > limit
            with _pillow_limit_lifted() if is_beyond else nullcontext():
                image.load()
            return upright_rgb(image)
    except ImageError:
        raise
    except Exception as error:  # a damaged or hostile file can fail in any way
        raise ImageError("The image file is damaged or cut off.") from error


def upright_rgb(image: Image.Image) -> Pixels:
    """Turn an open Pillow image into H x W x 3 uint8 RGB, by the rules of `decode_image`."""
    image.load()  # turns TIFFs already
    # Asked first, because the function copies images that need no turning.
    turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
    upright = ImageOps.exif_transpose(image) if turned else image
    if upright.mode in _DEEP_MODES:
        grey_HW = _eight_bit(np.asarray(upright))
        return np.repeat(grey_HW[:, :, None], 3, axis=2)
    if upright.has_transparency_data:
        shown = upright.convert("RGBA")
        page = Image.new("RGBA", shown.size, "white")
        upright = Image.alpha_composite(page, shown)
    return np.asarray(upright if upright.mode == "RGB" else upright.convert("RGB"))


@contextmanager
def _pillow_limit_lifted() -> Iterator[None]:
    """Lift Pillow's own limit, which is one number for the whole process, for a moment.

    Ours comes with every call and is checked before any pixel is decoded.
    """
    with _lifting:
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    try:
        with _pillow_limit_lifted():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(_unknown(data)) from None
    width, height = image.size
    if width * height > max_pixels:
        image.close()
        raise ImageError(
            f"The image has {width} x {height} pixels; the limit is {max_pixels / 1e6:g} megapixels."
        )
    if image.format == "JPEG" and data.count(b"\xff\xda") > _MOST_JPEG_SCANS:
        image.close()
        raise ImageError(f"The JPEG file has more than {_MOST_JPEG_SCANS} scans, which would take too long.")
    return image


def _unknown(data: bytes) -> str:
    if not data:
        return "The image file is empty."
    if b"<svg" in data[:1024].lower():
        return "The image is an SVG drawing, which has no pixels; convert it to PNG first."
    return f"The file is not an image of a known kind ({', '.join(FORMATS)})."


def _eight_bit(values_HW: npt.NDArray[np.generic]) -> Pixels:
    values = values_HW.astype(np.float32)
    if np.issubdtype(values_HW.dtype, np.floating):
        values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(values.min()), float(values.max())
        if low < 0 or high > 1:
            values -= low
            values /= (high - low) or 1
        return np.rint(values * 255).astype(np.uint8)
    used_bits = max(int(values.max()).bit_length(), 8)
    scaled = np.rint(np.maximum(values, 0) * (255 / (2**used_bits - 1)))
    grey_HW: Pixels = scaled.astype(np.uint8)
    return grey_HW
