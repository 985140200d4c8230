"""Building blocks that both network families share.

Attribute names here are part of the published state-dict keys: renaming one breaks old checkpoints.
Shapes: B batch, C channels, H and W rows and columns of a feature map.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
) -> nn.Conv2d:
    """Make a convolution padded so that stride 1 keeps the size and stride 2 gives ceil(n / 2)."""
    return nn.Conv2d(
        in_channels,
        out_channels,
        kernel,
        stride=stride,
        padding=dilation * (kernel // 2),
        dilation=dilation,
        groups=groups,
        bias=bias,
    )


def conv_bn(in_channels: int, out_channels: int, kernel: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        conv(in_channels, out_channels, kernel, stride=stride),
        nn.BatchNorm2d(out_channels),
    )


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    dilation: int = 1,
    bias: bool = False,
) -> nn.Sequential:
    return nn.Sequential(
        conv(in_channels, out_channels, kernel, stride=stride, dilation=dilation, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class ZeroConv(nn.Conv2d):
    """A convolution that starts at zero, so that what it adds to is not changed at first."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


def resize(x_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize bilinearly with aligned corners, as everywhere in the paper's networks."""
    return functional.interpolate(x_BCHW, size=size, mode="bilinear", align_corners=True)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around an identity.

    The second convolution is dilated by `next_dilation`, that of the blocks to follow, so that the first
    block of a dilated stage changes the dilation half-way.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, planes: int, *, stride: int = 1, dilation: int = 1, next_dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, planes, 3, stride=stride, dilation=dilation)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv(planes, planes, 3, dilation=next_dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, planes, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x_BCHW)))
        y = self.bn2(self.conv2(y))
        out: Tensor = self.relu(y + self.downsample(x_BCHW))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around an identity; the last one widens to `4 * planes`."""

    expansion = 4

    def __init__(
        self, in_channels: int, planes: int, *, stride: int = 1, dilation: int = 1, next_dilation: int = 1
    ) -> None:
        del next_dilation  # one 3x3 convolution only: nothing is left to change over
        super().__init__()
        out_channels = planes * self.expansion
        self.conv1 = conv(in_channels, planes, 1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = conv(planes, planes, 3, stride=stride, dilation=dilation)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = conv(planes, out_channels, 1)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x_BCHW)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + self.downsample(x_BCHW))
        return out


Block = type[BasicBlock] | type[Bottleneck]


def residual_blocks(
    block: Block, in_channels: int, planes: int, count: int, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Chain `count` blocks.

    The first one changes channels and stride; in a dilated chain its first 3x3 convolution still has half
    the dilation.
    """
    first = block(in_channels, planes, stride=stride, dilation=max(1, dilation // 2), next_dilation=dilation)
    rest = (
        block(planes * block.expansion, planes, dilation=dilation, next_dilation=dilation)
        for _ in range(count - 1)
    )
    return nn.Sequential(first, *rest)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_bn(in_channels, out_channels, 1, stride=stride)
