"""`torch.compile`: code made for this network on this machine.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ritm_model.inference.engines.graph import EngineError
from ritm_model.networks import InteractiveModel, inference_copy, prepared


class CompiledEngine:
    """Compiles a prepared copy of a network when it first runs, which takes minutes.

    On a CPU, one program serves all sizes of images. On a GPU, the network runs in half precision, and each
    size of batch and image becomes a CUDA graph of its own when it is first met: none is padded to another
    size, because that would change the answer.
    """

    def __init__(self, model: InteractiveModel, device: str = "cpu", name: str = "unnamed") -> None:
        self.device = torch.device(device)
        self.name = name
        self.with_prev_mask = model.with_prev_mask
        self._network = prepared(inference_copy(model, self.device))
        self._on_gpu = self.device.type == "cuda"
        self._segment = torch.compile(
            self._network.segment, dynamic=True, mode="reduce-overhead" if self._on_gpu else None
        )
        # CUDA graphs belong to the thread that recorded them.
        self._thread = ThreadPoolExecutor(1, "compiled-network")

    def run(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        """See `Engine.run`.

        Raises:
            EngineError: the network could not be compiled, for want of a C++ compiler for example.
        """
        return self._thread.submit(self._run, image_BCHW, points_BP3).result()

    def _run(self, image_BCHW: Tensor, points_BP3: Tensor) -> Tensor:
        with torch.inference_mode():
            inputs = self._network.encode(image_BCHW.to(self.device), points_BP3.to(self.device))
            with torch.autocast(self.device.type, dtype=_half(), enabled=self._on_gpu):
                try:
                    logits_B1HW: Tensor = self._segment(*inputs)["instances"]
                except torch._dynamo.exc.TorchDynamoException as error:
                    raise EngineError(
                        f"torch.compile fails on this machine ({type(error).__name__}); use --engine torch."
                    ) from error
            # The memory of a CUDA graph's answer is that of the next one's.
            return logits_B1HW.float().clone()


def _half() -> torch.dtype:
    on_gpu = torch.cuda.is_available()
    return torch.bfloat16 if not on_gpu or torch.cuda.is_bf16_supported() else torch.float16
