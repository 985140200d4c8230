"""How click maps (and the previous mask) enter a network made for RGB images.

The positions inside the sequentials are part of the published state-dict keys.
Shapes: B batch, M maps (previous mask, positive, negative clicks), H and W the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ritm_model.networks.blocks import conv

CLICK_CHANNELS = 64


class Scale(nn.Module):
    """Multiply by the absolute value of one learned number, small at first.

    An ImageNet backbone therefore starts almost undisturbed by the clicks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((1,), 0.05))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale.abs()


def maps_transform(maps: int, *, leaky: bool, channels: int = CLICK_CHANNELS) -> nn.Sequential:
    """Turn B x M x H x W maps into features for the stem at half the size ("Conv1S" of the paper)."""
    return nn.Sequential(
        conv(maps, 16, 1, bias=True),
        _activation(leaky),
        conv(16, channels, 3, stride=2, bias=True),
        Scale(),
    )


def extended_conv(maps: int, *, channels: int = CLICK_CHANNELS) -> nn.Conv2d:
    """Do the same with one convolution, as if the first one of the backbone had more input channels."""
    return conv(maps, channels, 3, stride=2, bias=True)


def rgb_conv(maps: int, *, leaky: bool) -> nn.Sequential:
    """Mix image and maps, B x (3 + M) x H x W, into three channels for an unchanged backbone."""
    hidden = 6 + maps
    return nn.Sequential(
        conv(3 + maps, hidden, 1, bias=True),
        nn.BatchNorm2d(hidden),
        _activation(leaky),
        conv(hidden, 3, 1, bias=True),
    )


def _activation(leaky: bool) -> nn.Module:
    return nn.LeakyReLU(0.2, inplace=True) if leaky else nn.ReLU(inplace=True)
