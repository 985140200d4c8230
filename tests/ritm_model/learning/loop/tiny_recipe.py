"""Changes of a recipe that make a run take seconds, and a batch for it; tests add what they are about."""

from __future__ import annotations

import torch

from ritm_model.learning.step.step import Batch

SHORT = (
    "data.licence_classes=null",
    "data.source_weights={}",
    "data.validation_share=0.3",
    "data.crop=[32, 48]",
    "data.min_area=20",
    "validation={objects: 2, clicks: 2}",
    "batch_size=2",
    "epochs=1",
    "epoch_samples=8",
    "checkpoint_steps=2",
    "log_steps=2",
    "optimiser.warmup=0",
)
HRNET = (
    "model.family=hrnet",
    "model.params={width: 2, ocr_width: 4, small: true, with_aux_output: true, with_prev_mask: true, "
    "use_rgb_conv: false, use_disks: true, norm_radius: 5}",
)


def batch(seed: int = 0) -> Batch:
    """Noise, in which a rectangle is asked for."""
    random = torch.Generator().manual_seed(seed)
    truth = torch.zeros(2, 1, 32, 48)
    truth[:, :, 8:24, 10:30] = 1
    points = torch.full((2, 48, 3), -1.0)
    points[:, 0] = torch.tensor([16.0, 20.0, 100.0])
    return Batch(torch.rand(2, 3, 32, 48, generator=random), truth, points)
