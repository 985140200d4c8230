"""Pictures in cloud storage: which object a reference names, and reading those of S3 directly."""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock

from ritm_ops.object_store import ObjectMissingError, ObjectStore, ObjectTooLargeError, StoreError, open_store
from ritm_ops.pictures.access import PictureAccess
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.urls import brief

SCHEMES = frozenset({"s3", "gs", "azure-blob", "azure"})


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that a reference such as `s3://bucket/key` names."""

    scheme: str
    bucket: str
    key: str

    @classmethod
    def parse(cls, reference: str) -> StoredObject:
        """Take a reference apart. Raises FetchError where it names a bucket or a folder, and no object."""
        scheme, _, rest = reference.partition(":")
        bucket, _, key = rest.removeprefix("//").partition("/")
        if not bucket or not key or key.endswith("/"):
            raise FetchError(
                f"The image {brief(reference)} names no object but a bucket or a folder; "
                "it must look like s3://bucket/folder/name.jpg."
            )
        return cls(scheme.lower(), bucket, key)


class DirectStorage:
    """Reads what of S3 may be read with this process's own credentials; thread-safe."""

    def __init__(self, access: PictureAccess) -> None:
        self._access = access
        self._stores: dict[str, ObjectStore] = {}
        self._lock = Lock()

    def serves(self, item: StoredObject) -> bool:
        return item.scheme == "s3" and self._access.may_read(item.bucket, item.key)

    def read(self, item: StoredObject, shown: str) -> tuple[bytes, str]:
        """The bytes of an object, and its tag.

        Raises:
            FetchError: there is none, it is too large, or it cannot be one.
            StoreError: S3 cannot be used just now, or not with these credentials.
        """
        if {".", ".."} & set(item.key.split("/")) or not item.key.isprintable():
            raise FetchError(f"The image {shown} has a key that no object can have.")
        try:
            with self._lock:
                store = self._stores.get(item.bucket)
                if store is None:
                    store = open_store(
                        f"s3://{item.bucket}",
                        timeout_seconds=self._access.store_seconds,
                        total_seconds=self._access.limits.total_seconds,
                    )
                    self._stores[item.bucket] = store
        except StoreError as error:  # nobody has been asked: it will not pass
            raise FetchError(f"The image {shown} cannot be had: {error}") from None
        try:
            return store.read_tagged(item.key, most_bytes=self._access.limits.max_bytes)
        except ObjectMissingError:
            raise FetchError(f"There is no image {shown} in S3.") from None
        except ObjectTooLargeError:
            raise FetchError(
                f"The image {shown} has more than the {self._access.limits.max_bytes:,} bytes that "
                "RITM_IMAGE_MAX_MB allows."
            ) from None
