"""ResNet whose last two stages are dilated instead of strided, so that it ends at an eighth of the image.

Attribute names are part of the published state-dict keys.
Shapes: B batch, C channels, H and W the image.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional

from ritm_model.networks.blocks import BasicBlock, Block, Bottleneck, conv, conv_bn_relu, residual_blocks


class StageLayout(NamedTuple):
    block: Block
    depths: tuple[int, int, int, int]
    deep_stem: bool  # three 3x3 convolutions in place of one 7x7


LAYOUTS = {
    "resnet34": StageLayout(BasicBlock, (3, 4, 6, 3), deep_stem=False),
    "resnet50": StageLayout(Bottleneck, (3, 4, 6, 3), deep_stem=True),
    "resnet101": StageLayout(Bottleneck, (3, 4, 23, 3), deep_stem=True),
    "resnet152": StageLayout(Bottleneck, (3, 8, 36, 3), deep_stem=True),
}


class ResNet(nn.Module):
    """The backbone by its name in `LAYOUTS`.

    Attributes:
        skip_channels: channels of the first output, at a quarter of the image.
        out_channels: channels of the second output, at an eighth of the image.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        block, depths, deep_stem = LAYOUTS[name]
        stem = 128 if deep_stem else 64
        self.skip_channels = 64 * block.expansion
        self.out_channels = 512 * block.expansion

        if deep_stem:
            self.conv1: nn.Module = nn.Sequential(
                *conv_bn_relu(3, 64, 3, stride=2), *conv_bn_relu(64, 64, 3), conv(64, stem, 3)
            )
        else:
            self.conv1 = conv(3, stem, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = residual_blocks(block, stem, 64, depths[0])
        self.layer2 = residual_blocks(block, 64 * block.expansion, 128, depths[1], stride=2)
        self.layer3 = residual_blocks(block, 128 * block.expansion, 256, depths[2], dilation=2)
        self.layer4 = residual_blocks(block, 256 * block.expansion, 512, depths[3], dilation=4)

    def forward(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> tuple[Tensor, Tensor]:
        """Compute the features after layer1 and after layer4.

        Args:
            image_B3HW: normalised image.
            clicks_BCHW: click features at half the size of the image, added to the first channels of the
                stem; None where the clicks are already in the image.
        """
        x = self.relu(self.bn1(self.conv1(image_B3HW)))
        if clicks_BCHW is not None:
            missing = x.shape[1] - clicks_BCHW.shape[1]
            x = x + functional.pad(clicks_BCHW, (0, 0, 0, 0, 0, missing))
        skip: Tensor = self.layer1(self.maxpool(x))
        out: Tensor = self.layer4(self.layer3(self.layer2(skip)))
        return skip, out
