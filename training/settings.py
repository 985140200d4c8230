"""Every setting of the processes that fine-tune, read once from the environment."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ritm_ops.environment import SettingsError
from ritm_ops.pictures.access import Bucket, PictureAccess
from ritm_ops.pictures.settings import PictureSettings
from training.whose import Whose, WhoseError


class TrainingSettings(PictureSettings):
    """Settings of `ritm finetune`, `ritm worker` and `ritm schedule`; nothing changes them once read."""

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
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$",
        description="Name under which jobs wait in Redis; workers take those of their own pipeline only. "
        "Give each team, and each of staging and production, its own where they share a Redis.",
    )
    registry: str | None = Field(
        default=None,
        validation_alias="RITM_REGISTRY",
        description="Where model versions lie: `s3://bucket/prefix` or a folder.",
    )
    name: str = Field(
        default="ritm",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$",
        description="Name of the model in the registry, whose versions follow each other.",
    )
    source: str | None = Field(
        default=None,
        description="Where the team's labels lie: `s3://bucket/prefix`, a folder or an export's file.",
    )
    whose: str = Field(
        default="newest",
        description="Whose annotation of a task counts: `newest`, `ground_truth`, `reviewed`, `union`, or "
        "users (ids, e-mail addresses or names, separated by commas).",
    )
    labeling_config: Path | None = Field(
        default=None,
        description="XML file of the labeling configuration, for tasks with several pictures whose tags are "
        "not called like the tasks' data.",
    )
    boxes: bool = Field(default=False, description="Whether rectangles are learnt from as masks.")
    predictions: bool = Field(
        default=False, description="Whether predictions are learnt from, of tasks that nobody has annotated."
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
    replay: str | None = Field(
        default=None,
        description="Folder with data that the base was trained on, a share of which is learnt again so that "
        "nothing is forgotten; a pack or the COCO-RLE layout.",
    )

    # How a job learns
    base: str = Field(
        default="bundled",
        description="Model to go on from while the registry has no live version.",
    )
    recipe: str = Field(default="finetune", description="Recipe to learn by, a name or a YAML file.")
    changes: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Changes of the recipe, separated by semicolons, such as `epochs=10;batch_size=4`.",
    )
    replay_share: float = Field(
        default=0.3, gt=0, lt=1, description="Share of what is learnt that comes from the replayed data."
    )
    device: str = Field(
        default="auto",
        validation_alias="RITM_DEVICE",
        description="What computes: `auto`, `cpu` or `cuda`.",
    )
    processes: int = Field(
        default=1, ge=1, le=64, description="Processes that learn together, one for each GPU of the machine."
    )

    # How a job decides
    held_out: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Share of the images that are never learnt from, only measured on.",
    )
    objects: int = Field(
        default=300, ge=1, description="Objects of the held-out images that are measured, at most."
    )
    least_objects: int = Field(
        default=10, ge=1, description="With fewer held-out objects than this a job ends without learning."
    )
    margin: float = Field(
        default=0.0,
        ge=-20,
        le=20,
        description="Clicks per object (NoC@90) by which a model must be better, with 95 % confidence, to be "
        "published; below 0, by which it may be worse.",
    )

    publishing: Literal["automatic", "approve"] = Field(
        default="automatic",
        description="What happens to a better model: `automatic` makes it live, `approve` leaves it as a "
        "candidate until somebody approves or rejects it.",
    )

    notify_url: SecretStr | None = Field(
        default=None,
        validation_alias="RITM_NOTIFY_URL",
        description="Webhook that is told when a job publishes, leaves a candidate, is no better or fails, "
        "as Slack and Mattermost take it; a secret.",
    )

    # When
    schedule: str | None = Field(
        default=None,
        description="When `ritm schedule` asks for a job, as five cron fields in local time, such as "
        "`0 2 * * *`.",
    )
    pauses: Annotated[tuple[int, ...], NoDecode] = Field(
        default=(60, 300, 900),
        description="Seconds before each new attempt after a failure that may pass, separated by commas.",
    )
    store_seconds: float = Field(
        default=30, gt=0, le=3600, description="Longest silence of S3 before a retry."
    )
    heartbeat_seconds: int = Field(
        default=30, ge=1, description="How often a worker says that it is alive, in seconds."
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

    @property
    def registry_uri(self) -> str:
        """Where model versions lie. Raises SettingsError where nobody has said it."""
        if self.registry is None:
            raise SettingsError("RITM_REGISTRY is not set; it says where model versions lie.")
        return self.registry

    @property
    def source_uri(self) -> str:
        """Where the labels lie. Raises SettingsError where nobody has said it."""
        if self.source is None:
            raise SettingsError(
                "RITM_FINETUNE_SOURCE is not set; it says where the labels lie, such as s3://bucket/prefix."
            )
        return self.source

    @field_validator("changes", mode="before")
    @classmethod
    def _split_changes(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(";") if part.strip())
        return value

    @field_validator("pauses", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("whose")
    @classmethod
    def _known_whose(cls, value: str) -> str:
        try:
            Whose.parse(value)
        except WhoseError as error:
            raise ValueError(str(error)) from None
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

    @field_validator("schedule")
    @classmethod
    def _five_fields(cls, value: str | None) -> str | None:
        if value is not None and len(value.split()) != 5:
            raise ValueError("must have the five fields of cron, such as 0 2 * * *")
        return value
