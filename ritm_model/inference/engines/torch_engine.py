"""Engines run a network; a predictor does not care which.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from typing import Protocol

import torch

from ritm_model.networks import InteractiveModel, inference_copy, prepared


class Engine(Protocol):
    """One network, ready to run. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """Which weights are running, for people and for cache keys."""

    @property
    def with_prev_mask(self) -> bool:
        """Whether the network takes the previous mask as a fourth channel."""

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        """Logits, B x 1 x H x W.

        Args:
            image_BCHW: float32 RGB in [0, 1], then the previous mask in [0, 1] where the network takes it.
            points_BP3: float32, laid out as `ritm_model.clicks.points_array` does.
        """


class TorchEngine:
    """Runs a prepared copy of a network with PyTorch, on a CPU or GPU. The network is left as it is.

    Attributes:
        model: another copy, for whoever needs its parts. Changing it does not change the answers.
    """

    def __init__(self, model: InteractiveModel, device: str = "cpu", name: str = "unnamed") -> None:
        self.device = torch.device(device)
        self.name = name
        self.with_prev_mask = model.with_prev_mask
        self.model = inference_copy(model, self.device)
        self._prepared = prepared(self.model)

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            outputs = self._prepared(image_BCHW.to(self.device), points_BP3.to(self.device))
            logits_B1HW: torch.Tensor = outputs["instances"]
            return logits_B1HW
