"""Engines run a network; a predictor does not care which.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch

from ritm_model.inference.engines.original import Original
from ritm_model.inference.engines.resident import ResidentImages
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

    Args:
        model: to be run.
        device: "cpu", "cuda", …
        name: of the weights; of a model with a file, its version.
        path: the file of the model, if it has one, so that its weights need not be held twice.

    Attributes:
        viewing: how photographs are best shown to the network.
        resident: photographs on the device; None on a CPU.
    """

    def __init__(
        self, model: InteractiveModel, device: str = "cpu", name: str = "unnamed", path: Path | None = None
    ) -> None:
        self.device = torch.device(device)
        self.name = name
        self.with_prev_mask = model.with_prev_mask
        self.viewing = model.viewing
        self.resident = ResidentImages(self.device) if self.device.type != "cpu" else None
        if path is None or model.device != self.device:
            model = inference_copy(model, self.device)
        self._prepared = prepared(model)
        self._original = Original(model, path, name)

    @property
    def model(self) -> InteractiveModel:
        """Another copy, for whoever needs its parts. Changing it does not change the answers.

        Raises:
            CheckpointError: its file is gone, or has other weights by now.
        """
        return self._original.get()

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            outputs = self._prepared(image_BCHW.to(self.device), points_BP3.to(self.device))
            logits_B1HW: torch.Tensor = outputs["instances"]
            return logits_B1HW
