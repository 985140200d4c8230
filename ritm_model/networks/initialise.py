"""Weights to start training from, where no pretrained ones are loaded afterwards."""

from __future__ import annotations

import math

import torch
from torch import nn

from ritm_model.networks.fusion import Scale
from ritm_model.networks.model import InteractiveModel


@torch.no_grad()
def initialise(model: InteractiveModel, generator: torch.Generator, click_scale: float | None = None) -> None:
    """Draw all weights anew, in place.

    Convolutions get normal weights of variance 2 / mean(fan-in, fan-out) and zero biases, normalisations
    gain 1 and shift 0.

    Args:
        model: on the device of the generator.
        generator: the only source of randomness, so that a seed fixes the weights.
        click_scale: what the click features are multiplied with at first. None keeps the small value that
            suits a pretrained backbone; from scratch, 1 lets the clicks be heard hundreds of steps sooner.
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
        elif isinstance(module, Scale) and click_scale is not None:
            module.scale.fill_(click_scale)
