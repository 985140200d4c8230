"""MobileNetV3-Large under a light feature pyramid, for CPUs.

Attribute names are part of the state-dict keys; those of `features` are torchvision's, so that its ImageNet
weights fit. Shapes: B batch, C channels, H and W the image, h and w a feature map.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ritm_model.networks.blocks import conv, conv_bn_relu, resize
from ritm_model.networks.deeplab import SeparableConv

STEM_CHANNELS = 16
# Last block before each halving, and its channels: strides 4, 8, 16 and 32.
LEVELS = {3: 24, 6: 40, 12: 112, 15: 160}


class MobileNetFPN(nn.Module):
    """From a normalised image to logits at a quarter of its size.

    The pyramid is summed from coarse to fine. A gate, computed from the mean of the coarsest level, lets the
    whole image (and with it the clicks far away) speak at every pixel.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        from torchvision.models import mobilenet_v3_large  # takes as long to import as the rest together

        # The paper's normalisation: the running means must follow fast, for training looks through them too.
        backbone = mobilenet_v3_large(weights=None, norm_layer=nn.BatchNorm2d)
        self.features = cast(nn.Sequential, backbone.features)[: max(LEVELS) + 1]
        self.laterals = nn.ModuleList(conv_bn_relu(c, width, 1) for c in LEVELS.values())
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), conv(LEVELS[max(LEVELS)], width, 1, bias=True), nn.Sigmoid()
        )
        self.merges = nn.ModuleList(SeparableConv(width, width) for _ in list(LEVELS)[:-1])
        self.head = nn.Sequential(SeparableConv(width, width), conv(width, 1, 1, bias=True))

    def forward(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> Tensor:
        """Compute logits, B x 1 x h x w, at a quarter of the size of the image, rounded up.

        Args:
            image_B3HW: normalised image.
            clicks_BCHW: click features of `STEM_CHANNELS` at half the size of the image, added after the
                first convolution; None where the clicks are already in the image.
        """
        x = self.features[0](image_B3HW)
        if clicks_BCHW is not None:
            x = x + clicks_BCHW
        levels = []
        for index, block in enumerate(self.features[1:], start=1):
            x = block(x)
            if index in LEVELS:
                levels.append(x)

        *finer, coarsest = (lateral(level) for lateral, level in zip(self.laterals, levels, strict=True))
        out = coarsest * self.gate(levels[-1])
        for merge, level in zip(reversed(self.merges), reversed(finer), strict=True):
            out = merge(level + resize(out, (level.shape[2], level.shape[3])))
        logits: Tensor = self.head(out)
        return logits
