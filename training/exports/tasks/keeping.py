"""Pictures of annotations: found in folders, kept from an earlier run, or fetched and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from ritm_model.errors import RitmError
from ritm_ops.object_store import ObjectStore, StoreError, open_store
from ritm_ops.pictures import FetchError, PictureAccess, PictureFetcher
from training.exports.ahead import done_ahead
from training.exports.library import Library

_LONG = 1000  # a longer reference, such as a data: address, is known by its digest


@dataclass(frozen=True, slots=True)
class Kept:
    """A picture that is on this machine, and the SHA-256 of its bytes."""

    path: Path
    sha256: str


class Keeper:
    """Gets pictures. One in S3 is fetched again if its ETag differs; others of the same address are not.

    Label Studio gives no sign of a change, and an upload never changes under its name.
    """

    def __init__(self, library: Library, access: PictureAccess) -> None:
        self._library = library
        self._access = access
        self._pictures = PictureFetcher(access)
        self._buckets: dict[str, ObjectStore] = {}

    def all(self, references: Mapping[str, str]) -> Iterator[tuple[str, Kept | RitmError]]:
        """Each reference with its picture, or the reason why it cannot be had; in any order.

        Args:
            references: and a task of each, through which Label Studio opens cloud storage.

        Raises:
            StoreError: a bucket that has given other pictures fails, or none gives any: that may pass.
        """
        given: set[str] = set()
        failures: dict[str, StoreError] = {}
        for reference, found in self._found(references):
            bucket = _bucket(reference)
            if isinstance(found, StoreError):
                failures[bucket] = found
            elif isinstance(found, Kept):
                given.add(bucket)
            yield reference, found
        for bucket, failure in failures.items():
            if bucket in given or not given:
                raise failure

    def _found(self, references: Mapping[str, str]) -> Iterator[tuple[str, Kept | RitmError]]:
        wanted: list[str] = []
        for reference in references:
            kept = self._known(reference)
            if kept is not None:
                yield reference, kept
            else:
                wanted.append(reference)
        for reference, future in done_ahead(lambda each: self._fetch(each, references[each]), wanted):
            yield reference, self._taken(reference, future)

    def _known(self, reference: str) -> Kept | None:
        """A picture that need not be fetched."""
        name, known = _short(reference), self._library.picture(_short(reference))
        path = self._pictures.find(reference)
        if path is not None:
            stat = path.stat()
            tag = f"{path} {stat.st_size:x}-{stat.st_mtime_ns:x}"
            if known is None or known[0] != tag:
                with path.open("rb") as file:
                    known = tag, hashlib.file_digest(file, "sha256").hexdigest()
                self._library.keep_picture(name, *known)
            return Kept(path, known[1])
        if known is None:
            return None
        now = self._library.tag(reference) if reference.startswith("s3://") else ""
        kept = Kept(self._library.picture_path(known[1]), known[1])
        return kept if known[0] == now and kept.path.is_file() else None

    def _fetch(self, reference: str, task: str) -> tuple[bytes, str]:
        """Bytes and tag; in a thread of its own."""
        number = int(task) if task.isascii() and task.isdecimal() else None
        return self._pictures.fetch_tagged(reference, task_id=number)

    def _taken(self, reference: str, future: Future[tuple[bytes, str]]) -> Kept | RitmError:
        try:
            data, tag = future.result()
        except (FetchError, StoreError) as error:
            return error
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._library.picture_path(sha256)
        if not path.is_file():
            path.parent.mkdir(exist_ok=True)
            unfinished = path.with_suffix(".tmp")
            unfinished.write_bytes(data)
            unfinished.replace(path)
        self._library.keep_picture(_short(reference), tag, sha256)
        return Kept(path, sha256)

    def ask_for_tags(self) -> None:
        """Ask S3 for the ETags of the pictures that are kept, a thousand at a time."""
        self._library.clear_tags()
        asked = ""
        for reference in list(self._library.references_in_buckets()):
            folder = reference.rpartition("/")[0]
            if asked and f"{folder}/".startswith(f"{asked}/"):
                continue
            bucket, _, prefix = folder.removeprefix("s3://").partition("/")
            if not self._access.may_read(bucket, f"{prefix}/"):
                continue
            try:
                found = self._bucket(bucket).list(f"{prefix}/" if prefix else "")
                self._library.tell_tags((f"s3://{bucket}/{item.key}", item.etag) for item in found)
            except StoreError:
                continue  # who may read may not be allowed to list: then they are fetched again
            asked = folder

    def _bucket(self, name: str) -> ObjectStore:
        if name not in self._buckets:
            self._buckets[name] = open_store(f"s3://{name}", timeout_seconds=self._access.store_seconds)
        return self._buckets[name]


def _bucket(reference: str) -> str:
    return reference.split("/")[2] if reference.startswith("s3://") else ""


def _short(reference: str) -> str:
    if len(reference) <= _LONG:
        return reference
    return f"sha256:{hashlib.sha256(reference.encode('utf-8', 'surrogatepass')).hexdigest()}"
