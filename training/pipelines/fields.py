"""What a pipeline is: the labels it learns from, how it learns and decides, and the model it publishes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, Field, field_validator
from pydantic_settings import NoDecode

from ritm_ops.environment import SettingsError
from ritm_ops.pipelines import NAME
from training.next.names import OrderName
from training.whose import Whose, WhoseError

Publishing: TypeAlias = Literal["automatic", "approve", "shadow", "canary"]


class PipelineFields(BaseModel):
    """One pipeline: keys in a file of pipelines; where there is none, variables of the environment."""

    # Where labels and models lie
    registry: str | None = Field(
        default=None,
        validation_alias="RITM_REGISTRY",
        description="Where model versions lie: `s3://bucket/prefix` or a folder.",
    )
    model: str = Field(
        default="ritm",
        validation_alias="RITM_FINETUNE_NAME",
        pattern=NAME,
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

    publishing: Publishing = Field(
        default="automatic",
        description="What happens to a better model: `automatic` makes it live, `approve` leaves it as a "
        "candidate until somebody approves or rejects it, `shadow` measures the candidate unseen until then, "
        "`canary` tries it on some of the objects and then makes it live or rejects it.",
    )
    trial_share: float = Field(
        default=0.2,
        gt=0,
        le=1,
        description="Share of the objects that a candidate is tried on, in the shadow or as a canary.",
    )
    trial_objects: int = Field(
        default=200,
        ge=30,
        description="Accepted objects of the candidate after which its trial ends.",
    )
    filmstrips: int = Field(
        default=6,
        ge=0,
        le=24,
        description="Held-out objects of a candidate that are drawn click by click for whoever decides, and "
        "lie in the registry; 0 for none.",
    )
    schedule: str | None = Field(
        default=None,
        description="When `ritm schedule` asks for a job, as five cron fields in local time, such as "
        "`0 2 * * *`.",
    )

    # What to label next
    project: int | None = Field(
        default=None,
        ge=1,
        description="Number of the Label Studio project whose unlabelled tasks `ritm next` puts in order.",
    )
    next_by: OrderName = Field(
        default="random",
        description="What `ritm next` orders by: `random`, `coverage`, `distance`, `mirror`, `shift` or "
        "`sizes`.",
    )
    next_count: int = Field(default=200, ge=1, le=10_000, description="Tasks that get a place, at most.")
    next_frames: bool = Field(
        default=False,
        description="Whether tasks of sequences begin with what was drawn on the frame before, moved by "
        "optical flow.",
    )
    next_schedule: str | None = Field(
        default=None,
        description="When `ritm schedule` has the places written anew, as five cron fields in local time.",
    )

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

    @field_validator("whose")
    @classmethod
    def _known_whose(cls, value: str) -> str:
        try:
            Whose.parse(value)
        except WhoseError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("schedule", "next_schedule")
    @classmethod
    def _five_fields(cls, value: str | None) -> str | None:
        if value is not None and len(value.split()) != 5:
            raise ValueError("must have the five fields of cron, such as 0 2 * * *")
        return value
