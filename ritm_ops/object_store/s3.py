"""An S3 bucket, or what stands below a prefix in it, as an object store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from ritm_model.files import reading
from ritm_ops.deadline import Deadline
from ritm_ops.network import NetworkAccess
from ritm_ops.object_store.conditions import check_conditions
from ritm_ops.object_store.store import (
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

try:
    import botocore.session
    from boto3.session import Session
    from botocore import exceptions as boto
    from botocore.config import Config
    from botocore.utils import parse_timestamp

    from ritm_ops.object_store.timed import LateError, set_up, within
except ImportError:
    raise StoreError(
        "Object stores at s3:// need boto3, which is not installed; run `pip install 'ritm[s3]'`."
    ) from None

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from types_boto3_s3.literals import BucketLocationConstraintType

_CHUNK = 1 << 20
_CONNECT_SECONDS = 5
_SLOWEST = 1 << 20  # bytes in a second

T = TypeVar("T")


class _BrokenBodyError(Exception):
    """An answer that began well did not come to its end."""


class S3Store:
    """Speaks to S3 through one client, which is thread-safe.

    boto3 asks again when the server cannot be reached or fails (500, 503, too many requests); an answer that
    breaks off in its middle is asked for again here. Its length is checked, and its checksum if it has one.
    All attempts of a call together have `total_seconds`, and a second more for each MB that it moves.
    """

    def __init__(
        self, bucket: str, prefix: str, *, timeout_seconds: float, total_seconds: float, attempts: int
    ) -> None:
        self._bucket = bucket
        self._total_seconds = total_seconds
        self._prefix = f"{prefix}/" if prefix else ""
        self._attempts = attempts
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")
        config = Config(
            connect_timeout=min(_CONNECT_SECONDS, timeout_seconds),
            read_timeout=timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": attempts},
            request_checksum_calculation="when_required",  # servers other than Amazon's may not know others
        )
        authorities = NetworkAccess.from_environment().bundle() if "AWS_CA_BUNDLE" not in os.environ else None
        with self._asking("the bucket"):
            verify = str(authorities) if authorities else None
            session = Session(botocore_session=_session())
            self._client = session.client("s3", config=config, verify=verify)
        set_up(self._client, timeout_seconds)

    def read(self, key: str) -> bytes:
        return self.read_tagged(key)[0]

    def read_tagged(self, key: str, *, most_bytes: int | None = None) -> tuple[bytes, str]:
        def take(body: StreamingBody) -> bytes:
            data = bytearray()
            for chunk in _chunks(body):
                data += chunk
                if most_bytes is not None and len(data) > most_bytes:
                    raise ObjectTooLargeError(f"{key} in {self.uri} has more than {most_bytes:,} bytes.")
            return bytes(data)

        return self._get(key, take, most_bytes)

    def download(self, key: str, path: Path) -> None:
        def save(body: StreamingBody) -> None:
            with stored_file(path) as file:
                for chunk in _chunks(body):
                    file.write(chunk)

        self._get(key, save)

    def write(self, key: str, data: bytes | Path) -> None:
        name = self._name(key)
        size = len(data) if isinstance(data, bytes) else _size(data)
        with self._asking(key, self._deadline(size)):
            if isinstance(data, bytes):
                self._client.put_object(Bucket=self._bucket, Key=name, Body=data)
            else:
                with given_file(data) as file:
                    self._client.put_object(Bucket=self._bucket, Key=name, Body=file)

    def write_if(self, key: str, data: bytes, etag: str | None) -> str:
        name = self._name(key)
        try:
            with self._asking(key):
                if etag is None:
                    answer = self._client.put_object(
                        Bucket=self._bucket, Key=name, Body=data, IfNoneMatch="*"
                    )
                else:
                    answer = self._client.put_object(Bucket=self._bucket, Key=name, Body=data, IfMatch=etag)
                return answer["ETag"]
        except (ConflictError, ObjectMissingError):
            conflict = ConflictError(f"{key} in {self.uri} was changed by somebody else in the meantime.")
        # boto3 asks again when an answer is lost, and then meets what it wrote itself.
        try:
            current, current_etag = self.read_tagged(key)
        except ObjectMissingError:
            raise conflict from None
        if current != data:
            raise conflict
        return current_etag

    def check_conditions(self) -> None:
        check_conditions(self.uri, self.write_if)

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        coming = iter(pages)
        while True:
            with self._asking("the bucket"):  # each page has its own time
                page = next(coming, None)
            if page is None:
                return
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self._prefix)
                if _is_key(key):
                    yield ObjectInfo(key, entry["Size"], entry["ETag"])

    def exists(self, key: str) -> bool:
        name = self._name(key)
        try:
            with self._asking(key):
                self._client.head_object(Bucket=self._bucket, Key=name)
        except ObjectMissingError:
            return False
        return True

    def has_bucket(self) -> bool:
        """Whether the bucket is there."""
        try:
            with self._asking("the bucket"):
                self._client.head_bucket(Bucket=self._bucket)
        except ObjectMissingError:
            return False
        return True

    def make_bucket(self) -> None:
        """Make the bucket, in the region of the environment.

        Raises:
            StoreError: also where it is there already.
        """
        region = self._client.meta.region_name
        with self._asking("the bucket"):
            if region == "us-east-1":  # the one region whose name S3 does not take here
                self._client.create_bucket(Bucket=self._bucket)
            else:
                where = cast("BucketLocationConstraintType", region)
                self._client.create_bucket(
                    Bucket=self._bucket, CreateBucketConfiguration={"LocationConstraint": where}
                )

    def _name(self, key: str) -> str:
        return self._prefix + (key if _is_key(key) else checked_key(key))

    def _deadline(self, size: int = 0) -> Deadline:
        """The last moment of a call that begins now and moves so many bytes."""
        return Deadline.after(self._total_seconds + size / _SLOWEST)

    def _get(
        self, key: str, take: Callable[[StreamingBody], T], most_bytes: int | None = None
    ) -> tuple[T, str]:
        """What `take` makes of an object's bytes, and the object's tag."""
        name = self._name(key)
        deadline = self._deadline()
        for attempt in range(self._attempts):
            if attempt:
                time.sleep(min(2.0, 0.1 * 2**attempt))
            with self._asking(key, deadline):
                answer = self._client.get_object(Bucket=self._bucket, Key=name)
                size = min(answer["ContentLength"], most_bytes or answer["ContentLength"])
                try:
                    with within(deadline.later(size / _SLOWEST)), closing(answer["Body"]) as body:
                        return take(body), answer["ETag"]
                except _BrokenBodyError:
                    continue
        raise StoreError(f"{key} in {self.uri} cannot be read: the answer breaks off before its end.")

    @contextmanager
    def _asking(self, what: str, deadline: Deadline | None = None) -> Iterator[None]:
        """Turn what boto3 raises into one sentence, without addresses and credentials in it."""
        where = f"{what} in {self.uri}" if what != "the bucket" else self.uri
        deadline = deadline or self._deadline()
        late = StoreError(f"{where}: the object store does not answer in time.")
        try:
            with within(deadline):
                yield
        except boto.ClientError as error:
            raise _refusal(error, where) from None
        except (boto.NoCredentialsError, boto.PartialCredentialsError):
            raise StoreError(
                f"There are no credentials for {self.uri}; "
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what else boto3 reads."
            ) from None
        except (boto.ConnectTimeoutError, boto.ReadTimeoutError, LateError):
            raise late from None
        except boto.SSLError:
            raise StoreError(f"{where}: the certificate of the object store is not trusted.") from None
        except (boto.HTTPClientError, boto.ConnectionError):
            if deadline.has_passed:
                raise late from None
            raise StoreError(f"{where}: there is no connection to the object store.") from None
        except (boto.BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no address
            raise StoreError(
                f"{where}: the object store cannot be used as AWS is set up here ({type(error).__name__})."
            ) from None


def keys() -> tuple[str, tuple[str, str] | None]:
    """See `environment_keys`."""
    session = Session()
    found = session.get_credentials()
    frozen = found.get_frozen_credentials() if found else None
    if frozen is None or frozen.token or not (frozen.access_key and frozen.secret_key):
        return session.region_name or "", None
    return session.region_name or "", (frozen.access_key, frozen.secret_key)


def _session() -> botocore.session.Session:
    """One that reads times quickly: botocore's way, for their many forms, is half the work of a listing."""
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    return session


