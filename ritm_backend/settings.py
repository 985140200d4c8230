"""Every setting of the backend process, read once from the environment.

The environment is the only source: one class, one description for each variable, one sentence when a value
is wrong. Secrets are `SecretStr`, so neither a log line nor an error can show them by accident.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ritm_ops.pictures.settings import PictureSettings, is_host_name
from ritm_ops.registry import LIVE_PREFIX

EXISTING_SHARE = 4  # one part in so many of the cache is for regions to refine, the rest is the annotators'


class Settings(PictureSettings):
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
    pipelines: Path | None = Field(
        default=None,
        description="YAML file of pipelines. A project that names one in its extra parameters is answered by "
        "the live model of that pipeline, all others by `RITM_MODEL`.",
    )
    pipeline_models: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Models of pipelines that a process holds at most, each loaded when it is first wanted; "
        "of more, the one used longest ago goes.",
    )
    registry_seconds: float = Field(
        default=15, gt=0, le=86_400, description="Seconds between two checks for a newer live version."
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
        description="Predictions that one process works on at the same time; others wait for a place.",
    )
    queue_seconds: float = Field(
        default=60,
        gt=0,
        le=3600,
        description="Longest wait of a request for a place in seconds; keep it below Label Studio's "
        "`ML_TIMEOUT_PREDICT` of 100, since a refused click is not repeated.",
    )
    light_after_seconds: float = Field(
        default=0.3,
        ge=0,
        le=3600,
        description="Wait for the network in seconds after which clicks are answered with less work, without "
        "mirror images and views larger than the first, until they wait less than a quarter of that; 0 for "
        "never.",
    )
    memory_mb: int | None = Field(
        default=None,
        ge=64,
        description="Memory in MB that the server may use, where that is less than its container may: a "
        "quarter is for decoding images, at most half for one of them, a quarter for the cache, and an "
        "eighth each for requests that are read, for what they say, and for masks of large pictures.",
    )
    max_clicks: int = Field(
        default=100,
        ge=1,
        le=1000,
        description="Most clicks on one object; requests with more are refused.",
    )
    public_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Further names, separated by commas, by which browsers and Label Studio reach this "
        "server. Always answered to are addresses, `localhost`, and beyond this machine names of one word "
        "and names that end in `.internal`.",
    )
    request_max_mb: int = Field(
        default=200,
        ge=1,
        description="Largest accepted request in MB; Label Studio sends every annotation of a task.",
    )
    rate_per_minute: int = Field(
        default=6000,
        ge=0,
        description="Requests that one client may make in a minute; 0 for no limit. A client is an address, "
        "and for clicks the task on it: annotators of one Label Studio are told apart.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe messages to log: `DEBUG`, `INFO`, `WARNING` or `ERROR`."
    )
    auth: Literal["auto", "off"] = Field(
        default="auto",
        description="`auto`: a server that listens beyond this machine without a user and password generates "
        "them and prints them at the start. `off`: none, for servers behind something that asks itself.",
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
        default=2048,
        ge=1,
        description="Memory in MB for decoded images and masks of recent clicks, of all processes together "
        "(a quarter of it for regions that are refined); models of pipelines have equal shares of it.",
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
        description="Redis through which servers share what was clicked, and what projects ask for, as "
        "`redis://:password@host:6379/0`; without it each server knows its own clicks and replays those of "
        "others.",
    )

    projects_folder: Path | None = Field(
        default=None,
        description="Folder that keeps what Label Studio has told of projects (their extra parameters), in "
        "the place of `SESSION_STORE`. Servers behind one proxy must share one of the two; without, a "
        "restart forgets it until somebody opens the project.",
    )

    # The demo
    demo_image: Path | None = Field(
        default=None, description="Picture that the browser demo opens with; `ritm demo` sets it."
    )

    # Learning from labels
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis that keeps fine-tuning jobs, as `redis://:password@host:6379/0`; without it there "
        "are none.",
    )
    finetune_pipeline: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$",
        description="Name under which jobs wait in Redis, the same as that of the workers that take them.",
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

    @property
    def live_model(self) -> str | None:
        """The name of the model whose live version is served, if it is one of the registry."""
        return self.model.removeprefix(LIVE_PREFIX) if self.model.startswith(LIVE_PREFIX) else None

    @property
    def longest_wait(self) -> float | None:
        """Seconds that clicks wait before they are answered with less work; None where they never are."""
        return (self.light_after_seconds or None) if self.profile == "serving" else None

    @property
    def annotator_bytes(self) -> int:
        """Memory of one model for images and masks, beside what regions that are refined may take."""
        models = 1 + (self.pipeline_models if self.pipelines else 0)
        return self.cache_mb * 2**20 * (EXISTING_SHARE - 1) // EXISTING_SHARE // models

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

    @field_validator("public_hosts", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        names = tuple(part.strip().lower() for part in value.split(",") if part.strip())
        for name in names:
            if not is_host_name(name):
                raise ValueError(f"must list host names without ports, and {name[:80]!r} is none")
        return names

    @field_validator("demo_image")
    @classmethod
    def _existing_file(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError("must be a file that exists")
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
