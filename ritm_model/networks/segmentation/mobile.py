"""MobileNetV3-Large under a light feature pyramid, for CPUs."""

from __future__ import annotations

from typing import cast

from torch import nn

from ritm_model.networks.segmentation.pyramid import FeaturePyramid

STEM_CHANNELS = 16
# Last block before each halving, and its channels: strides 4, 8, 16 and 32.
LEVELS = {3: 24, 6: 40, 12: 112, 15: 160}


def mobile_pyramid(width: int) -> FeaturePyramid:
    """Make the network; the names in the backbone are torchvision's, so that its ImageNet weights fit."""
    from torchvision.models import mobilenet_v3_large  # takes as long to import as the rest together

    # The paper's normalisation: the running means must follow fast, for training looks through them too.
    backbone = mobilenet_v3_large(weights=None, norm_layer=nn.BatchNorm2d)
    features = cast(nn.Sequential, backbone.features)[: max(LEVELS) + 1]
    return FeaturePyramid(features, LEVELS, width)
