"""Where pictures may be read from, and how much of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

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
class PictureAccess:
    """What a reference to a picture may lead to.

    Attributes:
        label_studio_url: address of Label Studio, the only place that the token is sent to.
        label_studio_token: of a user who may see the pictures.
        local_files_root: folder in which Label Studio's local files are mounted.
        allowed_hosts: names, lower case, and networks whose addresses may be private.
        limits: of one picture.
    """

    label_studio_url: str | None = None
    label_studio_token: SecretStr | None = field(default=None, repr=False)
    local_files_root: Path | None = None
    allowed_hosts: tuple[Network | str, ...] = ()
    limits: Limits = Limits()
