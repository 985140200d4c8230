"""A light feature pyramid over the backbone of an image classifier, for CPUs.

Attribute names are part of the state-dict keys. Shapes: B batch, C channels, H and W the image, h and w a
feature map.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ritm_model.networks.blocks import conv, conv_bn_relu, resize
from ritm_model.networks.segmentation.deeplab import SeparableConv


class FeaturePyramid(nn.Module):
    """From a normalised image to logits at a quarter of its size.

    The pyramid is summed from coarse to fine. A gate, computed from the mean of the coarsest level, lets the
    whole image (and with it the clicks far away) speak at every pixel.
    """

    def __init__(self, features: nn.Sequential, levels: Mapping[int, int], width: int) -> None:
        """Put a pyramid over a backbone.

        Args:
            features: the backbone: a stem that halves the image, then blocks.
            levels: channels of the blocks that the pyramid looks at, by their place in `features`, from fine
                to coarse; the first one is at a quarter of the image.
            width: channels of the pyramid.
        """
        super().__init__()
        self._levels = tuple(levels)
        self.features = features
        self.laterals = nn.ModuleList(conv_bn_relu(channels, width, 1) for channels in levels.values())
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), conv(levels[max(levels)], width, 1, bias=True), nn.Sigmoid()
        )
        self.merges = nn.ModuleList(SeparableConv(width, width) for _ in self._levels[:-1])
        self.head = nn.Sequential(SeparableConv(width, width), conv(width, 1, 1, bias=True))

    def forward(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> Tensor:
        """Compute logits, B x 1 x h x w, at a quarter of the size of the image, rounded up.

        Args:
            image_B3HW: normalised image.
            clicks_BCHW: click features with the channels of the stem at half the size of the image, added
                after it; None where the clicks are already in the image.
        """
        x = self.features[0](image_B3HW)
        if clicks_BCHW is not None:
            x = x + clicks_BCHW
        levels = []
        for index, block in enumerate(self.features[1:], start=1):
            x = block(x)
            if index in self._levels:
                levels.append(x)

        *finer, coarsest = (lateral(level) for lateral, level in zip(self.laterals, levels, strict=True))
        out = coarsest * self.gate(levels[-1])
        for merge, level in zip(reversed(self.merges), reversed(finer), strict=True):
            out = merge(level + resize(out, (level.shape[2], level.shape[3])))
        logits: Tensor = self.head(out)
        return logits
