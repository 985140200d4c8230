"""How good the model is on photographs that it has not learnt from: IoU after 1, 2, … simulated clicks.

The whole photograph is fitted into the crop of training and the clicks are those of the evaluation
(`ritm_model.simulation`), without zooming: quick, and steady enough to compare models while they learn.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ritm_model.clicks import Click, points_array
from ritm_model.learning.augment import augment, pipeline
from ritm_model.learning.pack import PackEntry, load_scene
from ritm_model.learning.scene import Instance
from ritm_model.learning.step import Interaction, predict
from ritm_model.networks import InteractiveModel
from ritm_model.simulation import next_click

THRESHOLD = 0.49


@dataclass(frozen=True, slots=True)
class Question:
    """One object of one photograph."""

    entry: PackEntry
    instance: Instance


def questions(entries: tuple[PackEntry, ...], min_share: float, count: int) -> tuple[Question, ...]:
    """Choose up to `count` objects, always the same ones, spread over the photographs by their hashes."""
    every = [Question(entry, instance) for entry in entries for instance in entry.instances(min_share)]
    return tuple(sorted(every, key=_digest)[:count])


def validate(
    model: InteractiveModel, folder: Path, asked: tuple[Question, ...], size: tuple[int, int], clicks: int
) -> npt.NDArray[np.float64]:
    """Mean IoU after 1 … `clicks` clicks; the model is in eval mode afterwards."""
    model.eval()
    transforms = pipeline("validation", size)
    ious = [_ious(model, folder, question, transforms, clicks) for question in asked]
    mean: npt.NDArray[np.float64] = np.mean(ious, axis=0)
    return mean


@torch.no_grad()
def _ious(
    model: InteractiveModel, folder: Path, question: Question, transforms: object, clicks: int
) -> list[float]:
    scene = augment(load_scene(folder, question.entry, 0.0), transforms, seed=0)
    object_HW = scene.mask(question.instance)
    truth_HW = np.where(scene.ignored_HW, -1, object_HW).astype(np.int8)
    device = next(model.parameters()).device
    image_13HW = (torch.from_numpy(scene.image_HW3).permute(2, 0, 1)[None].float() / 255).to(device)
    prev_mask_11HW = torch.zeros_like(image_13HW[:, :1])
    mask_HW = np.zeros(scene.size, bool)
    counts_HW = ~scene.ignored_HW
    made: list[Click] = []
    ious = []
    for _ in range(clicks):
        made.append(next_click(mask_HW, truth_HW))
        points_1P3 = torch.from_numpy(points_array(made))[None].to(device)
        logits = predict(model, image_13HW, Interaction(points_1P3, prev_mask_11HW))["instances"]
        prev_mask_11HW = logits.sigmoid()
        mask_HW = (prev_mask_11HW[0, 0] > THRESHOLD).cpu().numpy()
        common, either = (mask_HW & object_HW & counts_HW).sum(), ((mask_HW | object_HW) & counts_HW).sum()
        ious.append(float(common / max(either, 1)))
    return ious


def _digest(question: Question) -> str:
    return hashlib.sha256(f"{question.entry.mask}/{question.instance.value}".encode()).hexdigest()
