"""Weights to start training from, where no pretrained ones are loaded afterwards."""

from __future__ import annotations

import math

import torch
from torch import nn

from ritm_model.networks.model import InteractiveModel


@torch.no_grad()
def initialise(model: InteractiveModel, generator: torch.Generator) -> None:
    """Draw all weights anew, in place.

    Convolutions get normal weights of variance 2 / mean(fan-in, fan-out) and zero biases, normalisations
    gain 1 and shift 0. The scale of the click features keeps its small starting value.

    Args:
        model: on the device of the generator.
        generator: the only source of randomness, so that a seed fixes the weights.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            out_channels, in_channels, *kernel = module.weight.shape
            fan_mean = (in_channels + out_channels) * math.prod(kernel) / 2
            module.weight.normal_(0.0, math.sqrt(2 / fan_mean), generator=generator)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
