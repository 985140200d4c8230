"""Samples to learn from: every one follows from a seed and its number, and from nothing else.

So it does not matter which worker or machine makes a sample, and a run that is taken up again at sample n
goes on exactly as it would have. Shapes: H and W the crop, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision.transforms import v2

from ritm_model.learning.augment import augment
from ritm_model.learning.errors import TrainingError
from ritm_model.learning.pack import PackEntry, load_scene
from ritm_model.learning.sampling import ClickSampler
from ritm_model.learning.scene import Instance, Scene
from ritm_model.learning.step import Batch

OTHER_SOURCES = "other"
TRIES = 20
EDGE_BLUR = 0.8  # of the edges of pasted objects, in pixels


@dataclass(frozen=True)
class Samples(Dataset[Batch]):
    """Samples without end, number n drawn anew from the entries.

    Attributes:
        folder: of the pack.
        entries: to draw from.
        source_weights: chances of the sources; "other" is for all that are not named, together. Empty to
            draw photographs evenly.
        transforms: of `augment.pipeline`.
        sampler: draws object and clicks.
        seed: of everything.
        min_share: objects below this part of the photograph are background.
        min_area: as are those with fewer pixels after augmentation.
        keep_background: chance of keeping a sample in which no object is left.
        paste_chance: of pasting an object of another sample on top.
    """

    folder: Path
    entries: tuple[PackEntry, ...]
    source_weights: Mapping[str, float]
    transforms: v2.Transform
    sampler: ClickSampler
    seed: int
    min_share: float = 0.0
    min_area: int = 1
    keep_background: float = 0.0
    paste_chance: float = 0.0

    def __getitem__(self, index: int) -> Batch:
        """Make sample number `index`, a batch of one without the batch axis."""
        random = np.random.default_rng((self.seed, index))
        scene = self._augmented(random)
        if random.random() < self.paste_chance:
            scene = paste(scene, self._augmented(random), random)
        target = self.sampler.sample(scene.with_objects_of(self.min_area), random)
        return Batch(
            torch.from_numpy(scene.image_HW3).permute(2, 0, 1),
            torch.from_numpy(target.truth_HW)[None],
            torch.from_numpy(target.points_P3),
        )

    def _augmented(self, random: np.random.Generator) -> Scene:
        entry = draw_entry(self.entries, self.source_weights, random)
        whole = load_scene(self.folder, entry, self.min_share)
        for _ in range(TRIES):
            scene = augment(whole, self.transforms, int(random.integers(2**62)))
            scene = scene.with_objects_of(1)
            if scene.instances or random.random() < self.keep_background:
                break
        return scene


def collate(samples: list[Batch]) -> Batch:
    """Put samples into one batch of floats, images in [0, 1]."""
    return Batch(
        torch.stack([sample.image_B3HW for sample in samples]).float() / 255,
        torch.stack([sample.truth_B1HW for sample in samples]).float(),
        torch.stack([sample.points_BP3 for sample in samples]),
    )


def draw_entry(
    entries: tuple[PackEntry, ...], source_weights: Mapping[str, float], random: np.random.Generator
) -> PackEntry:
    """Draw a source, then one of its photographs, then one of the masks of that."""
    candidates = entries
    if source_weights:
        groups: dict[str, list[PackEntry]] = {}
        for entry in entries:
            name = entry.source if entry.source in source_weights else OTHER_SOURCES
            groups.setdefault(name, []).append(entry)
        names = [name for name in groups if source_weights.get(name, 0) > 0]
        if not names:
            raise TrainingError("No photograph is of a source that has a weight.")
        weights = np.array([source_weights[name] for name in names])
        candidates = tuple(groups[names[random.choice(len(names), p=weights / weights.sum())]])
    image = candidates[random.integers(len(candidates))].image
    masks = [entry for entry in candidates if entry.image == image]
    return masks[random.integers(len(masks))]


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
    )
    return pasted.with_objects_of(1)
