"""Zips unpacked, never elsewhere or beyond measure."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import shown
from ritm_model.images.names import has_suffix
from ritm_model.mistaken import mistaken
from training.exports.errors import ExportError

MOST_FILES = 1_000_000
MOST_BYTES = 100 << 30
MOST_RATIO = 200  # photographs hardly shrink, masks and JSON do so up to about a hundred times
SMALL_BYTES = 64 << 20  # below it, a high ratio does no harm
_CHUNK = 1 << 20
_IS_UTF8 = 0x800  # flag of a member
_LONGEST_NAME = 255  # bytes; Windows and macOS count letters, of which some have four bytes
_HEAD = 512  # bytes that tell what a file is


def most_bytes_of(path: Path) -> int:
    """How many bytes a zip may hold, those of zips in it included."""
    return min(MOST_BYTES, max(16 * SMALL_BYTES, MOST_RATIO * path.stat().st_size))


def unpacked(path: Path, folder: Path, most_bytes: int) -> int:
    """Unpack a zip into a new folder, and say how many bytes it holds.

    Args:
        path: of the zip.
        folder: for what it holds.
        most_bytes: that it may hold.

    Raises:
        ExportError: it is damaged, leads out of the folder, or would swell beyond all measure.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Not is_dir(): it fails for a member without a name.
            members = [
                member
                for member in archive.infolist()
                if not member.filename.endswith("/")
                and not is_hidden(member.filename)
                and not _is_too_long(_name_of(member))
            ]
            total = _check(path, members, most_bytes)
            # Of several members of one name, the last was added last.
            by_target = {inside(folder, _name_of(member)): member for member in members}
            for target, member in by_target.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file, _CHUNK)  # zipfile stops at the announced size
    except BrokenFileError as error:
        raise ExportError(f"{path} is refused: {error.problem.reason}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise ExportError(f"{path} {_other_than_zip(path)}.") from None
    except OSError as error:
        raise ExportError(f"{path} cannot be unpacked: {error.strerror}.") from None
    return total


def _name_of(member: zipfile.ZipInfo) -> str:
    """The name of a member; macOS writes UTF-8, as is the rule, but not the flag that says so."""
    if not member.flag_bits & _IS_UTF8:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode()
    return member.filename


def _is_too_long(name: str) -> bool:
    """Whether no file can have this name of a picture; what names it will say that it is not there."""
    return has_suffix(name) and max(len(os.fsencode(part)) for part in name.split("/")) > _LONGEST_NAME


def is_hidden(name: str) -> bool:
    """Whether a file is a note of a system, such as macOS writes beside every file of a zip."""
    parts = [part for part in name.split("/") if part not in (".", "..")]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)


def _other_than_zip(path: Path) -> str:
    with path.open("rb") as file:
        return mistaken(file.read(_HEAD)) or "is damaged, encrypted or no zip: export it again"


def _check(path: Path, members: list[zipfile.ZipInfo], most_bytes: int) -> int:
    """How many bytes they have together. Raises ExportError."""
    total = sum(member.file_size for member in members)
    if len(members) > MOST_FILES:
        raise ExportError(f"{path} holds more files than an export can.")
    for member in members:
        if member.file_size > max(SMALL_BYTES, MOST_RATIO * member.compress_size):
            raise ExportError(f"{path} is refused: '{shown(member.filename)}' swells beyond all measure.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ExportError(f"{path} is refused: '{shown(member.filename)}' is a link.")
    if total > most_bytes:
        raise ExportError(f"{path} is refused: it swells beyond all measure.")
    return total
