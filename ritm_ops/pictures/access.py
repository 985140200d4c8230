"""Where pictures may be read from, and how much of them."""

from __future__ import annotations

import hashlib
import ipaddress
import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from ritm_ops.network import NetworkAccess

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how large one picture may be.

    Attributes:
        connect_seconds: longest wait for a connection.
        read_seconds: longest silence while an answer is read.
        total_seconds: longest time for one picture, redirects included.
        max_bytes: largest file.
        max_pixels: largest width x height.
    """

    connect_seconds: float = 3
    read_seconds: float = 20
    total_seconds: float = 30
    max_bytes: int = 100 << 20
    max_pixels: int = 120_000_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of S3, or what stands below a prefix in it, as `s3://bucket/prefix` names it."""

    name: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Bucket:
        """Read `s3://bucket/prefix`, or a bucket's name alone. Raises ValueError, with a sentence."""
        name, _, prefix = text.strip().removeprefix("s3://").partition("/")
        if not name or "://" in text.removeprefix("s3://"):
            raise ValueError(f"must list buckets as s3://bucket or s3://bucket/prefix, and {text!r} is none")
        return cls(name, prefix.strip("/"))

    def holds(self, bucket: str, key: str) -> bool:
        """Whether an object lies here; a prefix ends with a whole folder."""
        return bucket == self.name and (not self.prefix or key.startswith(f"{self.prefix}/"))


@dataclass(frozen=True, slots=True)
class PictureAccess:
    """What a reference to a picture may lead to.

    Attributes:
        label_studio_url: address of Label Studio, the only place that the token is sent to.
        label_studio_token: of a user who may see the pictures.
        local_roots: folders in which every picture is looked for first, by its path or its name.
        allowed_hosts: names, lower case, and networks whose addresses may be private.
        store_seconds: longest silence of S3 before a retry.
        local_files_root: folder in which Label Studio's local files are mounted.
        allowed_buckets: what of S3 is read with this process's own credentials; None for all that they open.
            Other objects are had through Label Studio.
        limits: of one picture.
        network: certificates and proxies.
    """

    label_studio_url: str | None = None
    label_studio_token: SecretStr | None = field(default=None, repr=False)
    local_roots: tuple[Path, ...] = ()
    allowed_hosts: Collection[Network | str] = ()
    store_seconds: float = 30
    local_files_root: Path | None = None
    allowed_buckets: tuple[Bucket, ...] | None = ()
    limits: Limits = Limits()
    network: NetworkAccess = field(default_factory=NetworkAccess)

    @property
    def folders(self) -> tuple[Path, ...]:
        """All folders in which pictures lie that are named without an address."""
        return (*self.local_roots, self.local_files_root) if self.local_files_root else self.local_roots

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides which picture a reference leads to, if any; not of the way there."""
        buckets = self.allowed_buckets
        decides = (
            self.label_studio_url,
            self.label_studio_token.get_secret_value() if self.label_studio_token else None,
            [str(folder.absolute()) for folder in self.local_roots],
            str(self.local_files_root.absolute()) if self.local_files_root else None,
            sorted(map(str, self.allowed_hosts)),
            None if buckets is None else sorted((each.name, each.prefix) for each in buckets),
            (self.limits.max_bytes, self.limits.max_pixels),
        )
        return hashlib.sha256(json.dumps(decides).encode()).hexdigest()

    def may_read(self, bucket: str, key: str) -> bool:
        """Whether an object of S3 is read with this process's own credentials."""
        return self.allowed_buckets is None or any(each.holds(bucket, key) for each in self.allowed_buckets)
