"""What an object store does, whichever it is, and how it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from ritm_model.errors import RitmError, shown
from ritm_model.files import UNFINISHED, new_file, reading, writing

OWN_NAMES = UNFINISHED
"""Names that begin with this are a folder's lock and unfinished files, and never objects."""


class StoreError(RitmError):
    """The store cannot be reached, refuses, or failed; or the key is none."""


class ObjectMissingError(StoreError):
    """There is no object with this key."""


class ObjectTooLargeError(StoreError):
    """The object has more bytes than the caller takes."""


class ConflictError(StoreError):
    """The object is not, or no longer, what a conditional write expected."""


class UnconditionalError(RitmError):
    """The store writes whatever the condition is, so nothing may rely on its conditional writes."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object of a listing. `size` is in bytes; `etag` changes with every write and means nothing else."""

    key: str
    size: int
    etag: str


class ObjectStore(Protocol):
    """Thread-safe. Keys are relative paths with slashes; a reader meets whole objects only, old or new.

    In a bucket, keys may have empty parts, such as `/6` and `a//b`; in a folder, they may not.

    Every method raises StoreError, with one sentence, when the store cannot be used or the key is none.
    """

    @property
    def uri(self) -> str:
        """The address as it was given."""
        ...

    def read(self, key: str) -> bytes:
        """The whole object. Raises ObjectMissingError."""
        ...

    def read_tagged(self, key: str, *, most_bytes: int | None = None) -> tuple[bytes, str]:
        """The whole object and the tag of exactly these bytes, for `write_if`.

        Raises:
            ObjectMissingError: there is none.
            ObjectTooLargeError: it has more than `most_bytes`; no more than that is held in memory.
        """
        ...

    def download(self, key: str, path: Path) -> None:
        """Copy an object to a file, which appears only when it is complete. Raises ObjectMissingError."""
        ...

    def write(self, key: str, data: bytes | Path) -> None:
        """Write an object, given as its bytes or as a file; replaces what was there."""
        ...

    def write_if(self, key: str, data: bytes, etag: str | None) -> str:
        """Write an object only if it still is the one with this tag; None: only if there is none.

        Of several writers that expect the same, one succeeds. Their data must differ (hold who writes and
        when), since after a broken connection a writer knows its own object by its bytes.

        Returns:
            The new tag.

        Raises:
            ConflictError: it is another one, or there is none, or already one.
        """
        ...

    def check_conditions(self) -> None:
        """Find out whether `write_if` can be relied on. Raises UnconditionalError."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key begins with `prefix`, by key. Names that are no keys are left out."""
        ...

    def exists(self, key: str) -> bool:
        """Whether there is such an object."""
        ...


def checked_key(key: str) -> str:
    """The key itself. Raises StoreError for what could lead elsewhere."""
    if not is_key(key):
        raise StoreError(f"'{shown(key)}' cannot be the key of an object.")
    return key


def is_key(key: str) -> bool:
    """A relative path without `.` and `..`, empty parts, control characters, and names of our own."""
    return key.isprintable() and not any(
        part in ("", ".", "..") or part.startswith(OWN_NAMES) for part in key.split("/")
    )


@contextmanager
def given_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written to a store. Raises StoreError where it cannot be opened."""
    with reading(path, StoreError):
        file = path.open("rb")
    with file:
        yield file


@contextmanager
def stored_file(path: Path) -> Iterator[BinaryIO]:
    """A file of a store, in whatever folder, that gets its name when the block ends well.

    Raises:
        StoreError: it cannot be written, for example because the disk is full.
    """
    with writing(path, StoreError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as file:
            yield file
