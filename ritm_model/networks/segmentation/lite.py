"""EfficientNet-Lite under a light feature pyramid, for CPUs.

Lite networks have neither squeeze-and-excitation nor swish, so that every engine runs them fast. Attribute
names are part of the state-dict keys. Shapes: B batch, C channels, h and w a feature map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ritm_model.networks.blocks import conv
from ritm_model.networks.segmentation.pyramid import FeaturePyramid, FineHead

STEM_CHANNELS = 32
# How much wider and deeper than lite0 the variants are.
VARIANTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
# Parts of the backbone, and what the published files call them.
STEM_IN_FILE = {"0": "_conv_stem", "1": "_bn0"}
BLOCK_IN_FILE = {
    "expand.0": "_expand_conv",
    "expand.1": "_bn0",
    "depthwise.0": "_depthwise_conv",
    "depthwise.1": "_bn1",
    "project.0": "_project_conv",
    "project.1": "_bn2",
}


@dataclass(frozen=True, slots=True)
class Stage:
    """Blocks of one size: how often, kernel, stride of the first one, expansion, and channels."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)


class DepthwiseConv(nn.Conv2d):
    """A filter for each channel, that learns in fp32 where a processor would be slow in bf16.

    oneDNN's kernels for 5 x 5 filters take three to twelve times as long in bf16 as in fp32, backwards; with
    the casts, a training step of `lite0` in bf16 takes two thirds of the time this way.
    """

    def forward(self, x_BChw: Tensor) -> Tensor:
        if self.kernel_size[0] < 5 or x_BChw.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(x_BChw)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x_BChw.float()).to(x_BChw.dtype)


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow again; with the input added where the shapes allow it."""

    def __init__(
        self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = _conv_norm(in_channels, hidden, 1, active=True) if expansion > 1 else nn.Identity()
        self.depthwise = _normalised(
            DepthwiseConv(hidden, hidden, kernel, stride, padding=kernel // 2, groups=hidden, bias=False),
            active=True,
        )
        self.project = _conv_norm(hidden, out_channels, 1, active=False)
        self._adds = stride == 1 and in_channels == out_channels

    def forward(self, x_BChw: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x_BChw)))
        return x_BChw + y if self._adds else y


def lite_pyramid(variant: str, width: int, fine_width: int) -> FeaturePyramid:
    """Make the network: one of `VARIANTS` without its classifier, under a pyramid.

    Args:
        variant: of the backbone.
        width: channels of the pyramid.
        fine_width: channels of the fine head; 0 for none.
    """
    wider, deeper = VARIANTS[variant]
    layers: list[nn.Module] = [_conv_norm(3, STEM_CHANNELS, 3, stride=2, active=True)]
    levels: dict[int, int] = {}
    channels = STEM_CHANNELS
    for stage in STAGES:
        if stage.stride == 2 and stage is not STAGES[1]:  # what is at half the image is no level
            levels[len(layers) - 1] = channels
        scaled = stage not in (STAGES[0], STAGES[-1])  # these two are as deep in every variant
        repeats = math.ceil(stage.repeats * deeper) if scaled else stage.repeats
        out_channels = _rounded(stage.channels * wider)
        for number in range(repeats):
            layers.append(
                InvertedResidual(
                    channels,
                    out_channels,
                    kernel=stage.kernel,
                    stride=stage.stride if number == 0 else 1,
                    expansion=stage.expansion,
                )
            )
            channels = out_channels
    levels[len(layers) - 1] = channels
    fine = FineHead(STEM_CHANNELS, width, fine_width) if fine_width else None
    return FeaturePyramid(nn.Sequential(*layers), levels, width, fine)


def _conv_norm(
    in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, active: bool
) -> nn.Sequential:
    return _normalised(conv(in_channels, out_channels, kernel, stride=stride), active=active)


def _normalised(convolution: nn.Conv2d, *, active: bool) -> nn.Sequential:
    layers = (convolution, nn.BatchNorm2d(convolution.out_channels, eps=1e-3))  # eps: as on ImageNet
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if active else nn.Sequential(*layers)


def _rounded(channels: float) -> int:
    """To a multiple of eight that is not much smaller."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def name_in_file(name: str) -> str:
    """From a key of the backbone to that of the published files."""
    place, _, rest = name.partition(".")
    part, _, tensor = rest.rpartition(".")
    if place == "0":
        return f"{STEM_IN_FILE[part]}.{tensor}"
    return f"_blocks.{int(place) - 1}.{BLOCK_IN_FILE[part]}.{tensor}"
