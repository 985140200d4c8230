"""What a recipe may say. Unknown names are errors; defaults are the paper's.

The text below each value is what `ritm recipes NAME` explains it with.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, JsonValue, model_validator

from ritm_model.learning.sampling import ClickSampler
from ritm_model.learning.step.optimiser import OptimiserName
from ritm_model.learning.step.precision import PrecisionName
from ritm_model.networks import family_named
from ritm_model.networks.config import from_params
from ritm_model.values import Value

Chance = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Side = Annotated[int, Field(ge=16)]
Augmentation = Literal["coco", "sbd", "strong", "validation"]
LossName = Literal["normalized_focal", "focal", "cross_entropy", "soft_iou"]

OWN = "own"


class RecipePart(Value):
    """A part of a recipe."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class ModelPart(RecipePart):
    """Which network is learnt, and from which weights on."""

    family: str = ""
    """Kind of network: hrnet, deeplab, mobile, lite, or one that is registered. Nothing for that of
    `weights`."""
    params: dict[str, JsonValue] = Field(default_factory=dict)
    """What the network is built with."""
    weights: str | None = None
    """A model to go on with: "bundled", a name that `ritm models` lists, or a path. Its network is taken."""
    pretrained: str | None = None
    """For a new network: ImageNet weights for the backbone, a file or the name of an installed package of
    them, such as efficientnet-lite0."""
    click_scale: Positive | None = None
    """What the features of the clicks are multiplied with at first. Left out, it is 0.05 with `pretrained`,
    so that the backbone is hardly disturbed, and else 1, so that clicks are heard at once."""

    @model_validator(mode="after")
    def _has_one_beginning(self) -> ModelPart:
        if not (self.family or self.weights):
            raise ValueError("model.family or model.weights must say which network is learnt")
        if self.pretrained and self.weights:
            raise ValueError("model.pretrained is for new networks, and model.weights is a model already")
        if self.family:
            try:
                from_params(family_named(self.family).config, self.params)
            except ValueError as error:
                raise ValueError(str(error).removesuffix(".")) from None
        return self


class SourcePart(RecipePart):
    """One of the data sets to learn from."""

    data: str = OWN
    """Which: "own" is the folder given with --data, other names are those of `ritm datasets`, with a split
    as NAME:SPLIT."""
    share: Positive | None = None
    """How often it is drawn from, over the sum of all shares. Left out of all, every photograph of every
    source is drawn equally often."""
    stuff_prob: Chance = 0.0
    """How often sky, road and the like of a photograph count as objects."""
    scores: str = ""
    """A file (.json, or the paper's pickle) of [number, photograph, score], for drawing badly segmented ones
    more often. Without it all are drawn equally often."""
    scores_gamma: Weight = 1.0
    """A photograph is drawn in proportion to (1 - score) to this power."""


class ReplayPart(RecipePart):
    """Older data that is mixed in while a model is fine-tuned, against forgetting."""

    folder: str = ""
    """Where it lies; a pack or a folder of the COCO-RLE layout. Nothing for no replay."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.3
    """How much of what is learnt comes from there."""


class DataPart(RecipePart):
    """What is learnt from."""

    folder: str = ""
    """Where "own" lies, if --data does not say it."""
    sources: tuple[SourcePart, ...] = ()
    """Data sets to learn from; none means "own"."""
    validation: tuple[SourcePart, ...] = ()
    """Data sets to validate on; with none, a share of the photographs is held out."""
    replay: ReplayPart = ReplayPart()
    licence_classes: tuple[str, ...] | None = None
    """Of packs: classes of licences to learn from; null for all."""
    source_weights: dict[str, Weight] = Field(default_factory=dict)
    """Of packs: how often each collection is drawn from, "other" for all that are not named; {} to draw
    every photograph equally often."""
    validation_share: Chance = 0.1
    """Part of the photographs that is held out for validation, chosen by their names."""
    min_object_share: Chance = 0.0
    """Smaller objects, as a part of the photograph's area, are background."""
    min_area: Count = 1000
    """Smaller objects, in pixels after augmentation, are background."""
    keep_background: Chance = 0.05
    """How often a crop in which no object is left is learnt from all the same."""
    crop: tuple[Side, Side] = (320, 480)
    """Height and width of what the network sees."""
    growing: tuple[tuple[Count, tuple[Side, Side]], ...] = ()
    """Other sizes for the first epochs, for small crops are learnt from faster. Pairs: up to and with this
    epoch, this height and width; [[8, [160, 160]]] begins with eight epochs of small crops."""
    augmentation: Augmentation = "coco"
    """How photographs are varied. coco: scaled by 0.75 to 1.4, mirrored, cropped, colours changed. sbd:
    scaled by 0.75 to 1.25, mirrored both ways, turned by quarters and by up to 3 degrees, cropped, colours
    changed. strong: framed around an object or not, stretched, mirrored, turned by up to 20 degrees, colours,
    blur. validation: as they are."""
    paste_prob: Chance = 0.0
    """How often an object of another photograph is pasted on top."""
    region_prob: Chance = 0.0
    """How often a region that looks alike is asked for, not an annotated object: what teaches parts, and to
    follow clicks, where only whole objects are annotated."""
    thin_prob: Chance = 0.0
    """How often thin objects (cords, branches, fences) are painted over a photograph and one of them is asked
    for, where no region is: few annotated objects are thin."""
    broken_objects: Literal["stop", "skip"] = "stop"
    """What is done about a mask that cannot be used. stop: what is found when the data are opened stops the
    run, and a photograph with such a mask counts as broken (see max_broken_share). skip: the others of its
    photograph are learnt from."""
    max_broken_share: Chance = 0.001
    """A sample whose photograph or masks cannot be read is drawn anew, and the file is named; more than this
    part of all samples stops the run."""
    workers: Annotated[int, Field(ge=0)] | None = None
    """Data-loader workers; 0 makes them in between. null: on GPUs as many as there are usable cores,
    shared by the processes of a machine; on CPUs 0, for the network needs them. The samples are the same."""

    @model_validator(mode="after")
    def _has_all_shares_or_none(self) -> DataPart:
        if len({source.share is None for source in self.sources}) > 1:
            raise ValueError("either all of data.sources must have a share, or none")
        return self


