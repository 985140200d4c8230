"""From an address to a store."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ritm_ops.object_store.folder import FolderStore
from ritm_ops.object_store.store import ObjectStore, StoreError

_S3_ADDRESS = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,254})(/(?P<prefix>.*))?")


def environment_keys() -> tuple[str, tuple[str, str] | None]:
    """The region, and the access key with its secret, that S3 is reached with from here.

    Keys that end by themselves, as those of a machine's role, are not to be handed on: None.

    Raises:
        StoreError: boto3 is not installed.
    """
    from ritm_ops.object_store.s3 import keys

    return keys()


def open_store(
    uri: str, *, timeout_seconds: float = 30, total_seconds: float = 120, attempts: int = 4
) -> ObjectStore:
    """Open an object store; nothing is asked of it yet.

    Args:
        uri: `s3://bucket/prefix`, `file:///folder`, or the path of a folder. Endpoint, region and
            credentials of S3 come from the environment as for every tool of AWS: `AWS_ENDPOINT_URL`,
            `AWS_ACCESS_KEY_ID`, ...
        timeout_seconds: longest silence of S3 before an attempt is given up.
        total_seconds: longest time of one call of S3 with all its attempts, and a second more for each MB.
        attempts: how often S3 is asked in all, with growing pauses in between.

    Raises:
        StoreError: not such an address, or boto3 is not installed.
    """
    if uri.startswith("s3://"):
        found = _S3_ADDRESS.fullmatch(uri)
        if found is None:  # not shown: somebody may have put a password into it
            raise StoreError("The address of an S3 store must look like s3://bucket/prefix.")
        from ritm_ops.object_store.s3 import S3Store

        prefix = (found["prefix"] or "").strip("/")
        return S3Store(
            found["bucket"],
            prefix,
            timeout_seconds=timeout_seconds,
            total_seconds=total_seconds,
            attempts=attempts,
        )
    if uri.startswith("file://"):
        parts = urlsplit(uri)
        if parts.netloc not in ("", "localhost") or not parts.path:
            raise StoreError("The address of a folder must look like file:///folder.")
        return FolderStore(Path(unquote(parts.path)), uri)
    if not uri or "://" in uri:
        raise StoreError("An object store is s3://bucket/prefix, file:///folder, or the path of a folder.")
    return FolderStore(Path(uri).expanduser(), uri)
