"""Storages of a project: where its photographs come from, and where its annotations go."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from pydantic import SecretStr

from ritm_backend.connect.answers import Record, integer
from ritm_backend.connect.changes import Editor
from ritm_backend.connect.config import Finding
from ritm_model.errors import RitmError
from ritm_ops.label_studio.client import LabelStudioError
from ritm_ops.object_store import environment_keys, open_store

Holds = Literal["photographs", "annotations"]

PATHS: dict[Holds, str] = {"photographs": "/api/storages/s3", "annotations": "/api/storages/export/s3"}
TITLES: dict[Holds, str] = {"photographs": "Photographs", "annotations": "Labels"}
PICTURES = r"(?i).*\.(jpe?g|png|webp|tiff?|bmp)$"
ABOUT = "README"  # Label Studio connects a folder only if something is in it; `PICTURES` leaves this out

_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*?))?/*")


class StorageError(RitmError):
    """What was given is no address of a storage."""


@dataclass(frozen=True)
class Access:
    """How Label Studio's server reaches S3. Empty values leave it to the environment of that server."""

    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret_key: SecretStr = field(default_factory=lambda: SecretStr(""))

    @classmethod
    def from_environment(cls, endpoint: str) -> Access:
        """With region and keys as every tool of AWS finds them, but for keys that end by themselves.

        Raises:
            StoreError: boto3 is not installed.
        """
        region, keys = environment_keys()
        if keys is None:
            return cls(endpoint, region)
        return cls(endpoint, region, keys[0], SecretStr(keys[1]))


@dataclass(frozen=True)
class Storage:
    """A folder of a bucket that the project reads its photographs from, or writes its annotations to."""

    holds: Holds
    bucket: str
    prefix: str = ""
    access: Access = Access()

    @classmethod
    def at(cls, address: str, holds: Holds, access: Access) -> Storage:
        """Read an address such as s3://bucket/prefix.

        Raises:
            StorageError: it is none.
        """
        found = _ADDRESS.fullmatch(address)
        if not found:
            raise StorageError(f"Where {holds} lie must look like s3://bucket/folder.")
        return cls(holds, found["bucket"], found["prefix"] or "", access)

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def make_bucket(storage: Storage, *, dry_run: bool) -> Iterator[Finding]:
    """Make the bucket if there is none, and something in the folder, without which it cannot be connected.

    S3 is reached as everywhere, with `AWS_ENDPOINT_URL` and the credentials of the environment.

    Raises:
        StoreError: the server cannot be reached, or refuses it.
    """
    from ritm_ops.object_store.s3 import S3Store  # needs boto3, which the rest does without

    store = open_store(str(storage))
    assert isinstance(store, S3Store)
    if not store.has_bucket():
        yield Finding("ok", f"The bucket {storage.bucket} {'would be' if dry_run else 'is'} made.")
        if dry_run:
            return
        store.make_bucket()
    if storage.holds == "photographs" and not dry_run and next(iter(store.list()), None) is None:
        store.write(ABOUT, b"Photographs to annotate go here.\n")


def connect_storage(editor: Editor, project: int, storage: Storage) -> Iterator[Finding]:
    """Let the project use the storage; one that is there already is brought up to date."""
    path, wanted = PATHS[storage.holds], _wanted(storage)
    same = [
        each
        for each in editor.list(path, project=project)
        if (each.get("bucket"), str(each.get("prefix") or "").strip("/")) == (storage.bucket, storage.prefix)
    ]
    try:
        if not same:
            editor.change("POST", path, {**wanted, "project": project, "title": TITLES[storage.holds]})
            said = editor.said("is connected", "would be connected")
            yield Finding("ok", f"{storage} {said}, for {storage.holds}.")
            return
        changed = sorted(name for name, value in wanted.items() if name in same[0] and same[0][name] != value)
        if not changed:
            yield Finding("ok", f"{storage} is connected already, for {storage.holds}.")
            return
        editor.change("PATCH", f"{path}/{integer(same[0]['id'])}", {**wanted, "project": project})
        said = editor.said("is brought up to date", "would be brought up to date")
        yield Finding("ok", f"{storage}, for {storage.holds}, {said}: {', '.join(changed)}.")
    except LabelStudioError as error:
        if error.status not in (400, 403):
            raise
        yield Finding(
            "problem",
            f"Label Studio does not take {storage}: {error.detail}",
            "Its server has to reach the bucket with the endpoint and the keys that are given here.",
        )


def _wanted(storage: Storage) -> Record:
    access = storage.access
    wanted: Record = {"bucket": storage.bucket, "prefix": storage.prefix}
    if storage.holds == "photographs":
        # Browsers can seldom reach the store, so Label Studio passes photographs on.
        wanted |= {"use_blob_urls": True, "presign": False, "regex_filter": PICTURES}
    given = {
        "s3_endpoint": access.endpoint,
        "region_name": access.region,
        "aws_access_key_id": access.key_id,
        "aws_secret_access_key": access.secret_key.get_secret_value(),
    }
    return wanted | {name: value for name, value in given.items() if value}
