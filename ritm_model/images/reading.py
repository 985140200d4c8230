"""From the bytes of an image file to upright 8-bit RGB pixels, whatever kind of file it is.

Shapes: H x W the upright image.
"""

from __future__ import annotations

import io
import math
import sys
from hashlib import blake2b
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from ritm_model.errors import RitmError
from ritm_model.files import parsing
from ritm_model.images.bit_depth import (
    deep_colours,
    eight_bit_grey,
    has_deep_colours,
    has_deep_planes,
    is_deep_grey,
)
from ritm_model.images.jpeg_end import START_OF_SCAN, has_end, with_end
from ritm_model.images.memory import is_out_of_memory
from ritm_model.images.orientation import shown_orientation, turned
from ritm_model.images.pillow_limit import pillow_limit_lifted
from ritm_model.mistaken import mistaken, other_picture

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
DEFAULT_MAX_PIXELS = 120_000_000
_JPEG_FORMATS = ("JPEG", "MPO")  # what Pillow calls a JPEG with further pictures behind it
_MOST_JPEG_SCANS = 100  # ordinary progressive files have about ten; each costs a pass over all pixels
_BAND_PIXELS = 1_000_000
_BYTES_OF_A_JPEG_PIXEL, _BYTES_OF_A_PIXEL, _BYTES_OF_A_DEEP_PIXEL = 9, 10, 26


class ImageError(RitmError):
    """The bytes are not an image that can be read, or one too large."""


