"""Reading the files of data sets: every failure names the file.

Shapes: H x W the image.
"""

from __future__ import annotations

import io
import json
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ritm_model.datasets.problems import BrokenFileError, DatasetError
from ritm_model.errors import shown
from ritm_model.files import parsing
from ritm_model.images import DEFAULT_MAX_PIXELS, FORMATS, ImageError, Pixels, decode_image
from ritm_model.images.orientation import shown_orientation
from ritm_model.mistaken import mistaken


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """Read a whole file.

    Raises:
        BrokenFileError: it cannot be read, or has more than `limit` bytes.
    """
    try:
        if limit is not None and path.stat().st_size > limit:
            raise BrokenFileError(path, f"The file is larger than {limit:,} bytes.")
        return path.read_bytes()
    except FileNotFoundError:
        raise BrokenFileError(path, "The file is missing.") from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null character
        reason = getattr(error, "strerror", None) or "that is no file name"
        raise BrokenFileError(path, f"The file cannot be read: {reason}.") from None


def read_image(path: Path) -> Pixels:
    """Read a photograph: H x W x 3 uint8 RGB, upright.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    return decoded_image(read_bytes(path), path)


def decoded_image(data: bytes, path: Path) -> Pixels:
    """The same for the bytes of a photograph; `path` is what errors name."""
    try:
        return decode_image(data)
    except ImageError as error:
        raise BrokenFileError(path, str(error)) from None


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
    pixels_HW3 = _decoded(data, cv2.IMREAD_COLOR, path)
    if (clear_HW := _transparent(data, path)) is not None:
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
    if _is_grey_png(data):
        return _decoded(data, cv2.IMREAD_GRAYSCALE, path)
    _check_header(data, path)
    damaged = BrokenFileError(path, "The mask is damaged or of a kind that cannot be read.")
    with parsing(lambda _: damaged), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        labels = np.asarray(image.convert("L") if image.mode == "1" else image)
    clear_HW = _transparent(data, path)
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
    return _decoded(data, cv2.IMREAD_GRAYSCALE, path)


def opaque_pixels(path: Path) -> npt.NDArray[np.bool_] | None:
    """Where a mask is opaque, if it is transparent elsewhere: H x W; None for others.

    Raises:
        BrokenFileError: missing, or not an image that can be read.
    """
    clear_HW = _transparent(read_bytes(path), path)
    return ~clear_HW if clear_HW is not None and clear_HW.any() and not clear_HW.all() else None


def small_labels(labels_HW: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """A label map in 8 bits, if all its numbers fit."""
    return labels_HW.astype(np.uint8) if not labels_HW.size or labels_HW.max() < 256 else labels_HW


def orientation_of(path: Path) -> int:
    """The EXIF orientation of an image file, 1 to 8; 1 where it cannot be read."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return shown_orientation(image)
    except (OSError, ValueError):
        return 1


def read_json(path: Path) -> object:
    """Read a JSON file.

    Raises:
        BrokenFileError: missing or not JSON.
    """
    data = read_bytes(path)
    try:
        value: object = json.loads(data)
    except ValueError as error:
        raise BrokenFileError(path, f"The file is not JSON: {error}.") from None
    except RecursionError:
        raise BrokenFileError(path, "The file is nested too deeply.") from None
    return value


def read_names(path: Path) -> list[str]:
    """Read a list of names, one a line.

    Raises:
        BrokenFileError: missing or not text.
    """
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BrokenFileError(path, "The file is not text.") from None
    return [line.strip() for line in lines if line.strip()]


def files_in(folder: Path) -> list[Path]:
    """The files of a folder by name; hidden ones do not count.

    Raises:
        DatasetError: there is no such folder.
    """
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(f"The folder {folder} cannot be read: {error.strerror}.") from None
    return [path for path in entries if path.is_file() and not path.name.startswith(".")]


def inside(folder: Path, name: object) -> Path:
    """The path of a file that another file names; it must not lead out of the folder.

    Raises:
        BrokenFileError: it does, or it is no name.
    """
    text = name.replace("\\", "/") if isinstance(name, str) else ""
    parts = PurePosixPath(text).parts
    if not parts or text.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in text:
        raise BrokenFileError(folder, f"A file named '{shown(name)}' cannot be in this folder.")
    return folder.joinpath(*parts)


def _decoded(data: bytes, flags: int, path: Path) -> Pixels:
    _check_header(data, path)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise BrokenFileError(path, "The mask is damaged or of a kind that cannot be read.")
    return pixels.astype(np.uint8, copy=False)


def _whole_numbers(values_HW: npt.NDArray[np.floating], path: Path) -> npt.NDArray[np.integer]:
    """Object numbers that were saved as fractions, which some tools do."""
    if not np.isfinite(values_HW).all() or (values_HW != np.rint(values_HW)).any() or values_HW.min() < 0:
        raise BrokenFileError(path, "The mask holds fractions, not the numbers of objects.")
    return values_HW.astype(np.int64)


def _transparent(data: bytes, path: Path) -> npt.NDArray[np.bool_] | None:
    """Where a mask is more than half transparent: H x W; None where it cannot be."""
    damaged = BrokenFileError(path, "The mask is damaged or of a kind that cannot be read.")
    with parsing(lambda _: damaged), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        if "A" not in image.getbands():
            return None
        return np.asarray(image.getchannel("A")) < 128


def _is_grey_png(data: bytes) -> bool:
    """Whether a file is a PNG of 8-bit grey values, by its header."""
    return data[:8] == b"\x89PNG\r\n\x1a\n" and data[24:26] == b"\x08\x00"


def _check_header(data: bytes, path: Path) -> None:
    """Refuse a mask of impossible size before memory is taken."""
    what = mistaken(data)
    damaged = BrokenFileError(path, f"The mask {what or 'is no image of a known kind, or damaged'}.")
    with parsing(lambda _: damaged), Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
    if width * height > DEFAULT_MAX_PIXELS:
        raise BrokenFileError(path, f"A mask of {width} x {height} pixels is too large.")
