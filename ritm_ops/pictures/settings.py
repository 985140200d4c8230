"""The settings that say where pictures may be read from, the same for every process that reads them."""

from __future__ import annotations

import ipaddress
import os
import re
import warnings
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from ritm_ops.environment import EnvironmentSettings
from ritm_ops.network import NetworkAccess
from ritm_ops.pictures.access import Bucket, Limits, Network, PictureAccess

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_BYTES_PER_MB = 1024 * 1024


class PictureSettings(EnvironmentSettings):
    """Settings of a process that reads the pictures of tasks; every kind of process extends them."""

    # Label Studio
    label_studio_url: str | None = Field(
        default=None,
        validation_alias="LABEL_STUDIO_URL",
        description="Address of Label Studio as this server reaches it; the only place the token is sent to.",
    )
    label_studio_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN"),
        description="Personal access token (or legacy token) of a Label Studio user who may see the images.",
    )

    # Images
    image_max_mb: float = Field(
        default=100, gt=0, validation_alias="RITM_IMAGE_MAX_MB", description="Largest image file in MB."
    )
    image_max_megapixels: float = Field(
        default=120,
        gt=0,
        validation_alias="RITM_IMAGE_MAX_MEGAPIXELS",
        description="Largest image in millions of pixels.",
    )
    fetch_connect_seconds: float = Field(
        default=3,
        gt=0,
        le=3600,
        validation_alias="RITM_FETCH_CONNECT_SECONDS",
        description="Longest wait for a connection to an image's server.",
    )
    fetch_read_seconds: float = Field(
        default=20,
        gt=0,
        le=3600,
        validation_alias="RITM_FETCH_READ_SECONDS",
        description="Longest silence while an image is read.",
    )
    fetch_total_seconds: float = Field(
        default=30,
        gt=0,
        le=3600,
        validation_alias="RITM_FETCH_TOTAL_SECONDS",
        description="Longest time for one image, redirects included.",
    )
    allowed_hosts: Annotated[tuple[Network | str, ...], NoDecode] = Field(
        default=(),
        validation_alias="RITM_ALLOWED_HOSTS",
        description="Host names and networks, separated by commas, that images may come from although their "
        "addresses are private, for example `minio,10.1.0.0/16`. Label Studio itself is always allowed.",
    )
    local_files_root: Path | None = Field(
        default=None,
        validation_alias="RITM_LOCAL_FILES_ROOT",
        description="Folder in which Label Studio's local files are mounted here; they are read from it "
        "directly instead of through Label Studio. Every file below it can be named by a task.",
    )

    images_from: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(),
        validation_alias="RITM_IMAGES_FROM",
        description="Folders, separated by commas, in which every image is looked for by its path or its "
        "name before a server is asked. Every image below them can be named by a task.",
    )
    allowed_buckets: Annotated[tuple[Bucket, ...], NoDecode] = Field(
        default=(),
        validation_alias="RITM_ALLOWED_BUCKETS",
        description="Buckets of S3 and prefixes, separated by commas, such as `s3://images/team`, that are "
        "read with this server's own credentials; other objects are had through Label Studio.",
    )
    ca_file: Path | None = Field(
        default=None,
        validation_alias="RITM_CA_FILE",
        description="File with certificates (PEM) of private authorities that are trusted besides the public "
        "ones and those of `SSL_CERT_FILE` and `REQUESTS_CA_BUNDLE`.",
    )

    @property
    def picture_access(self) -> PictureAccess:
        """Where the pictures of tasks may be read from, and how much of them."""
        return PictureAccess(
            label_studio_url=self.label_studio_url,
            label_studio_token=self.label_studio_api_key,
            local_roots=self.images_from,
            allowed_hosts=self.allowed_hosts,
            local_files_root=self.local_files_root,
            allowed_buckets=self.allowed_buckets,
            limits=Limits(
                connect_seconds=self.fetch_connect_seconds,
                read_seconds=self.fetch_read_seconds,
                total_seconds=self.fetch_total_seconds,
                max_bytes=self.image_max_bytes,
                max_pixels=self.image_max_pixels,
            ),
            network=self.network,
        )

    @property
    def network(self) -> NetworkAccess:
        """Certificates and proxies, those of the environment included. Raises NetworkError."""
        return NetworkAccess.from_environment(
            {**os.environ, **({"RITM_CA_FILE": str(self.ca_file)} if self.ca_file else {})}
        )

    @property
    def image_max_bytes(self) -> int:
        return int(self.image_max_mb * _BYTES_PER_MB)

    @property
    def image_max_pixels(self) -> int:
        return int(self.image_max_megapixels * 1_000_000)

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return hosts_and_networks(value) if isinstance(value, str) else value

    @field_validator("images_from", mode="before")
    @classmethod
    def _split_folders(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Path(part.strip()) for part in value.split(",") if part.strip())
        return value

    @field_validator("images_from")
    @classmethod
    def _existing_folders(cls, value: tuple[Path, ...]) -> tuple[Path, ...]:
        for folder in value:
            if not folder.is_dir():
                raise ValueError(f"must list folders that exist, and {folder} is none")
        return value

    @field_validator("allowed_buckets", mode="before")
    @classmethod
    def _split_buckets(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(Bucket.parse(part) for part in value.split(",") if part.strip())
        return value

    @field_validator("label_studio_url")
    @classmethod
    def _plain_url(cls, value: str | None) -> str | None:
        return None if value is None else _web_address(value)

    @field_validator("label_studio_api_key")
    @classmethod
    def _one_word(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        token = value.get_secret_value().strip()
        # It becomes part of a header: anything else could smuggle in another one.
        if not re.fullmatch(r"[!-~]+", token):
            raise ValueError("must be one word of plain ASCII characters, as Label Studio shows it")
        return SecretStr(token)

    @model_validator(mode="after")
    def _not_its_own_setting(self) -> PictureSettings:
        # Earlier versions took it. Label Studio calls the address so under which people open its pages.
        if self.label_studio_url is None and os.environ.get("LABEL_STUDIO_HOST"):
            warnings.warn(
                "LABEL_STUDIO_HOST is a setting of Label Studio itself and is not read here; "
                "set LABEL_STUDIO_URL to the address at which this process reaches Label Studio.",
                FutureWarning,
                stacklevel=2,
            )
        return self

    @field_validator("local_files_root")
    @classmethod
    def _existing_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("must be a folder that exists")
        return value


def hosts_and_networks(text: str) -> tuple[Network | str, ...]:
    """Host names, lower case, and networks out of a list with commas. Raises ValueError, with a sentence."""
    return tuple(_host_or_network(part.strip().lower()) for part in text.split(",") if part.strip())


def is_host_name(text: str) -> bool:
    """Whether a text, in lower case, can be the name of a host; without a port."""
    return _HOST_NAME.fullmatch(text) is not None


def _host_or_network(text: str) -> Network | str:
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        if is_host_name(text):
            return text
        raise ValueError(f"must list host names and networks, and {text[:80]!r} is neither") from None


def _web_address(text: str) -> str:
    parts = urlsplit(text.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("must hold no user name, password, query or fragment")
    if parts.port == 0:
        raise ValueError("must hold a port between 1 and 65535")
    return parts.geturl().rstrip("/")
