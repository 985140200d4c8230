"""A light feature pyramid over the backbone of an image classifier, for CPUs.

Attribute names are part of the state-dict keys. Shapes: B batch, C channels, H and W the image, h and w a
feature map.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from ritm_model.networks.blocks import ZeroConv, conv, conv_bn_relu, resize
from ritm_model.networks.segmentation.deeplab import SeparableConv


class FineHead(nn.Module):
    """Details at half the size of the image, for what is thinner than a pixel of the pyramid.

    It adds to the logits of the pyramid, nothing at first, so that a trained network can be given one.
    """

    def __init__(self, stem_channels: int, pyramid_width: int, width: int) -> None:
        super().__init__()
        self.stem = conv_bn_relu(stem_channels, width, 1)
        self.pyramid = conv_bn_relu(pyramid_width, width, 1)
        self.merge = SeparableConv(width, width)
        self.details = ZeroConv(width, 1, 1)

    def forward(self, stem_BChw: Tensor, pyramid_BChw: Tensor, logits_B1hw: Tensor) -> Tensor:
        """Give logits with the height and width of `stem_BChw`, twice those of the other two."""
        size = (stem_BChw.shape[2], stem_BChw.shape[3])
        merged = self.merge(self.stem(stem_BChw) + resize(self.pyramid(pyramid_BChw), size))
        out: Tensor = resize(logits_B1hw, size) + self.details(merged)
        return out


class FeaturePyramid(nn.Module):
    """From a normalised image to logits at a quarter of its size, or at half of it with a fine head.

    The pyramid is summed from coarse to fine. A gate, computed from the mean of the coarsest level, lets the
    whole image (and with it the clicks far away) speak at every pixel.
    """

    def __init__(
        self, features: nn.Sequential, levels: Mapping[int, int], width: int, fine: FineHead | None = None
    ) -> None:
        """Put a pyramid over a backbone.

        Args:
            features: the backbone: a stem that halves the image, then blocks.
            levels: channels of the blocks that the pyramid looks at, by their place in `features`, from fine
                to coarse; the first one is at a quarter of the image.
            width: channels of the pyramid.
            fine: adds details of the stem to its logits.
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
        self.fine = fine

    def forward(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> Tensor:
        """Compute logits, B x 1 x h x w, at a quarter of the size of the image, or half of it, rounded up.

        Args:
            image_B3HW: normalised image.
            clicks_BCHW: click features with the channels of the stem at half the size of the image, added
                after it; None where the clicks are already in the image.
        """
        x = self.features[0](image_B3HW)
        if clicks_BCHW is not None:
            x = x + clicks_BCHW
        stem = x
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
        return logits if self.fine is None else self.fine(stem, out, logits)
