"""DeepLabV3+ over a dilated ResNet, from a normalised image to logits at a quarter of its size.

Attribute names (the spelling "concurent" too) are part of the published state-dict keys.
Shapes: B batch, C channels, H and W the image, h and w a feature map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ritm_model.networks.blocks import conv, conv_bn_relu, resize
from ritm_model.networks.segmentation.resnet import ResNet

ASPP_RATES = (12, 24, 36)
SKIP_CHANNELS = 32


class DeepLabV3Plus(nn.Module):
    """Backbone, pyramid and decoder: B x `channels` x h x w features at a quarter of the image."""

    def __init__(self, backbone: str, channels: int, dropout: float) -> None:
        super().__init__()
        self.backbone = ResNet(backbone)
        self.head = DecoderHead(channels + SKIP_CHANNELS, channels)
        self.skip_project = SkipProject(self.backbone.skip_channels)
        self.aspp = ASPP(self.backbone.out_channels, channels, dropout)

    def forward(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> Tensor:
        out: Tensor = self.head(self.join(*self.backbone(image_B3HW, clicks_BCHW)))
        return out

    def join(self, skip_BChw: Tensor, deep_BChw: Tensor) -> Tensor:
        """Run the pyramid on the deep features and put the shallow ones, which are larger, beside them."""
        skip = self.skip_project(skip_BChw)
        deep = resize(self.aspp(deep_BChw), (skip.shape[2], skip.shape[3]))
        return torch.cat([deep, skip], dim=1)


class SkipProject(nn.Module):
    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.skip_project = conv_bn_relu(in_channels, SKIP_CHANNELS, 1)

    def forward(self, x_BChw: Tensor) -> Tensor:
        out: Tensor = self.skip_project(x_BChw)
        return out


class ASPP(nn.Module):
    """Atrous spatial pyramid: one 1x1, three dilated 3x3 and one global view, joined by a 1x1."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.concurent = nn.ModuleList(
            [
                conv_bn_relu(in_channels, channels, 1),
                *(conv_bn_relu(in_channels, channels, 3, dilation=rate) for rate in ASPP_RATES),
                GlobalView(in_channels, channels),
            ]
        )
        joined = channels * len(self.concurent)
        self.project = nn.Sequential(*conv_bn_relu(joined, channels, 1), nn.Dropout(dropout))

    def forward(self, x_BChw: Tensor) -> Tensor:
        out: Tensor = self.project(torch.cat([view(x_BChw) for view in self.concurent], dim=1))
        return out


class GlobalView(nn.Module):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.gap = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(in_channels, channels, 1))

    def forward(self, x_BChw: Tensor) -> Tensor:
        # Resizing a single pixel with aligned corners repeats it.
        pooled_BC11: Tensor = self.gap(x_BChw)
        return pooled_BC11.expand(-1, -1, x_BChw.shape[2], x_BChw.shape[3])


class SeparableConv(nn.Module):
    """Depthwise 3x3, pointwise 1x1, normalisation and ReLU, with nothing between the first two."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            conv(in_channels, in_channels, 3, groups=in_channels), *conv_bn_relu(in_channels, out_channels, 1)
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        out: Tensor = self.body(x_BChw)
        return out


class DecoderHead(nn.Module):
    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            SeparableConv(in_channels, channels),
            SeparableConv(channels, channels),
            conv(channels, channels, 1, bias=True),
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        out: Tensor = self.block(x_BChw)
        return out


class LogitsHead(nn.Module):
    """Features to B x 1 x h x w logits."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        middle = in_channels // 2
        self.layers = nn.Sequential(
            SeparableConv(in_channels, middle), SeparableConv(middle, middle), conv(middle, 1, 1, bias=True)
        )

    def forward(self, x_BChw: Tensor) -> Tensor:
        out: Tensor = self.layers(x_BChw)
        return out