class ClicksPart(RecipePart):
    """The simulated user."""

    max_next_clicks: Annotated[int, Field(ge=0, le=24)] = 3
    """Simulated corrective clicks: each batch gets 0 to so many, one after the other, each placed where the
    network's own mask is most wrong, before it learns. 0 trains without corrections."""
    from_mask_prob: Chance = 0.0
    """How often a sample starts from a mask with mistakes of IoU 0.75 to 0.85 and the click that corrects it,
    not from clicks sampled beforehand."""
    prev_mask_dropout: Chance = 0.0
    """Previous-mask dropout: how often the mask that they gave is emptied before a sample is learnt from."""
    max_points: Count = 24
    """Places for clicks of one sign, those sampled beforehand and those that correct the mask."""
    gamma: Chance = 0.8
    """Each click more beforehand is so many times as likely as one less."""
    merge_prob: Chance = 0.15
    """How often several objects are asked for as one."""
    max_merged: Annotated[int, Field(ge=2)] = 2
    """How many at most."""
    erode_prob: Chance = 0.9
    """How often positive clicks keep off the edge of the object."""
    erode_steps: Count = 3
    """By so many pixels, if more than ten pixels are left."""
    border_share: Annotated[float, Field(gt=0, le=1)] = 0.1
    """Width of the band around the object that gets negative clicks, over the root of its area."""
    anywhere: Chance = 0.1
    """Share of the negative clicks anywhere off the object."""
    others: Chance = 0.4
    """Share of the negative clicks on other objects."""
    border: Chance = 0.5
    """Share of the negative clicks in the band."""
    centre_first: bool = False
    """Whether the first positive click is in the middle of the object."""
    centre_share: Annotated[float, Field(gt=1)] = 1.7
    """The middle is deeper than the greatest depth over this number."""
    hierarchy: bool = False
    """Whether parts of objects are asked for, too, and objects without some of their parts."""

    def sampler(self) -> ClickSampler:
        """What draws the clicks that are sampled beforehand."""
        return ClickSampler(
            **self.model_dump(exclude={"max_next_clicks", "prev_mask_dropout", "from_mask_prob"})
        )

    @model_validator(mode="after")
    def _has_negative_clicks(self) -> ClicksPart:
        if self.anywhere + self.others + self.border <= 0:
            raise ValueError("one of anywhere, others and border must be above 0")
        return self


class LossPart(RecipePart):
    """What is made small."""

    instance: LossName = "normalized_focal"
    """Loss of the mask. normalized_focal: looks at hard pixels and does not fade (alpha 0.5, gamma 2). focal:
    the same, fading. cross_entropy: all pixels alike. soft_iou: one minus the IoU of soft masks."""
    instance_weight: Positive = 1.0
    """Its weight."""
    auxiliary_weight: Weight = 0.4
    """Weight of the cross entropy of the coarse mask that HRNet's OCR head gives besides."""


