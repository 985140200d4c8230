"""A folder as an object store. Several processes, and machines that share it, may write at the same time."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ritm_model.files import writing
from ritm_ops.object_store.store import (
    OWN_NAMES,
    ConflictError,
    ObjectInfo,
    ObjectMissingError,
    ObjectTooLargeError,
    StoreError,
    checked_key,
    given_file,
    is_key,
    stored_file,
)

_LOCK_NAME = f"{OWN_NAMES}lock"


class FolderStore:
    """Objects are files below `folder`, which is made when something is written.

    A written file is a new one (with its own inode and time) that takes the name of the old one, so readers
    need no lock, and those three numbers are its tag.
    """

    def __init__(self, folder: Path, uri: str = "") -> None:
        self._folder = folder
        self.uri = uri or str(folder)

    def read(self, key: str) -> bytes:
        return self.read_tagged(key)[0]

    def read_tagged(self, key: str, *, most_bytes: int | None = None) -> tuple[bytes, str]:
        with self._reading(key) as path, path.open("rb") as file:
            data = file.read() if most_bytes is None else file.read(most_bytes + 1)
            tag = _tag(os.fstat(file.fileno()))
        if most_bytes is not None and len(data) > most_bytes:
            raise ObjectTooLargeError(f"{key} in {self.uri} has more than {most_bytes:,} bytes.")
        return data, tag

    def download(self, key: str, path: Path) -> None:
        with self._reading(key) as source, source.open("rb") as file, stored_file(path) as copy:
            shutil.copyfileobj(file, copy)

    def write(self, key: str, data: bytes | Path) -> None:
        path = self._path(key)
        if isinstance(data, bytes):
            with stored_file(path) as file:
                file.write(data)
        else:
            with given_file(data) as source, stored_file(path) as file:
                shutil.copyfileobj(source, file)

    def write_if(self, key: str, data: bytes, etag: str | None) -> str:
        path = self._path(key)
        with self._lock():
            if _tag_of(path) != etag:
                raise ConflictError(f"{key} in {self.uri} was changed by somebody else in the meantime.")
            with stored_file(path) as file:
                file.write(data)
            with writing(path, StoreError):
                return _tag(path.stat())

    def check_conditions(self) -> None:
        """A lock of ours makes them."""

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        start = prefix.rpartition("/")[0]
        top = self._path(start) if start else self._folder
        found = []
        for folder, _, names in os.walk(top, onerror=self._unreadable):
            found += [Path(folder, name) for name in names]
        keys = sorted((path.relative_to(self._folder).as_posix(), path) for path in found)
        for key, path in keys:
            if key.startswith(prefix) and is_key(key):
                try:
                    stat = path.stat()
                except FileNotFoundError:
                    continue  # removed meanwhile, or a link to nothing
                yield ObjectInfo(key, stat.st_size, _tag(stat))

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def _path(self, key: str) -> Path:
        return self._folder / checked_key(key)

    @contextmanager
    def _reading(self, key: str) -> Iterator[Path]:
        try:
            yield self._path(key)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise ObjectMissingError(f"There is no {key} in {self.uri}.") from None
        except OSError as error:
            raise StoreError(f"{key} in {self.uri} cannot be read: {error.strerror}.") from None

    def _unreadable(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise StoreError(f"{self.uri} cannot be listed: {error.strerror}.")

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One conditional write at a time; the lock goes with the process that holds it."""
        path = self._folder / _LOCK_NAME
        with writing(path, StoreError):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            with writing(path, StoreError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _tag(stat: os.stat_result) -> str:
    return f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"


def _tag_of(path: Path) -> str | None:
    try:
        return _tag(path.stat())
    except (FileNotFoundError, NotADirectoryError):
        return None
