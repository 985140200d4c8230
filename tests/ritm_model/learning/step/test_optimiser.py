"""Which parameters an optimiser moves together, and which it pulls towards 0."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from ritm_model.learning.step.optimiser import make_optimiser
from ritm_model.networks import InteractiveModel, build, initialise
from ritm_model.networks.fusion import Scale

INPUTS = {"with_prev_mask": True, "use_rgb_conv": False, "use_disks": True, "norm_radius": 5}
FAMILIES: dict[str, dict[str, Any]] = {
    "hrnet": {**INPUTS, "width": 2, "ocr_width": 4, "small": True, "with_aux_output": True},
    "mobile": {},
    "lite": INPUTS,
}


def spared(model: InteractiveModel) -> set[str]:
    """Biases, and all that normalisations and scales have."""
    return {
        f"{place}.{name}"
        for place, module in model.named_modules()
        for name, _ in module.named_parameters(recurse=False)
        if name == "bias" or isinstance(module, nn.BatchNorm2d | Scale)
    }


def groups_of(model: InteractiveModel, optimiser: torch.optim.Optimizer) -> dict[str, dict[str, Any]]:
    """The group of each parameter, by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {names[id(each)]: group for group in optimiser.param_groups for each in group["params"]}


@pytest.mark.parametrize("family", FAMILIES)
def test_adamw_decays_neither_biases_nor_normalisation(family: str) -> None:
    model = build(family, FAMILIES[family])
    groups = groups_of(model, make_optimiser(model, "adamw", 0.1, 0.01))
    assert {name for name, group in groups.items() if group["weight_decay"] == 0} == spared(model)
    assert {group["weight_decay"] for group in groups.values()} == {0, 0.01}
    multipliers = model.lr_multipliers()
    assert {name: group["lr"] for name, group in groups.items()} == {
        name: 0.1 * multipliers[name] for name in multipliers
    }


@pytest.mark.parametrize(("name", "decays_all"), [("adam", False), ("sgd", False), ("adamw", True)])
def test_others_decay_everything_as_the_adamw_of_earlier_versions_did(name: Any, decays_all: bool) -> None:
    model = build("hrnet", FAMILIES["hrnet"])
    optimiser = make_optimiser(model, name, 0.1, 0.01, decays_all=decays_all)
    assert len(optimiser.param_groups) == len(set(model.lr_multipliers().values()))
    assert {group["weight_decay"] for group in groups_of(model, optimiser).values()} == {0.01}


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_one_launch_for_all_parameters_learns_the_same(name: Any) -> None:
    learnt = []
    for fused in (True, None):
        model = build("lite", INPUTS)
        initialise(model, torch.Generator().manual_seed(0), 1.0)
        optimiser = make_optimiser(model, name, 0.01, 0.01, fused=fused)
        assert {group["fused"] for group in optimiser.param_groups} == {fused}
        for _ in range(2):
            for number, parameter in enumerate(model.parameters()):
                parameter.grad = torch.full_like(parameter, 0.1 * (number % 3 - 1))
            optimiser.step()
        learnt.append(dict(model.named_parameters()))
    for key, parameter in learnt[0].items():
        torch.testing.assert_close(parameter, learnt[1][key], atol=1e-6, rtol=1e-5)
