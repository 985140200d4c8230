"""Label Studio's local files: named by `/data/local-files/?d=…`, read from a folder mounted here."""

import os
import stat
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.urls import brief

_ROUTE = "/data/local-files/"


def local_file_name(path_and_query: str) -> str | None:
    """Return the file name in a local-files address, decoded once; None when it is another address."""
    parts = urlsplit(path_and_query)
    if not f"{parts.path.rstrip('/')}/".endswith(_ROUTE):
        return None
    return parse_qs(parts.query).get("d", [""])[0]


def read_local_file(root: Path, name: str, max_bytes: int) -> bytes:
    """Read a regular file below `root`.

    Args:
        root: the mounted folder.
        name: the file's path relative to it; `..`, absolute names and links that lead outside are refused.
        max_bytes: largest accepted size.

    Raises:
        FetchError: the name leaves the folder, or the file is missing, unreadable, special or too large.
    """
    shown = f"the local file {brief(name)!r}"
    parts = name.split("/")
    if not name or "\0" in name or "\\" in name or name.startswith("/") or ".." in parts:
        raise FetchError(f"The name of {shown} is refused: it must be a path below RITM_LOCAL_FILES_ROOT.")
    try:
        folder, path = os.path.realpath(root), os.path.realpath(root / name)
        if os.path.commonpath([folder, path]) != folder:
            raise FetchError(f"The name of {shown} is refused: it leads out of RITM_LOCAL_FILES_ROOT.")
    except (OSError, ValueError):
        raise FetchError(f"In RITM_LOCAL_FILES_ROOT, {shown} is missing or cannot be read.") from None
    return read_file(Path(path), f"In RITM_LOCAL_FILES_ROOT, {shown}", max_bytes)


def read_file(path: Path, shown: str, max_bytes: int) -> bytes:
    """Read a regular file that was found in a folder.

    Args:
        path: of the file, found and judged.
        shown: what sentences call it, at their beginning.
        max_bytes: largest accepted size.

    Raises:
        FetchError: it is missing, unreadable, special or too large.
    """
    try:
        # Every link is followed here, once. Without O_NONBLOCK a named pipe would wait for its other end.
        real = os.path.realpath(path)
        descriptor = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise FetchError(f"{shown} is not a regular file.")
            if status.st_size > max_bytes:
                raise FetchError(
                    f"{shown} has more than the {max_bytes:,} bytes that RITM_IMAGE_MAX_MB allows."
                )
            return file.read(status.st_size)
    except (OSError, ValueError):
        raise FetchError(f"{shown} is missing or cannot be read.") from None
