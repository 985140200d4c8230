"""`torch.compile`: code made for this network on this machine.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor

from ritm_model.inference.engines.cuda_graphs import GraphPerSize
from ritm_model.inference.engines.graph import EngineError
from ritm_model.inference.engines.resident import ResidentImages
from ritm_model.networks import InteractiveModel, inference_copy, prepared

MOST_GRAPHS = 64


class CompiledEngine:
    """Compiles a prepared copy of a network when it first runs, which takes minutes.

    One program serves all sizes of images. On a GPU it computes in half precision, and sizes of batch and
    image that are met again become a CUDA graph each, `MOST_GRAPHS` at most: none is padded to another size,
    because that would change the answer.
    """

    def __init__(self, model: InteractiveModel, device: str = "cpu", name: str = "unnamed") -> None:
        self.device = torch.device(device)
        self.name = name
        self.with_prev_mask = model.with_prev_mask
        self.resident = ResidentImages(self.device) if self.device.type != "cpu" else None
        self._network = prepared(inference_copy(model, self.device))
        self._compiled = torch.compile(self._network.segment, dynamic=True)
        on_gpu = self.device.type == "cuda"
        self._run = GraphPerSize(self._segment, MOST_GRAPHS) if on_gpu else self._segment
        self._half = _half() if on_gpu else None
        self._lock = Lock()

    def run(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        """See `Engine.run`.

        Raises:
            EngineError: the network could not be compiled, for want of a C++ compiler for example.
        """
        with torch.inference_mode(), self._lock:
            inputs = self._network.encode(image_BCHW.to(self.device), points_BP3.to(self.device))
            try:
                return self._run(*inputs)
            except torch._dynamo.exc.TorchDynamoException as error:
                raise EngineError(
                    f"torch.compile fails on this machine ({type(error).__name__}); use --engine torch."
                ) from error

    def _segment(self, image_B3HW: Tensor, maps_BMHW: Tensor) -> Tensor:
        # Weights that autocast keeps from one run to the next would be lost with the graph that made them.
        with torch.autocast(
            self.device.type, dtype=self._half, enabled=self._half is not None, cache_enabled=False
        ):
            logits_B1HW: Tensor = self._compiled(image_B3HW, maps_BMHW)["instances"]
        return logits_B1HW.float()


def _half() -> torch.dtype:
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
