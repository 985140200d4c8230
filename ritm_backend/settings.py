"""Every setting of the backend process, read once from the environment.

The environment is the only source: one class, one description for each variable, one sentence when a value
is wrong. Secrets are `SecretStr`, so neither a log line nor an error can show them by accident.
"""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ritm_ops.environment import EnvironmentSettings
from ritm_ops.registry import LIVE_PREFIX

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HOST_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_BYTES_PER_MB = 1024 * 1024


class Settings(EnvironmentSettings):
    """The backend's settings; `Settings.from_environment()` reads them, nothing changes them afterwards."""

    model_config = SettingsConfigDict(env_prefix="RITM_")

    # The model
    model: str = Field(
        default="bundled",
        description="Model to serve: `bundled`, the name of a pulled model, a path to a checkpoint, or "
        "`registry:NAME` for the live version of a registry, whichever it is from moment to moment.",
    )
    registry: str | None = Field(
        default=None,
        description="Where versions of models lie, for `registry:NAME`: `s3://bucket/prefix` or a folder.",
    )
    registry_seconds: float = Field(
        default=15, gt=0, le=86_400, description="Seconds between two looks for a newer live version."
    )
    device: str = Field(
        default="auto",
        description="Where the network runs: `auto`, `cpu`, `cuda`, `cuda:N` or `mps`.",
    )
    engine: Literal["auto", "torch", "compile", "openvino"] = Field(
        default="auto",
        description="What runs the network: `torch`, `compile` (torch.compile, minutes to start), `openvino` "
        "(CPU only), or `auto`, which measures torch and openvino at the start and takes the quicker.",
    )
    profile: Literal["serving", "paper"] = Field(
        default="serving",
        description="Predictor settings: `serving` (fast) or `paper` (those of the published evaluation).",
    )
    min_region_pixels: int = Field(
        default=16,
        ge=0,
        description="Specks of a mask smaller than this many pixels are removed; 0 keeps everything.",
    )

    # The server
    host: str = Field(default="127.0.0.1", description="Address to listen on; `0.0.0.0` for every interface.")
    port: int = Field(default=9090, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    threads: int = Field(
        default=16,
        ge=1,
        le=256,
        description="Predictions taken at the same time by one process; more are told to come back.",
    )
    request_max_mb: int = Field(
        default=200,
        ge=1,
        description="Largest accepted request in MB; Label Studio sends every annotation of a task.",
    )
    rate_per_minute: int = Field(
        default=6000,
        ge=0,
        description="Requests that one address may make in a minute; 0 for no limit. All annotators of a "
        "Label Studio share its server's address.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe messages to log: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    auth: Literal["auto", "off"] = Field(
        default="auto",
        description="`auto`: whoever listens beyond this machine without a user and password gets generated "
        "ones, printed at the start. `off`: none, for servers behind something that asks itself.",
    )
    basic_auth_user: str | None = Field(
        default=None,
        validation_alias="BASIC_AUTH_USER",
        description="User name that requests must give; set together with `BASIC_AUTH_PASS`.",
    )
    basic_auth_pass: SecretStr | None = Field(
        default=None,
        validation_alias="BASIC_AUTH_PASS",
        description="Password that requests must give; set together with `BASIC_AUTH_USER`.",
    )

    # Sessions
    cache_mb: int = Field(
        default=1024,
        ge=1,
        description="Memory in MB for decoded images and masks of recent clicks "
        "(a quarter of it for regions that are refined).",
    )
    session_ttl_seconds: float = Field(
        default=1800,
        gt=0,
        le=604_800,
        description="Seconds after which an image or mask that nobody used is forgotten.",
    )
    session_store: SecretStr | None = Field(
        default=None,
        validation_alias="SESSION_STORE",
        description="Redis through which servers share what was clicked, as `redis://:password@host:6379/0`; "
        "without it each server knows its own clicks and replays those of others.",
    )

    # The demo
    demo_image: Path | None = Field(
        default=None, description="Picture that the browser demo opens with; `ritm demo` sets it."
    )

    # Label Studio
    label_studio_url: str | None = Field(
        default=None,
        validation_alias=AliasChoices("LABEL_STUDIO_URL", "LABEL_STUDIO_HOST"),
        description="Address of Label Studio as this server reaches it; the only place the token is sent to.",
    )
    label_studio_api_key: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN"),
        description="Personal access token (or legacy token) of a Label Studio user who may see the images.",
    )

    # Learning from labels
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis that keeps fine-tuning jobs, as `redis://:password@host:6379/0`; without it there "
        "are none.",
    )
    finetune_source: str | None = Field(
        default=None,
        description="Where the labels lie that jobs learn from: `s3://bucket/prefix`, or a folder as workers "
        "see it.",
    )
    finetune_after: int = Field(
        default=0,
        ge=0,
        description="New annotations after which a job is asked for; 0 to leave it to people and schedules.",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        description="What Label Studio's webhook must send as the header `X-RITM-Secret` for its events to "
        "count; beside a password it is the only way, since events come without one.",
    )

    # Images
    image_max_mb: float = Field(default=100, gt=0, description="Largest image file in MB.")
    image_max_megapixels: float = Field(default=120, gt=0, description="Largest image in millions of pixels.")
    fetch_connect_seconds: float = Field(
        default=3, gt=0, le=3600, description="Longest wait for a connection to an image's server."
    )
    fetch_read_seconds: float = Field(
        default=20, gt=0, le=3600, description="Longest silence while an image is read."
    )
    fetch_total_seconds: float = Field(
        default=30, gt=0, le=3600, description="Longest time for one image, redirects included."
    )
    allowed_hosts: Annotated[tuple[Network | str, ...], NoDecode] = Field(
        default=(),
        description="Host names and networks, separated by commas, that images may come from although their "
        "addresses are private, for example `minio,10.1.0.0/16`. Label Studio itself is always allowed.",
    )
    local_files_root: Path | None = Field(
        default=None,
        description="Folder in which Label Studio's local files are mounted here; they are read from it "
        "directly instead of through Label Studio. Every file below it can be named by a task.",
    )

    @property
    def live_model(self) -> str | None:
        """The name of the model whose live version is served, if it is one of the registry."""
        return self.model.removeprefix(LIVE_PREFIX) if self.model.startswith(LIVE_PREFIX) else None

    @property
    def image_max_bytes(self) -> int:
        return int(self.image_max_mb * _BYTES_PER_MB)

    @property
    def image_max_pixels(self) -> int:
        return int(self.image_max_megapixels * 1_000_000)

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", value):
            raise ValueError("should be 'auto', 'cpu', 'cuda', 'cuda:N' or 'mps'")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: object) -> object:
        return (
            tuple(_host_or_network(part) for part in value.split(",") if part.strip())
            if isinstance(value, str)
            else value
        )

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

    @field_validator("demo_image")
    @classmethod
    def _existing_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("must be a file that exists")
        return value

    @field_validator("local_files_root")
    @classmethod
    def _existing_folder(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_dir():
            raise ValueError("must be a folder that exists")
        return value

    @model_validator(mode="after")
    def _registry_is_named(self) -> "Settings":
        if self.live_model is not None and self.registry is None:
            raise ValueError("RITM_REGISTRY must be set where RITM_MODEL names a model of the registry")
        return self

    @model_validator(mode="after")
    def _both_or_none(self) -> "Settings":
        if (self.basic_auth_user is None) != (self.basic_auth_pass is None):
            raise ValueError("BASIC_AUTH_USER and BASIC_AUTH_PASS must be set together")
        return self


def _host_or_network(text: str) -> Network | str:
    text = text.strip().lower()
    try:
        return ipaddress.ip_network(text.strip("[]"), strict=False)
    except ValueError:
        if _HOST_NAME.fullmatch(text):
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
