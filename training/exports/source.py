"""Where an export lies, and its files: listed with their tags, and brought here when they are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ritm_model.datasets.files import inside, read_bytes
from ritm_model.errors import shown
from ritm_ops.object_store import ObjectMissingError, ObjectStore, open_store
from training.exports.errors import ExportError
from training.exports.library import Library

MOST_BYTES = 100 << 30  # of what is copied here at once
_EMPTY = ".ritm-empty"
"""Stands for an empty part of a key, such as in `out//6`; no key has such a part itself."""
_FILE_SUFFIXES = (".zip", ".json", ".jsonl", ".ndjson", ".xml")


@dataclass(frozen=True, slots=True)
class Source:
    """A folder or prefix, or one file in it.

    Attributes:
        name: as people know it.
        folder: where its files are or are copied to.
        store: where they come from; None for a folder of this machine.
        only: the one file that is meant, or nothing for all.
        library: knows what was copied.
    """

    name: str
    folder: Path
    store: ObjectStore | None
    only: str
    library: Library

    def set_listing(self) -> int:
        """Tell the library what there is. Returns how many files.

        Raises:
            ExportError: there is nothing.
            StoreError: the object store cannot be used.
        """
        count = self.library.set_listing(self._rows())
        if not count:
            raise ExportError(f"There is nothing at {shown(self.name)}.")
        return count

    def _rows(self) -> Iterator[tuple[str, int, str]]:
        if self.store is not None:
            for found in self.store.list(self.only):
                if not self.only or found.key == self.only:
                    yield found.key, found.size, found.etag
            return
        paths = [self.folder / self.only] if self.only else sorted(self.folder.rglob("*"))
        for path in paths:
            if path.is_file():
                stat = path.stat()
                key = path.relative_to(self.folder).as_posix()
                yield key, stat.st_size, f"{stat.st_size:x}-{stat.st_mtime_ns:x}-{stat.st_ino:x}"

    def file(self, key: str, tag: str) -> Path:
        """The file of a key, brought here if need be.

        Raises:
            StoreError: the object store cannot be used.
        """
        if self.store is None:
            return self.folder / key
        path = inside(self.folder, "/".join(part or _EMPTY for part in key.split("/")))
        kept = f"copy of {key}"
        if self.library.copied(kept) != tag or not path.is_file():
            self.store.download(key, path)
            self.library.has_copied(kept, tag)
        return path

    def read(self, key: str) -> bytes:
        """The bytes of a small file. Raises StoreError or BrokenFileError."""
        if self.store is not None:
            return self.store.read(key)
        return read_bytes(self.folder / key)

    def whole(self, below: str = "") -> Path:
        """The folder with all files whose keys begin with `below`, which is empty or ends in a slash.

        Raises:
            ExportError: they have more bytes than an export can.
            StoreError: the object store cannot be used.
        """
        if self.store is not None:
            total = 0
            for key, size, tag in list(self.library.listed(below)):
                total += size
                if total > MOST_BYTES:
                    raise ExportError(
                        f"{shown(self.name)} holds more than an export can; give a longer prefix."
                    )
                self.file(key, tag)
        return self.folder / below


def open_source(source: str, library: Library, store_seconds: float) -> Source:
    """Find out what an address means.

    Args:
        source: `s3://bucket/prefix`, `file:///folder`, or the path of a folder or file.
        library: knows what was copied, and has room for copies.
        store_seconds: longest silence of S3 before a retry.

    Raises:
        ExportError: there is no such file or folder.
        StoreError: it is no address of an object store.
    """
    if not source.startswith("s3://"):
        path = _local(source)
        if not path.exists():
            raise ExportError(f"There is no export at {shown(path)}.")
        folder, only = (path, "") if path.is_dir() else (path.parent, path.name)
        return Source(str(path), folder, None, only, library)
    address, _, name = source.rpartition("/")
    only = name if name.lower().endswith(_FILE_SUFFIXES) else ""
    store = open_store(address if only else source, timeout_seconds=store_seconds)
    if name and not only and address.count("/") > 1 and next(iter(store.list("")), None) is None:
        only = name  # keys of target storage have no suffix
        store = open_store(address, timeout_seconds=store_seconds)
    return Source(source, library.folder / "objects", store, only, library)


def missing(source: Source, error: ObjectMissingError) -> ExportError:
    """What is said of a file that was there when it was listed."""
    return ExportError(f"{shown(source.name)} changes while it is read: {error}")


def _local(source: str) -> Path:
    if source.startswith("file://"):
        return Path(unquote(urlsplit(source).path))
    if "://" in source or "\0" in source:
        raise ExportError(
            "An export is at s3://bucket/prefix, file:///folder, or the path of a folder or file."
        )
    return Path(source).expanduser()
