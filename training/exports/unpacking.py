"""From an address to files in a folder: objects fetched, zips unpacked, never elsewhere or beyond measure."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import shown
from ritm_ops.object_store import ObjectMissingError, open_store
from training.exports.errors import ExportError

MOST_FILES = 1_000_000
MOST_BYTES = 100 << 30
MOST_RATIO = 200  # photographs hardly shrink, masks and JSON do so up to about a hundred times
SMALL_BYTES = 64 << 20  # below it, a high ratio does no harm
_CHUNK = 1 << 20
_EMPTY = ".ritm-empty"
"""Stands for an empty part of a key, such as in `out//6`; no key has such a part itself."""
_FILE_SUFFIXES = (".zip", ".json", ".xml")


def fetched(source: str, work: Path, store_seconds: float) -> Path:
    """The file or folder that a source means; objects of S3 are copied to `work`.

    Args:
        source: as in `collect`.
        work: an empty folder.
        store_seconds: longest silence of S3 before it is asked again.

    Raises:
        ExportError: it is not there, or holds nothing.
        StoreError: the object store cannot be used.
    """
    if not source.startswith("s3://"):
        path = _local(source)
        if not path.exists():
            raise ExportError(f"There is no export at {shown(path)}.")
        return path
    address, _, name = source.rpartition("/")
    if name.lower().endswith(_FILE_SUFFIXES):
        try:
            open_store(address, timeout_seconds=store_seconds).download(name, work / name)
        except ObjectMissingError:
            raise ExportError(f"There is no export at {shown(source)}.") from None
        return work / name
    store = open_store(source, timeout_seconds=store_seconds)
    folder = work / "objects"
    count = total = 0
    for found in store.list():
        count, total = count + 1, total + found.size
        if count > MOST_FILES or total > MOST_BYTES:
            raise ExportError(f"{shown(source)} holds more than an export can; give a longer prefix.")
        inner = "/".join(part or _EMPTY for part in found.key.split("/"))
        store.download(found.key, inside(folder, inner))
    if not count:
        raise ExportError(f"There is nothing at {shown(source)}.")
    return folder


def unpacked(path: Path, folder: Path) -> Path:
    """Unpack a zip into a new folder.

    Raises:
        ExportError: it is damaged, leads out of the folder, or would swell beyond all measure.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            # Not is_dir(): it fails for a member without a name.
            members = [member for member in archive.infolist() if not member.filename.endswith("/")]
            _check(path, members)
            for member in members:
                target = inside(folder, member.filename)
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(member) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file, _CHUNK)  # zipfile stops at the announced size
    except BrokenFileError as error:
        raise ExportError(f"{path} is refused: {error.problem.reason}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise ExportError(f"{path} is damaged, encrypted or no zip.") from None
    except OSError as error:
        raise ExportError(f"{path} cannot be unpacked: {error.strerror}.") from None
    return folder


def _local(source: str) -> Path:
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    if "://" in source or "\0" in source:
        raise ExportError(
            "An export is at s3://bucket/prefix, file:///folder, or the path of a folder or file."
        )
    return Path(source).expanduser()


def _check(path: Path, members: list[zipfile.ZipInfo]) -> None:
    total = sum(member.file_size for member in members)
    if len(members) > MOST_FILES or total > MOST_BYTES:
        raise ExportError(f"{path} holds more files or bytes than an export can.")
    for member in members:
        if member.file_size > max(SMALL_BYTES, MOST_RATIO * member.compress_size):
            raise ExportError(f"{path} is refused: '{shown(member.filename)}' swells beyond all measure.")
        if stat.S_ISLNK(member.external_attr >> 16):
            raise ExportError(f"{path} is refused: '{shown(member.filename)}' is a link.")
    if total > max(16 * SMALL_BYTES, MOST_RATIO * path.stat().st_size):
        raise ExportError(f"{path} is refused: it swells beyond all measure.")
