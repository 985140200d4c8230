"""`torch.compile`: code made for this network on this machine.

Shapes: B batch, C channels, H x W the network's input, P points, 3 = (row, column, order).
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ritm_model.inference.engines.graph import EngineError
from ritm_model.networks import InteractiveModel, inference_copy, prepared

MOST_GRAPHS = 64


class CompiledEngine:
    """Compiles a prepared copy of a network when it first runs, which takes minutes.

    On a CPU, one program serves all sizes of images. On a GPU, the network runs in half precision, and sizes
    of batch and image that are met again become a CUDA graph each: none is padded to another size, because
    that would change the answer. A graph keeps memory for as long as the engine lives, so there are at most
    `MOST_GRAPHS`; other sizes run uncompiled.
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
        self._frequent = Frequent(MOST_GRAPHS)
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
            has_graph = self._on_gpu and self._frequent.has(image_BCHW.shape)
            segment = self._segment if has_graph or not self._on_gpu else self._network.segment
            with torch.autocast(self.device.type, dtype=_half(), enabled=self._on_gpu):
                try:
                    logits_B1HW: Tensor = segment(*inputs)["instances"]
                except torch._dynamo.exc.TorchDynamoException as error:
                    raise EngineError(
                        f"torch.compile fails on this machine ({type(error).__name__}); use --engine torch."
                    ) from error
            # The memory of a CUDA graph's answer is that of the next one's.
            return logits_B1HW.float().clone()


class Frequent:
    """Which sizes are met often enough to be worth memory: a bounded number of those that were met twice."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._met: Counter[torch.Size] = Counter()
        self._chosen: set[torch.Size] = set()

    def has(self, size: torch.Size) -> bool:
        """Whether this size, which is met once more, is one of them; the first of all is at once."""
        self._met[size] += 1
        if len(self._chosen) < self._most and (self._met[size] > 1 or not self._chosen):
            self._chosen.add(size)
        return size in self._chosen


def _half() -> torch.dtype:
    on_gpu = torch.cuda.is_available()
    return torch.bfloat16 if not on_gpu or torch.cuda.is_bf16_supported() else torch.float16
