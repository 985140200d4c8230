"""Samples to learn from: every one follows from a seed and its number, and from nothing else.

So it does not matter which worker or machine makes a sample, and a run that is taken up again at sample n
goes on exactly as it would have. Where a file cannot be read, the sample is drawn anew, from its number and
the number of the attempt. Shapes: H and W the crop, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2

from ritm_model.datasets.layers import Instance
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import RitmError, TrainingError
from ritm_model.learning.augment import MakeTransforms, augment, pipeline
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.regions import with_regions
from ritm_model.learning.sampling import ClickSampler
from ritm_model.learning.scene import Scene
from ritm_model.learning.sources import TrainingSource, draw
from ritm_model.learning.step.next_clicks import first_correction
from ritm_model.learning.step.step import Batch
from ritm_model.learning.thin_objects import with_thin_objects
from ritm_model.masks.mistakes import with_mistakes

TRIES = 20
EDGE_BLUR = 0.8  # of the edges of pasted objects, in pixels


@dataclass(frozen=True, slots=True)
class BrokenSample:
    """Stands for a sample that could not be made.

    Errors raised in a worker would come back with the worker's traceback in place of their sentence.
    """

    reason: str


@dataclass(frozen=True)
class Samples(Dataset["Batch | BrokenSample"]):
    """Samples without end, number n drawn anew from the sources.

    Attributes:
        sources: to draw photographs from.
        transforms: of `augment.pipeline`.
        region_prob: of asking for a region that looks alike, not for an annotated object.
        thin_prob: of painting thin objects over the photograph and asking for one of those, where no
            region is asked for.
        from_mask_prob: of starting from a mask with mistakes and the first click that corrects it.
        first_transforms: others for the first samples, each with the number of the sample before which
            it ends.
        sampler: draws object and clicks.
        seed: of everything.
        min_area: objects with fewer pixels after augmentation are background.
        keep_background: chance of keeping a sample in which no object is left.
        paste_prob: of pasting an object of another sample on top.
    """

    sources: tuple[TrainingSource, ...]
    transforms: v2.Transform
    sampler: ClickSampler
    seed: int
    min_area: int = 1
    keep_background: float = 0.0
    paste_prob: float = 0.0
    from_mask_prob: float = 0.0
    region_prob: float = 0.0
    thin_prob: float = 0.0
    first_transforms: tuple[tuple[int, v2.Transform], ...] = ()

    def __getitem__(self, index: int) -> Batch | BrokenSample:
        """Make sample number `index`, a batch of one without the batch axis."""
        broken: list[str] = []
        try:
            for attempt in range(TRIES):
                made = self._attempted(index, attempt)
                if isinstance(made, Batch):
                    return replace(made, broken=tuple(broken))
                broken.append(made.reason)
        except RitmError as error:
            return BrokenSample(str(error))
        return BrokenSample(f"{broken[-1]} Sample {index} could not be made in {TRIES} attempts.")

    def _attempted(self, index: int, attempt: int) -> Batch | BrokenSample:
        # The random numbers of a step follow from three numbers, see `Trainer`.
        entropy = (self.seed, index, 0, attempt) if attempt else (self.seed, index)
        transforms = next((each for end, each in self.first_transforms if index < end), self.transforms)
        try:
            return self._made(np.random.default_rng(entropy), transforms)
        except BrokenFileError as error:
            return BrokenSample(str(error))

    def _made(self, random: np.random.Generator, transforms: v2.Transform) -> Batch:
        scene = self._augmented(random, transforms)
        if random.random() < self.paste_prob:
            scene = paste(scene, self._augmented(random, transforms), random)
        if self.region_prob and random.random() < self.region_prob:
            scene = with_regions(scene, random)
        elif self.thin_prob and random.random() < self.thin_prob:
            scene = with_thin_objects(scene, random)
        target = self.sampler.sample(scene.with_objects_of(self.min_area), random)
        truth_HW, points_P3 = target.truth_HW, target.points_P3
        given_HW = np.zeros(truth_HW.shape, bool)
        if self.from_mask_prob and random.random() < self.from_mask_prob and target.instances:
            given_HW = with_mistakes(truth_HW, random)
            points_P3 = first_correction(given_HW, truth_HW, len(points_P3), random)
        return Batch(
            # One channel after the other: whole blocks of memory are copied when samples become a batch.
            torch.from_numpy(np.stack(cv2.split(scene.image_HW3))),
            torch.from_numpy(truth_HW)[None],
            torch.from_numpy(points_P3),
            torch.from_numpy(given_HW)[None] if self.from_mask_prob else None,
        )

    def _augmented(self, random: np.random.Generator, transforms: v2.Transform) -> Scene:
        whole = self._drawn(random)
        for _ in range(TRIES):
            scene = augment(whole, transforms, int(random.integers(2**62)))
            scene = scene.with_objects_of(1)
            if scene.instances or random.random() < self.keep_background:
                break
        return scene

    def _drawn(self, random: np.random.Generator) -> Scene:
        """A scene with an object, if there are any such scenes."""
        for _ in range(TRIES):
            scene = draw(self.sources, random).scene(random)
            if scene.instances:
                break
        return scene


def make_samples(
    recipe: Recipe, sources: tuple[TrainingSource, ...], transforms: MakeTransforms | None = None
) -> Samples:
    """The samples of a recipe; `transforms` takes the place of its augmentation."""
    part = recipe.data
    made = transforms or partial(pipeline, part.augmentation)
    return Samples(
        sources=sources,
        transforms=made(part.crop),
        sampler=recipe.clicks.sampler(),
        seed=recipe.seed,
        min_area=part.min_area,
        keep_background=part.keep_background,
        paste_prob=part.paste_prob,
        from_mask_prob=recipe.clicks.from_mask_prob,
        region_prob=part.region_prob,
        thin_prob=part.thin_prob,
        first_transforms=tuple(
            (epoch * recipe.epoch_steps * recipe.batch_size, made(size)) for epoch, size in part.growing
        ),
    )


def collate(samples: Sequence[Batch | BrokenSample]) -> Batch | BrokenSample:
    """Put samples into one batch, still of bytes (see `Batch`); a broken one breaks the batch."""
    whole = [sample for sample in samples if isinstance(sample, Batch)]
    broken = next((sample for sample in samples if isinstance(sample, BrokenSample)), None)
    if broken is not None:
        return broken
    given = [sample.given_B1HW for sample in whole if sample.given_B1HW is not None]
    return Batch(
        torch.stack([sample.image_B3HW for sample in whole]),
        torch.stack([sample.truth_B1HW for sample in whole]),
        torch.stack([sample.points_BP3 for sample in whole]),
        torch.stack(given) if given else None,
        tuple(chain.from_iterable(sample.broken for sample in whole)),
    )


def unbroken(batches: Iterable[Batch | BrokenSample]) -> Iterator[Batch]:
    """Give the batches on.

    Raises:
        TrainingError: one of them could not be made; the sentence names the file.
    """
    for batch in batches:
        if isinstance(batch, BrokenSample):
            raise TrainingError(batch.reason)
        yield batch


def paste(scene: Scene, other: Scene, random: np.random.Generator) -> Scene:
    """Paste one object of another scene of the same size somewhere on this one, with soft edges."""
    values = set(range(1, 255)) - {instance.value for instance in scene.instances if instance.layer == 0}
    if not other.instances or not values:
        return scene
    mask_HW = other.mask(other.instances[random.integers(len(other.instances))])
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    height, width = scene.size
    # Up to half of the object may leave the frame.
    down = int(random.integers(-(rows[0] + rows[-1]) // 2, height - (rows[0] + rows[-1]) // 2))
    right = int(random.integers(-(columns[0] + columns[-1]) // 2, width - (columns[0] + columns[-1]) // 2))
    move = np.array([[1, 0, right], [0, 1, down]], np.float32)
    moved_HW = cv2.warpAffine(mask_HW.astype(np.uint8), move, (width, height), flags=cv2.INTER_NEAREST) > 0
    moved_HW3 = cv2.warpAffine(other.image_HW3, move, (width, height), flags=cv2.INTER_NEAREST)
    opacity_HW1 = cv2.GaussianBlur(moved_HW.astype(np.float32), (0, 0), EDGE_BLUR)[..., None]
    image_HW3 = scene.image_HW3 * (1 - opacity_HW1) + moved_HW3 * opacity_HW1
    layers_LHW = scene.layers_LHW.copy()
    layers_LHW[:, moved_HW] = 0
    value = min(values)
    layers_LHW[0, layers_LHW[0] == value] = 0  # left over from an object that was dropped
    layers_LHW[0, moved_HW] = value
    pasted = replace(
        scene,
        image_HW3=np.rint(image_HW3).astype(np.uint8),
        layers_LHW=layers_LHW,
        instances=(*scene.instances, Instance(0, value)),
        ignored_HW=scene.ignored_HW & ~moved_HW,
        areas=None,
    )
    return pasted.with_objects_of(1)
