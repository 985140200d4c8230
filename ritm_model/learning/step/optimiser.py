"""Optimisers and learning-rate schedules, by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Literal

import torch
from torch import nn

from ritm_model.networks import InteractiveModel

OptimiserName = Literal["adam", "adamw", "sgd"]


def make_optimiser(
    model: InteractiveModel,
    name: OptimiserName,
    lr: float,
    weight_decay: float = 0.0,
    *,
    decays_all: bool = False,
    fused: bool | None = None,
) -> torch.optim.Optimizer:
    """Make an optimiser with one group of parameters for each learning-rate multiplier of the model.

    AdamW has a second group for each, without weight decay: of biases, parameters of normalisation and
    scales, which are those of one dimension.

    Args:
        model: to learn.
        name: of the rule.
        lr: learning rate where the multiplier is 1.
        weight_decay: see `OptimiserPart`.
        decays_all: no such second groups, as in runs of earlier versions.
        fused: change all parameters in one launch; None for where that pays, on GPUs. Only rounding differs.
    """
    multipliers = model.lr_multipliers()
    parameters = dict(model.named_parameters())

    def group_of(parameter: str) -> tuple[float, bool]:
        is_spared = name == "adamw" and not decays_all and parameters[parameter].ndim <= 1
        return multipliers[parameter], is_spared

    groups: list[dict[str, object]] = [
        {
            "params": [parameters[member] for member in members],
            "lr": lr * multiplier,
            "weight_decay": 0.0 if is_spared else weight_decay,
        }
        for (multiplier, is_spared), members in groupby(sorted(parameters, key=group_of), key=group_of)
    ]
    if fused is None:
        fused = model.device.type == "cuda"
    how = {"fused": True} if fused else {}  # False would mean parameter by parameter
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=0.9, **how)
    kind = torch.optim.Adam if name == "adam" else torch.optim.AdamW
    return kind(groups, lr=lr, betas=(0.9, 0.999), eps=1e-8, **how)


def group_sizes(state: dict[str, Any]) -> list[int]:
    """How many parameters each group of an optimiser's state dictionary has."""
    return [len(group["params"]) for group in state["param_groups"]]


def milestone_factor(step: int, milestones: Sequence[int], gamma: float) -> float:
    """Give what the learning rate is multiplied with at a step (from 0): `gamma` per milestone passed."""
    return gamma ** sum(step >= milestone for milestone in milestones)


def cosine_factor(step: int, steps: int, warmup: int, floor: float) -> float:
    """Rise linearly over `warmup` steps, then fall along half a cosine to `floor` at the last step."""
    if step < warmup:
        return (step + 1) / warmup
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2


def set_learning_rate(optimiser: torch.optim.Optimizer, base_lrs: Sequence[float], factor: float) -> None:
    for group, base in zip(optimiser.param_groups, base_lrs, strict=True):
        group["lr"] = base * factor


class ExponentialMovingAverage:
    """Exponential moving average (EMA) of the weights, often better than the weights themselves.

    The decay grows with the number of updates, so that the random start is soon forgotten.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        values = model.state_dict()
        floats = [key for key, average in self.state.items() if average.is_floating_point()]
        # All at once: one launch on a GPU in place of one for each tensor.
        torch._foreach_lerp_([self.state[key] for key in floats], [values[key] for key in floats], 1 - decay)
        for key in self.state.keys() - set(floats):
            self.state[key].copy_(values[key])
