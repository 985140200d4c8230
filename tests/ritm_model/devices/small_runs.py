"""Small networks, and a recipe of three steps, for tests that run all of it on another device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.networks import InteractiveModel, build, initialise

TESTS = Path(__file__).parents[2]
INPUTS = {"with_prev_mask": True, "use_rgb_conv": False, "use_disks": True, "norm_radius": 5}
FAMILIES: dict[str, dict[str, Any]] = {
    "hrnet": {**INPUTS, "width": 2, "ocr_width": 4, "small": True, "with_aux_output": True},
    "lite": INPUTS,
}


def made(family: str) -> InteractiveModel:
    model = build(family, FAMILIES[family])
    initialise(model, torch.Generator().manual_seed(0), 1.0)
    return model


def small(family: str, *overrides: str) -> Recipe:
    """Three steps on small cuts of the samples."""
    return load_recipe(
        "starter",
        (
            f"model.family={family}",
            f"model.params={json.dumps(FAMILIES[family])}",
            "data.licence_classes=null",
            "data.source_weights={}",
            "data.crop=[64, 64]",
            "data.min_area=20",
            "clicks.max_next_clicks=2",
            "batch_size=2",
            "epochs=1",
            "epoch_samples=6",
            "log_steps=1",
            "optimiser.warmup=1",
            *overrides,
        ),
    )