def _time(value: str) -> datetime:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):  # seconds, or another form
        return parse_timestamp(value)


def _is_key(key: str) -> bool:
    """Empty parts may be, since Label Studio makes them; at the end, they are the folders of consoles."""
    return key[-1:] not in ("", "/") and all(is_key(part) for part in key.split("/") if part)


def _size(path: Path) -> int:
    with reading(path, StoreError):
        return path.stat().st_size


def _refusal(error: boto.ClientError, where: str) -> StoreError:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return StoreError(f"{where}: there is no such bucket.")
    if status == 404:
        return ObjectMissingError(f"There is no {where}.")
    if code in ("PreconditionFailed", "ConditionalRequestConflict"):
        return ConflictError(f"{where} was changed by somebody else in the meantime.")
    if status in (401, 403):
        return StoreError(f"{where}: the object store refuses access (status {status}).")
    if status >= 500:
        return StoreError(f"{where}: the object store fails (status {status}).")
    return StoreError(f"{where}: the object store refuses the request (status {status}).")


def _chunks(body: StreamingBody) -> Iterator[bytes]:
    """The bytes of an answer; botocore compares their number and checksum with what was announced."""
    try:
        yield from body.iter_chunks(_CHUNK)
    except (
        boto.IncompleteReadError,
        boto.FlexibleChecksumError,
        boto.ReadTimeoutError,
        boto.ResponseStreamingError,
    ):
        raise _BrokenBodyError from None
