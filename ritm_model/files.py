"""Files: written whole or not at all; one sentence where the system refuses, or where a file is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from ritm_model.errors import RitmError

UNFINISHED = ".ritm-"
"""Names that begin with this are of files that are still being written, or were when a process was killed."""


def write_file(path: Path, data: bytes | str) -> None:
    """Write a file so that its name never stands for half of it, and so that it survives a power cut.

    Raises:
        OSError: it cannot be written; what was there before is still whole.
    """
    with new_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that gets its name when the block ends well, and is on the disk by then. Raises OSError."""
    with new_path(path) as unfinished, unfinished.open("xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the rename itself survives a power cut
    finally:
        os.close(folder)


@contextmanager
def new_path(path: Path) -> Iterator[Path]:
    """A free name in the same folder; what stands there when the block ends well becomes `path`."""
    unfinished = path.with_name(f"{UNFINISHED}{uuid4().hex}")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def writing(path: Path, error: type[RitmError] = RitmError) -> Iterator[None]:
    """Within the block, what the operating system says about writing becomes a sentence that names `path`."""
    try:
        yield
    except OSError as reason:
        raise error(f"{path} cannot be written: {_said(reason)}.") from None


@contextmanager
def reading(path: Path, error: type[RitmError] = RitmError) -> Iterator[None]:
    """Within the block, what the operating system says about reading becomes a sentence that names `path`."""
    try:
        yield
    except OSError as reason:
        raise error(f"{path} cannot be read: {_said(reason)}.") from None


@contextmanager
def parsing(refusal: Callable[[Exception], RitmError]) -> Iterator[None]:
    """Within the block, somebody else's parser reads what nobody has checked.

    A damaged or hostile file can make it fail in any way, and every one of them means the same to the user.

    Args:
        refusal: makes the error that is raised, from what the parser has raised.
    """
    try:
        yield
    except RitmError:
        raise
    except Exception as error:  # noqa: BLE001  (no parser says all that it may raise)
        raise refusal(error) from None


def _said(reason: OSError) -> str:
    return reason.strerror or type(reason).__name__