class OptimiserPart(RecipePart):
    """How weights follow gradients."""

    name: OptimiserName = "adam"
    """Rule of the steps: adam, adamw (decays weights apart from the gradient) or sgd."""
    learning_rate: Positive = 5e-4
    """Size of the steps. Backbones may have a part of it: see backbone_lr_mult."""
    weight_decay: Weight = 0.0
    """How strongly weights are pulled towards 0. adamw leaves out biases and the parameters of normalisation.
    """
    schedule: Literal["milestones", "cosine"] = "milestones"
    """How the learning rate changes: at milestones, or up over the warm-up and down along a cosine."""
    milestones: tuple[Count, ...] = ()
    """Epochs after which the learning rate is multiplied with `gamma`."""
    gamma: Chance = 0.1
    """Factor at each milestone."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Steps over which the cosine schedule rises."""
    floor: Chance = 0.01
    """What is left of the learning rate at the end of the cosine."""
    clip_norm: Positive | None = None
    """Bound of the norm of the gradient; null for none."""
    ema_decay: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Decay of an exponential moving average (EMA) of the weights, which then is what is validated and saved;
    null for none."""


class ValidationPart(RecipePart):
    """How good the model is after each epoch."""

    objects: Count = 100
    """Objects that have not been trained on, always the same ones."""
    clicks: Count = 5
    """IoU is measured after 1 to so many simulated clicks."""


class Recipe(RecipePart):
    """A training run."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_\-]+$")]
    """What it is called."""
    about: str = ""
    """What it is for."""
    model: ModelPart
    data: DataPart = DataPart()
    clicks: ClicksPart = ClicksPart()
    loss: LossPart = LossPart()
    optimiser: OptimiserPart = OptimiserPart()
    validation: ValidationPart = ValidationPart()
    batch_size: Count = 28
    """Samples per step."""
    epochs: Count = 230
    """How often `epoch_samples` are learnt from; after each, the model is validated and saved."""
    epoch_samples: Count = 30000
    """Samples of an epoch; the last incomplete batch is dropped."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Decides every random choice: the same recipe, data and seed give the same model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What computes; auto: a GPU, if PyTorch sees one."""
    precision: PrecisionName = "fp32"
    """Numbers that the network computes in; weights, losses and the optimiser stay in fp32."""
    compile: Literal["inductor", "aot_eager", "eager"] | None = None
    """Backend of torch.compile: inductor is the fast one, the others help to find mistakes."""
    channels_last: bool = True
    """Order of numbers in memory; true is faster on most CPUs and GPUs."""
    sync_batchnorm: bool = True
    """Several processes normalise by the statistics of the whole batch, not each by those of its part."""
    checkpoint_steps: Count = 200
    """Steps that may be lost when the machine dies."""
    keep_models: tuple[tuple[Annotated[int, Field(ge=0)], Count], ...] = ()
    """Which models are kept beside the last one. Pairs of numbers: from this epoch on, every n-th;
    [[0, 5], [200, 1]] keeps every fifth, and from the 200th on all. [] for none."""
    max_skipped_share: Chance = 0.001
    """Steps whose loss or gradient is not finite are skipped and logged, up to this part of all steps; one
    more stops the run."""
    log_steps: Count = 20
    """Steps that one line of the log covers."""
    picture_steps: Count = 200
    """Steps between two pictures for TensorBoard."""

    @model_validator(mode="after")
    def _has_steps(self) -> Recipe:
        if self.epoch_samples < self.batch_size:
            raise ValueError("epoch_samples must be at least batch_size")
        return self

    @model_validator(mode="after")
    def _grows_in_order(self) -> Recipe:
        last = [epoch for epoch, _ in self.data.growing]
        if last != sorted(set(last)) or (last and last[-1] >= self.epochs):
            raise ValueError("data.growing must name epochs in rising order, all below epochs")
        return self

    def keeps(self, epoch: int) -> bool:
        """Whether the model of an epoch, counted from 1, is kept."""
        spans = [every for start, every in self.keep_models if start <= epoch]
        return bool(spans) and epoch % spans[-1] == 0

    @property
    def max_skipped_steps(self) -> int:
        return int(self.max_skipped_share * self.steps)

    @property
    def max_broken_samples(self) -> int:
        return int(self.data.max_broken_share * self.steps * self.batch_size)

    @property
    def epoch_steps(self) -> int:
        return self.epoch_samples // self.batch_size

    @property
    def steps(self) -> int:
        return self.epochs * self.epoch_steps