def decode_image(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Decode an image file.

    The first page or frame counts. A JPEG may lack its end marker, but nothing else. Images are turned as a
    browser turns them. Transparent pixels show white, as on the page of a browser. Values of more than 8 bits
    are scaled from the bits they use: full 16-bit images by 1/257, the 12-bit ones of microscopes by 1/16;
    floating-point ones from [0, 1], or from their range if they leave it. (Of 16-bit printing colours, only
    the high byte is used.)

    Args:
        data: the whole file: JPEG, PNG, WebP, TIFF, BMP or GIF.
        max_pixels: largest width times height.

    Returns:
        H x W x 3 uint8 RGB.

    Raises:
        ImageError: not such a file, damaged, or more than `max_pixels`.
        Exception: there is not enough memory; `is_out_of_memory` knows it.
    """
    with parsing(_damaged), _opened(data, max_pixels) as image:
        if image.format in _JPEG_FORMATS and not has_end(data):
            whole = with_end(data, _digest)
            if whole is not None:
                return decode_image(whole, max_pixels=max_pixels)
        orientation = shown_orientation(image)
        pixels_HW3 = _photograph(image, data)
        if pixels_HW3 is None:
            _load(image)
            pixels_HW3 = _rgb(deep_colours(image, data) or image)
        return turned(pixels_HW3, orientation)


def _damaged(error: Exception) -> ImageError:
    if is_out_of_memory(error):
        raise error
    return ImageError("The image file is damaged or cut off.")


def decoding_bytes(data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> int:
    """About how much memory `decode_image` takes for a file at its peak, by what its header says.

    Raises:
        ImageError: as `decode_image` would.
    """
    with parsing(_damaged), _opened(data, max_pixels) as image:
        if has_deep_colours(image, data):
            return math.prod(image.size) * _BYTES_OF_A_DEEP_PIXEL
        return upright_bytes(image)


def read_image(path: str | Path, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Pixels:
    """Read an image file, by the rules of `decode_image`.

    Args:
        path: the file.
        max_pixels: largest width times height.

    Returns:
        H x W x 3 uint8 RGB, upright.

    Raises:
        ImageError: the file cannot be read, or is no such image; the sentence names it.
    """
    try:
        return decode_image(Path(path).read_bytes(), max_pixels=max_pixels)
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}.") from None
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def image_size(data: bytes) -> tuple[int, int]:
    """Width and height as the header of an image file says them, before any turning; nothing is decoded.

    Raises:
        ImageError: not an image of a known kind.
    """
    refusal = parsing(lambda _: ImageError(_unknown(data)))
    with refusal, pillow_limit_lifted(), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        return image.size


def upright_rgb(image: Image.Image) -> Pixels:
    """Turn an open Pillow image into H x W x 3 uint8 RGB, by the rules of `decode_image`.

    Of 16-bit colours Pillow has kept no more than the high byte.
    """
    orientation = shown_orientation(image)
    _load(image)
    return turned(_rgb(image), orientation)


def check_size(image: Image.Image, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
    """Raise ImageError for an image, opened or decoded, of more than `max_pixels`."""
    width, height = image.size
    if width * height > max_pixels:
        raise ImageError(
            f"The image has {width} x {height} pixels; the limit is {max_pixels / 1e6:g} megapixels."
        )


def upright_bytes(image: Image.Image) -> int:
    """About how much memory `upright_rgb` takes for an open image at its peak."""
    if image.format in _JPEG_FORMATS:
        each = _BYTES_OF_A_JPEG_PIXEL
    elif is_deep_grey(image) or image.format == "TIFF":
        each = _BYTES_OF_A_DEEP_PIXEL
    else:
        each = _BYTES_OF_A_PIXEL
    return math.prod(image.size) * each


def _photograph(image: Image.Image, data: bytes) -> Pixels | None:
    """The stored pixels of a JPEG or an opaque WebP; None for all other files.

    OpenCV is quicker than Pillow, has the same pixels, and other threads can run meanwhile. What it does with
    printing colours and animations is different, and what with JPEGs cut off depends on its release.
    """
    if image.format in _JPEG_FORMATS:
        is_plain = image.mode in ("L", "RGB") and has_end(data)
    else:
        is_still = not getattr(image, "is_animated", False)
        is_plain = image.format == "WEBP" and image.mode == "RGB" and is_still
    if not is_plain:
        return None
    stored = np.frombuffer(data, np.uint8)
    pixels_HW3 = cv2.imdecode(stored, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels_HW3 is None or pixels_HW3.shape[:2] != image.size[::-1]:
        return None
    return np.asarray(cv2.cvtColor(pixels_HW3, cv2.COLOR_BGR2RGB, dst=pixels_HW3), np.uint8)


def _digest(data: bytes) -> bytes:
    """The same for files that Pillow decodes to the same pixels."""
    with _opened(data, sys.maxsize) as image:
        _load(image)
        return blake2b(image.tobytes()).digest()


def _rgb(image: Image.Image) -> Pixels:
    """The pixels of a loaded image as they are stored."""
    if is_deep_grey(image):
        return np.repeat(eight_bit_grey(image)[:, :, None], 3, axis=2)
    width, height = image.size
    pixels_HW3 = np.empty((height, width, 3), np.uint8)
    # In bands, because Pillow keeps other threads from running while it converts.
    band = max(1, _BAND_PIXELS // width)
    for top in range(0, height, band):
        part = image.crop((0, top, width, min(top + band, height)))
        pixels_HW3[top : top + band] = np.asarray(_on_white(part).convert("RGB"))
    return pixels_HW3


def _on_white(image: Image.Image) -> Image.Image:
    if not image.has_transparency_data:
        return image
    shown = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)


def _load(image: Image.Image) -> None:
    """Decode the pixels; TIFFs are turned, too."""
    with pillow_limit_lifted():  # some kinds of files ask again
        image.load()


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    try:
        with pillow_limit_lifted():
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise ImageError(_unknown(data)) from None
    try:
        check_size(image, max_pixels)
    except ImageError:
        image.close()
        raise
    if image.format in _JPEG_FORMATS and data.count(START_OF_SCAN) > _MOST_JPEG_SCANS:
        image.close()
        raise ImageError(f"The JPEG file has more than {_MOST_JPEG_SCANS} scans, which would take too long.")
    if has_deep_planes(image):
        image.close()
        raise ImageError("The TIFF file keeps its 16-bit colours in separate planes; save it interleaved.")
    return image


def _unknown(data: bytes) -> str:
    if not data:
        return "The image file is empty."
    if b"<svg" in data[:1024].lower():
        return "The image is an SVG drawing, which has no pixels; convert it to PNG first."
    if what := mistaken(data) or other_picture(data):
        return f"The file {what}."
    return f"The file is not an image of a known kind ({', '.join(FORMATS)})."
