"""A network as one function of two tensors, for those who run it elsewhere: OpenVINO and ONNX.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ritm_model.errors import RitmError
from ritm_model.networks import InteractiveModel


class EngineError(RitmError):
    """An engine that is not installed, not known, or not able to run this network here."""


class Graph(nn.Module):
    """From image and points to logits: normalisation and the drawing of clicks are part of it.

    Raises:
        EngineError: a network that sees distances to the clicks instead of disks. Its drawing takes as many
            steps as there are clicks, which a converter would record for one number of clicks only.
    """

    def __init__(self, model: InteractiveModel) -> None:
        super().__init__()
        if not model.params.get("use_disks"):
            raise EngineError("Networks that see distances to the clicks, not disks, run on torch only.")
        self.model = model

    def forward(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        logits_B1HW: Tensor = self.model(image_BCHW, points_BP3)["instances"]
        return logits_B1HW

    def example(self) -> tuple[Tensor, Tensor]:
        """An image and three rows of points of each kind, small, with all sizes different."""
        image_BCHW = torch.zeros(1, 3 + self.model.with_prev_mask, 96, 128)
        unused = [-1.0, -1.0, -1.0]
        points = [[40.0, 50.0, 0.0], [60.0, 90.0, 2.0], unused, [9.0, 8.0, 1.0], unused, unused]
        return image_BCHW, torch.tensor([points])
