"""HRNet with an OCR head, from a normalised image to logits at a quarter of its size.

Attribute names are part of the published state-dict keys.
Shapes: B batch, H and W the image, h and w a quarter of them (rounded up).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ritm_model.networks.blocks import (
    BasicBlock,
    Bottleneck,
    conv,
    conv_bn,
    conv_bn_relu,
    residual_blocks,
    resize,
)
from ritm_model.networks.segmentation.ocr import ObjectAugmentation, gather_object

STEM_CHANNELS = 64


class Exchange(nn.Module):
    """One high-resolution module: residual blocks on every branch, then every branch hears all others.

    Branch i has `channels[i]` channels at 1 / 2**i of the size of branch 0.
    """

    def __init__(self, channels: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_blocks(BasicBlock, c, c, blocks) for c in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_route(channels, source, target) for source in range(len(channels)))
            for target in range(len(channels))
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        xs = [branch(x) for branch, x in zip(self.branches, inputs, strict=True)]
        return [self._fuse(routes, xs, target) for target, routes in enumerate(self.fuse_layers)]

    def _fuse(self, routes: nn.Module, xs: list[Tensor], target: int) -> Tensor:
        assert isinstance(routes, nn.ModuleList)
        size = (xs[target].shape[2], xs[target].shape[3])
        heard = [route(x) for route, x in zip(routes, xs, strict=True)]
        heard[target + 1 :] = [resize(x, size) for x in heard[target + 1 :]]
        first, *others = heard
        out: Tensor = self.relu(sum(others, start=first))
        return out


class HRNetOCR(nn.Module):
    """The four-stage body, and on top the OCR head or, with `ocr_width` 0, a plain one.

    Args:
        width: channels of the finest branch; the others have 2, 4 and 8 times as many.
        ocr_width: width of the attention; the pixel features are twice as wide. 0 for no OCR.
        small: the shallow W18-Small-v2 layout.
    """

    def __init__(self, width: int, ocr_width: int, small: bool) -> None:
        super().__init__()
        blocks = 2 if small else 4
        stage3_modules, stage4_modules = (3, 2) if small else (4, 3)
        channels = [width * 2**i for i in range(4)]

        self.conv1 = conv(3, STEM_CHANNELS, 3, stride=2)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = conv(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = residual_blocks(Bottleneck, STEM_CHANNELS, 64, blocks)

        wide = 64 * Bottleneck.expansion
        self.transition1 = nn.ModuleList(
            [conv_bn_relu(wide, channels[0], 3), _halve(wide, channels[1])],
        )
        self.stage2 = _stage(channels[:2], 1, blocks)
        self.transition2 = _add_branch(channels[:3])
        self.stage3 = _stage(channels[:3], stage3_modules, blocks)
        self.transition3 = _add_branch(channels)
        self.stage4 = _stage(channels, stage4_modules, blocks)

        features = sum(channels)
        self.ocr_width = ocr_width
        if ocr_width > 0:
            self.conv3x3_ocr = conv_bn_relu(features, 2 * ocr_width, 3, bias=True)
            self.ocr_distri_head = ObjectAugmentation(ocr_width)
            self.cls_head: nn.Module = conv(2 * ocr_width, 1, 1, bias=True)
            self.aux_head = nn.Sequential(
                *conv_bn_relu(features, features, 1, bias=True), conv(features, 1, 1, bias=True)
            )
        else:
            self.cls_head = nn.Sequential(
                *conv_bn_relu(features, features, 3, bias=True), conv(features, 1, 1, bias=True)
            )

    def forward(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> list[Tensor]:
        """Compute the logits.

        Args:
            image_B3HW: normalised image.
            clicks_BCHW: 64-channel click features at half the size of the image, added to the stem;
                None where the clicks are already in the image.

        Returns:
            [main] or, with OCR, [main, auxiliary] logits, each B x 1 x h x w.
        """
        return self.classify(self.features(image_B3HW, clicks_BCHW))

    def features(self, image_B3HW: Tensor, clicks_BCHW: Tensor | None) -> Tensor:
        """Run the body: B x 15 * width x h x w, the four branches at the size of the finest."""
        x = self.relu(self.bn1(self.conv1(image_B3HW)))
        if clicks_BCHW is not None:
            x = x + clicks_BCHW
        x = self.layer1(self.relu(self.bn2(self.conv2(x))))

        xs = self.stage2([transition(x) for transition in self.transition1])
        # Only the coarsest branch is split; the transitions of the others are identities.
        xs = self.stage3([*xs, self.transition2[-1](xs[-1])])
        xs = self.stage4([*xs, self.transition3[-1](xs[-1])])

        finest, *coarser = xs
        size = (finest.shape[2], finest.shape[3])
        return torch.cat([finest, *(resize(x, size) for x in coarser)], dim=1)

    def classify(self, features: Tensor) -> list[Tensor]:
        """Run everything after the body: [main] or [main, auxiliary] logits."""
        if self.ocr_width == 0:
            return [self.cls_head(features)]
        augmented, aux_B1hw = self.augment(features)
        return [self.cls_head(augmented), aux_B1hw]

    def augment(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Run the OCR head up to its classifier: B x 2 * ocr_width x h x w features, auxiliary logits."""
        aux_B1hw: Tensor = self.aux_head(features)
        pixels = self.conv3x3_ocr(features)
        augmented: Tensor = self.ocr_distri_head(pixels, gather_object(pixels, aux_B1hw))
        return augmented, aux_B1hw


def _halve(in_channels: int, out_channels: int) -> nn.Sequential:
    """Wrap one step of stride 2 the way the published keys number it."""
    return nn.Sequential(conv_bn_relu(in_channels, out_channels, 3, stride=2))


def _add_branch(channels: Sequence[int]) -> nn.ModuleList:
    *kept, source, new = channels
    return nn.ModuleList([*(nn.Identity() for _ in [*kept, source]), _halve(source, new)])


def _stage(channels: Sequence[int], modules: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(Exchange(channels, blocks) for _ in range(modules)))


def _route(channels: Sequence[int], source: int, target: int) -> nn.Module:
    """Make the path from one branch to another, without the final upsampling."""
    if source == target:
        return nn.Identity()
    if source > target:
        return conv_bn(channels[source], channels[target], 1)
    same = channels[source]
    steps = [conv_bn_relu(same, same, 3, stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*steps, conv_bn(same, channels[target], 3, stride=2))
