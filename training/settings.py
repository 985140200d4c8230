"""Every setting of the processes that fine-tune, read once from the environment."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ritm_ops.environment import SettingsError
from ritm_ops.pictures.access import Bucket, PictureAccess
from ritm_ops.pictures.settings import PictureSettings
from ritm_ops.pipelines import NAME
from training.pipelines.fields import PipelineFields


class TrainingSettings(PipelineFields, PictureSettings):
    """Settings of `ritm finetune`, `ritm worker` and `ritm schedule`; nothing changes them once read.

    They are those of a process and of one pipeline. `training.pipelines.file` makes others of them, one for
    each pipeline of a file.
    """

    model_config = SettingsConfigDict(env_prefix="RITM_FINETUNE_")
    renamed: ClassVar[Mapping[str, str]] = {"RITM_FINETUNE_IMAGE_HOSTS": "RITM_ALLOWED_HOSTS"}

    # Where things lie
    redis_url: SecretStr | None = Field(
        default=None,
        validation_alias="RITM_REDIS_URL",
        description="Redis that keeps the jobs, on disk too (`appendonly yes`), such as `redis://redis:6379/0`.",
    )
    pipeline: str | None = Field(
        default=None,
        pattern=NAME,
        description="Name under which jobs wait in Redis; workers take those of their own pipeline only. "
        "Give each team, and each of staging and production, its own where they share a Redis. Of a file of "
        "pipelines, the one that is meant.",
    )
    pipelines: Path | None = Field(
        default=None,
        validation_alias="RITM_PIPELINES",
        description="YAML file of pipelines, in place of the variables that describe a single one.",
    )
    folder: Path = Field(
        default=Path("finetune"),
        description="Folder in which jobs work and go on after an interruption; on a disk that outlives the "
        "worker, shared by all workers if they are to go on with each other's jobs.",
    )
    keep: bool = Field(
        default=False,
        description="Whether jobs that have ended leave photographs, checkpoints and models behind.",
    )

    quota_mb: int | None = Field(
        default=None,
        ge=1,
        description="Most MB of the disk that the folder may take between jobs; of more, what is needed "
        "least is removed. Without it there is no limit.",
    )

    # What a job computes with
    device: str = Field(
        default="auto",
        validation_alias="RITM_DEVICE",
        description="What computes: `auto`, `cpu` or `cuda`.",
    )
    processes: int = Field(
        default=1, ge=1, le=64, description="Processes that learn together, one for each GPU of the machine."
    )

    # Who is told, and when a job is tried again
    notify_url: SecretStr | None = Field(
        default=None,
        validation_alias="RITM_NOTIFY_URL",
        description="Webhook that is notified when a job publishes, leaves a candidate, is no better or "
        "fails, as Slack and Mattermost take it; a secret.",
    )

    pauses: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(60, 300, 900),
        description="Seconds before each new attempt after a failure that may pass, separated by commas.",
    )
    store_seconds: float = Field(
        default=30, gt=0, le=3600, description="Longest silence of S3 before a retry."
    )
    heartbeat_seconds: int = Field(
        default=30, ge=1, description="How often worker and schedule send a heartbeat, in seconds."
    )
    alive: Path | None = Field(
        default=None,
        description="File that worker and schedule renew with each heartbeat, for the health check "
        "`python -m ritm_ops.alive FILE SECONDS`.",
    )

    def access_for(self, source: str) -> PictureAccess:
        """Where the pictures of labels at `source` may come from.

        Of S3, that is what `RITM_ALLOWED_BUCKETS` lists, or else the bucket of the labels.
        """
        access = replace(self.picture_access, store_seconds=self.store_seconds)
        if access.allowed_buckets or not source.startswith("s3://"):
            return access
        return replace(access, allowed_buckets=(Bucket(Bucket.parse(source).name),))

    @property
    def redis(self) -> str:
        """Address of Redis. Raises SettingsError where none is set."""
        if self.redis_url is None:
            raise SettingsError("RITM_REDIS_URL is not set; it names the Redis that keeps the jobs.")
        return self.redis_url.get_secret_value()

    @field_validator("pauses", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("notify_url")
    @classmethod
    def _web_address(cls, value: SecretStr | None) -> SecretStr | None:
        try:
            parts = urlsplit(value.get_secret_value()) if value else None
            known = parts is None or (parts.scheme in ("http", "https") and bool(parts.hostname))
        except ValueError:
            known = False
        if not known:
            raise ValueError("must be the address of a webhook, as https://host/path")
        return value

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        kind = re.sub(r"^cuda:\d+$", "cuda", value)
        if kind not in ("auto", "cpu", "cuda"):
            raise ValueError("should be 'auto', 'cpu' or 'cuda'")
        return kind
