"""Downloads one file, over as many interrupted connections as it takes within bounds.

The bytes so far lie in `<name>.part`, and beside it `<name>.part.json` says which version of which
file they belong to (the server's ETag or Last-Modified). A later run goes on from there only if the
server confirms that the file is still the same; otherwise it starts again.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

import requests

from ritm_model.errors import RitmError
from ritm_ops.network import NetworkAccess

CHUNK = 1 << 14  # what is lost at most when a connection breaks
TIMEOUT_SECONDS = (10.0, 60.0)  # to connect; between two packets
Progress = Callable[[int, int | None], None]

_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class DownloadError(RitmError):
    """A file could not be fetched."""


class WrongSizeError(DownloadError):
    """Whatever is at the address, it is not the file that was meant."""


class _TransientError(Exception):
    """Worth another attempt."""


@dataclass(frozen=True)
class RemoteFile:
    """What to fetch. A file outside of `min_bytes`..`max_bytes` is not the one that is meant."""

    url: str
    min_bytes: int
    max_bytes: int

    @property
    def public_url(self) -> str:
        """The address without what may be secret in it: user, password and query."""
        parts = urlsplit(self.url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def part_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def discard_part(target: Path) -> None:
    """Remove what has been downloaded for `target`."""
    part_path(target).unlink(missing_ok=True)
    _note_path(target).unlink(missing_ok=True)


def download(
    source: RemoteFile,
    target: Path,
    *,
    attempts: int = 5,
    pause_seconds: float = 1.0,
    on_progress: Progress | None = None,
) -> Path:
    """Fetch a whole file into the `.part` file of `target`; the caller checks it and gives it its name.

    Args:
        source: its address and plausible size.
        target: the file in the end; its folder exists.
        attempts: how many connections to try.
        pause_seconds: before the second one, doubled before each further one.
        on_progress: called with the bytes so far and in all (None if the server does not say).

    Returns:
        The `.part` file, complete.

    Raises:
        DownloadError: refused, not found, of another size, or interrupted too often (the part is kept).
    """
    if urlsplit(source.url).scheme not in ("http", "https"):
        raise DownloadError(f"{source.public_url} is not an http or https address.")
    part = part_path(target)
    with part.open("ab") as file:
        _lock(file, part)
        for attempt in range(attempts):
            try:
                _fetch_rest(source, target, file, on_progress or _unseen)
                return part
            except _TransientError as error:
                reason = str(error)
            if attempt + 1 < attempts:
                time.sleep(pause_seconds * 2**attempt)
    raise DownloadError(
        f"{source.public_url} could not be downloaded: {reason}. Run again to go on from here."
    )


def _unseen(_done: int, _total: int | None) -> None:
    pass


def _lock(file: BinaryIO, part: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DownloadError(f"{part} is being downloaded by another process.") from None


def _fetch_rest(source: RemoteFile, target: Path, file: BinaryIO, on_progress: Progress) -> None:
    have = file.seek(0, os.SEEK_END)
    validator = _read_note(source, target) if have else None
    headers = {"Accept-Encoding": "identity"}
    if validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    try:
        with (
            NetworkAccess.from_environment().session() as session,
            session.get(source.url, headers=headers, stream=True, timeout=TIMEOUT_SECONDS) as response,
        ):
            _check_answer(source, response)
            if response.status_code == requests.codes.requested_range_not_satisfiable:
                if response.headers.get("Content-Range") == f"bytes */{have}":
                    return  # all of it is here already
                file.truncate(0)
                raise _TransientError("the part on disk did not belong to the file")
            start, total = _extent(response)
            if start not in (0, have):
                file.truncate(0)
                raise _TransientError("the server sent another range than it was asked for")
            if total is not None:
                _check_size(source, total)
            file.truncate(start)
            _write_note(source, target, response)
            _append(source, response, file, total, on_progress)
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        raise _TransientError(_reason(error)) from None
    except requests.RequestException:
        raise DownloadError(f"{source.public_url} cannot be fetched: the address is not valid.") from None


def _check_answer(source: RemoteFile, response: requests.Response) -> None:
    if source.url.startswith("https:") and not response.url.startswith("https:"):
        raise DownloadError(f"{source.public_url} leads to an address that is not encrypted.")
    status = response.status_code
    if status == requests.codes.too_many_requests or status >= requests.codes.internal_server_error:
        raise _TransientError(f"the server answers {status}")
    if status not in (
        requests.codes.ok,
        requests.codes.partial_content,
        requests.codes.requested_range_not_satisfiable,
    ):
        raise DownloadError(f"{source.public_url} cannot be fetched: the server answers {status}.")


def _extent(response: requests.Response) -> tuple[int, int | None]:
    """Where the body begins in the file (-1 if that is not clear), and the size of the whole file."""
    if response.status_code == requests.codes.ok:
        length = response.headers.get("Content-Length", "")
        return 0, int(length) if length.isdigit() else None
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return (int(found[1]), int(found[2])) if found else (-1, None)


def _append(
    source: RemoteFile, response: requests.Response, file: BinaryIO, total: int | None, on_progress: Progress
) -> None:
    done = file.seek(0, os.SEEK_END)
    on_progress(done, total)
    for chunk in response.iter_content(CHUNK):
        file.write(chunk)
        done += len(chunk)
        if done > source.max_bytes:
            break
        on_progress(done, total)
    if total is not None and done < total:
        raise _TransientError(f"the connection ended after {done:,} of {total:,} bytes")
    _check_size(source, done)


def _check_size(source: RemoteFile, size: int) -> None:
    if not source.min_bytes <= size <= source.max_bytes:
        raise WrongSizeError(
            f"{source.public_url} has {size:,} bytes, "
            f"but between {source.min_bytes:,} and {source.max_bytes:,} are expected."
        )


def _reason(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "the server does not answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    return "no connection to the server"


def _note_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.part.json")


def _write_note(source: RemoteFile, target: Path, response: requests.Response) -> None:
    tag = response.headers.get("ETag", "W/")
    # A weak tag does not promise the same bytes.
    validator = response.headers.get("Last-Modified") if tag.startswith("W/") else tag
    _note_path(target).write_text(json.dumps({"url": source.public_url, "validator": validator}))


def _read_note(source: RemoteFile, target: Path) -> str | None:
    """What proves that the file is still the one of which we hold a part; None if nothing does."""
    try:
        note = json.loads(_note_path(target).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(note, dict) or note.get("url") != source.public_url:
        return None
    validator = note.get("validator")
    return validator if isinstance(validator, str) else None
