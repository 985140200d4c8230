"""What a recipe may say. Unknown names are errors; defaults are the paper's."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from ritm_model.learning.augment import Augmentation
from ritm_model.learning.optimiser import OptimiserName
from ritm_model.learning.sampling import ClickSampler

Chance = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
LossName = Literal["normalized_focal", "focal", "cross_entropy", "soft_iou"]


class Part(BaseModel):
    """A part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelPart(Part):
    """Which network is learnt.

    `weights` is a model to start from ("bundled", a name or a path), whose network it then is. Without it,
    weights are drawn anew, and `pretrained` is a file of ImageNet weights for the backbone. `click_scale` is
    what click features are multiplied with at first (None: small for pretrained backbones, else 1).
    """

    family: str = ""
    params: dict[str, JsonValue] = {}
    weights: str | None = None
    pretrained: str | None = None
    click_scale: Positive | None = None

    @model_validator(mode="after")
    def _has_one_beginning(self) -> ModelPart:
        if not (self.family or self.weights):
            raise ValueError("model.family or model.weights must say which network is learnt")
        if self.pretrained and self.weights:
            raise ValueError("model.pretrained is for new networks, and model.weights is a model already")
        return self


class DataPart(Part):
    """What is learnt from: a pack (see `ritm_model.learning.pack`).

    `licence_classes` None takes all; `source_weights` are chances of the sources, "other" for all that are
    not named; `min_object_share` is of the photograph, `min_area` in pixels after augmentation.
    """

    folder: str = ""
    licence_classes: tuple[str, ...] | None = None
    source_weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    validation_share: Chance = 0.1
    min_object_share: Chance = 0.0
    min_area: Count = 1000
    keep_background: Chance = 0.05
    crop: tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]] = (320, 480)
    augmentation: Augmentation = "coco"
    paste_chance: Chance = 0.0
    workers: Annotated[int, Field(ge=0)] = 0


class ClicksPart(Part):
    """The simulated user: clicks sampled beforehand, and up to `corrective` ones after looking.

    All but `corrective` are the attributes of `ClickSampler`, which says what they mean.
    """

    corrective: Annotated[int, Field(ge=0, le=24)] = 3
    max_points: Count = 24
    gamma: Chance = 0.8
    merge_chance: Chance = 0.15
    max_merged: Annotated[int, Field(ge=2)] = 2
    erode_chance: Chance = 0.9
    erode_steps: Count = 3
    border_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    anywhere: Chance = 0.1
    others: Chance = 0.4
    border: Chance = 0.5
    centre_first: bool = False
    centre_share: Annotated[float, Field(gt=1)] = 1.7
    hierarchy: bool = False

    def sampler(self) -> ClickSampler:
        """What draws the clicks that are sampled beforehand."""
        return ClickSampler(**self.model_dump(exclude={"corrective"}))


class LossPart(Part):
    """Losses and weights; the auxiliary one is cross entropy."""

    instance: LossName = "normalized_focal"
    instance_weight: Positive = 1.0
    auxiliary_weight: Annotated[float, Field(ge=0)] = 0.4


class OptimiserPart(Part):
    """How weights follow gradients.

    `milestones` are the epochs after which "milestones" multiplies the rate with `gamma`; "cosine" rises over
    `warmup` steps and falls to `floor` times the rate. `clip_norm` bounds the norm of the gradient, `average`
    is the inertia of a moving mean of the weights, which then is what is validated and saved.
    """

    name: OptimiserName = "adam"
    learning_rate: Positive = 5e-4
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["milestones", "cosine"] = "milestones"
    milestones: tuple[Count, ...] = ()
    gamma: Chance = 0.1
    warmup: Annotated[int, Field(ge=0)] = 0
    floor: Chance = 0.01
    clip_norm: Positive | None = None
    average: Annotated[float, Field(gt=0, lt=1)] | None = None


class ValidationPart(Part):
    """After every epoch: IoU after 1 to `clicks` simulated clicks on `objects` objects not trained on."""

    objects: Count = 100
    clicks: Count = 5


class Recipe(Part):
    """A training run.

    An epoch is `epoch_samples` samples, the last incomplete batch dropped. `checkpoint_steps` is how many
    steps may be lost when the machine dies, `log_steps` how many one line of the log covers.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_\-]+$")]
    about: str = ""
    model: ModelPart
    data: DataPart = DataPart()
    clicks: ClicksPart = ClicksPart()
    loss: LossPart = LossPart()
    optimiser: OptimiserPart = OptimiserPart()
    validation: ValidationPart = ValidationPart()
    batch_size: Count = 28
    epochs: Count = 230
    epoch_samples: Count = 30000
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    channels_last: bool = False
    checkpoint_steps: Count = 200
    log_steps: Count = 20

    @model_validator(mode="after")
    def _has_steps(self) -> Recipe:
        if self.epoch_samples < self.batch_size:
            raise ValueError("epoch_samples must be at least batch_size")
        return self

    @property
    def epoch_steps(self) -> int:
        return self.epoch_samples // self.batch_size

    @property
    def steps(self) -> int:
        return self.epochs * self.epoch_steps
