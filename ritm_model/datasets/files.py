"""Reading the files of data sets: every failure names the file.

Shapes: H x W the image.
"""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path, PurePosixPath

from PIL import Image

from ritm_model.datasets.problems import BrokenFileError, DatasetError
from ritm_model.errors import shown
from ritm_model.images import FORMATS, ImageError, Pixels, decode_image
from ritm_model.images.orientation import shown_orientation
from ritm_model.mistaken import link_to_nothing

_DRIVE_OR_SCHEME = re.compile(r"[a-zA-Z]:|data:|.*:$")
_MARKS = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"", "utf-8-sig"))


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
        raise BrokenFileError(path, f"The file {link_to_nothing(path) or 'is missing'}.") from None
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
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def read_text(path: Path) -> str:
    """Read text in UTF-8, or in UTF-16 with a mark in front, as Windows writes it.

    Raises:
        BrokenFileError: missing or not text.
    """
    data = read_bytes(path)
    encoding = next(name for mark, name in _MARKS if data.startswith(mark))
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise BrokenFileError(path, "The file is not text in UTF-8; save it as UTF-8.") from None


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
    if not parts or text.startswith("/") or ".." in parts or _DRIVE_OR_SCHEME.match(parts[0]) or "\0" in text:
        raise BrokenFileError(folder, f"A file named '{shown(name)}' cannot be in this folder.")
    return folder.joinpath(*parts)
