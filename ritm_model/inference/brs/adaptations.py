"""What BRS changes in a network, as functions of a vector of parameters that starts at zero.

Shapes: B batch (1, or 2 with the mirror image), C channels, H x W the network's view, M maps,
P points, 3 = (row, column, order).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ritm_model.inference.brs.feature_points import FeaturePoint, Features
from ritm_model.inference.geometry import Size
from ritm_model.networks import InteractiveModel
from ritm_model.networks.blocks import resize

PENALTY = 1e-3
BIAS_PENALTY = 10 * PENALTY
CLICK_MAPS = 2


class Adaptation(Protocol):
    """A way to change what a network answers."""

    @property
    def outlives_crop(self) -> bool:
        """Whether parameters and what `prepare` gives, found for one part of the image, serve others."""

    def prepare(self, image_BCHW: Tensor, points_BP3: Tensor) -> Features:
        """Run the part of the network that does not depend on the parameters.

        The inputs may be on any device; what comes back is on that of the network.
        """

    def count(self, prepared: Features) -> int:
        """How many parameters there are."""

    def answer(self, prepared: Features, params: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        """B x 1 x H x W logits, and a penalty on large parameters."""


@dataclass(frozen=True, slots=True)
class ScaleAndBias:
    """f-BRS: scale and shift each channel of the features at one point, in the mirror image alike."""

    model: InteractiveModel
    point: FeaturePoint
    outlives_crop: bool = True

    def prepare(self, image_BCHW: Tensor, points_BP3: Tensor) -> Features:
        return self.point.before(*self.model.fuse(*_encoded(self.model, image_BCHW, points_BP3)))

    def count(self, prepared: Features) -> int:
        return 2 * prepared[0].shape[1]

    def answer(self, prepared: Features, params: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        features_BChw, *others = prepared
        scale_1C11, bias_1C11 = params.view(2, 1, -1, 1, 1)
        logits_B1hw = self.point.after(features_BChw * (1 + scale_1C11) + bias_1C11, *others)
        penalty = PENALTY * scale_1C11.square().sum() + BIAS_PENALTY * bias_1C11.square().sum()
        return resize(logits_B1hw, size), penalty


@dataclass(frozen=True, slots=True)
class AddedToInput:
    """RGB-BRS and DistMap-BRS: add parameters to each pixel of the normalised image or of the click maps.

    The mirror image gets them mirrored.
    """

    model: InteractiveModel
    to_clicks: bool
    outlives_crop: bool = False

    def prepare(self, image_BCHW: Tensor, points_BP3: Tensor) -> Features:
        return _encoded(self.model, image_BCHW, points_BP3)

    def count(self, prepared: Features) -> int:
        height, width = prepared[0].shape[2:]
        return (CLICK_MAPS if self.to_clicks else 3) * height * width

    def answer(self, prepared: Features, params: Tensor, size: Size) -> tuple[Tensor, Tensor]:
        image_B3HW, maps_BMHW = prepared
        added_BCHW = params.view(1, -1, *size)
        if len(image_B3HW) == 2:
            added_BCHW = torch.cat([added_BCHW, added_BCHW.flip(3)])
        if self.to_clicks:
            # The previous mask, which comes first where there is one, stays as it is.
            others, clicks_B2HW = maps_BMHW[:, :-CLICK_MAPS], maps_BMHW[:, -CLICK_MAPS:]
            maps_BMHW = torch.cat([others, clicks_B2HW + added_BCHW], dim=1)
        else:
            image_B3HW = image_B3HW + added_BCHW
        logits_B1HW = self.model.segment(image_B3HW, maps_BMHW)["instances"]
        return logits_B1HW, PENALTY * added_BCHW.square().sum()


def _encoded(model: InteractiveModel, image_BCHW: Tensor, points_BP3: Tensor) -> tuple[Tensor, Tensor]:
    return model.encode(image_BCHW.to(model.device), points_BP3.to(model.device))
