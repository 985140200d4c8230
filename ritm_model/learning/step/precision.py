"""In which numbers the network computes. Weights, losses and the optimiser stay in fp32.

bf16 and fp16 halve the memory of the activations and use the tensor cores of GPUs; fp16 needs its losses
scaled, or small gradients would vanish.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

PrecisionName = Literal["fp32", "bf16", "fp16"]

TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_SCALE = 1.0  # a loss that is not even finite at this scale is not finite at all


@dataclass(frozen=True, slots=True)
class Precision:
    """How a device computes.

    Attributes:
        device: of the network.
        name: of the numbers.
        scaler: of the losses; does nothing unless the numbers are fp16.
    """

    device: torch.device
    name: PrecisionName
    scaler: torch.amp.GradScaler

    def autocast(self) -> AbstractContextManager[None]:
        """Compute in these numbers where that is safe."""
        if self.name not in TYPES:
            return nullcontext()
        return torch.autocast(self.device.type, TYPES[self.name])

    def may_overflow(self) -> bool:
        """Whether gradients that are not finite may be a matter of the scale, which adapts itself."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > LEAST_SCALE


def precision_named(name: PrecisionName, device: torch.device) -> Precision:
    scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")
    return Precision(device, name, scaler)
