"""CUDA graphs: all kernels of a run of the network are launched at once, for one size of input each.

Shapes: B batch, C and M channels, H x W the network's input.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

Segment = Callable[[Tensor, Tensor], Tensor]
"""From the two inputs of a network, B x C x H x W and B x M x H x W, to its logits, B x 1 x H x W."""

Recorder = Callable[[Segment, Tensor, Tensor], Segment]
"""Makes what answers inputs of the sizes of two examples as the network does."""

WARM_UP_RUNS = 3  # what libraries choose and allocate in their first runs must not become part of a graph


class CudaGraph:
    """What a network does for inputs of one size. Not thread-safe.

    Args:
        segment: the network. It neither waits for the device nor reads values from it.
        image_BCHW: an example of its first input, on the device.
        maps_BMHW: an example of its second input, likewise.
        pool: memory that the graph shares with others, see `torch.cuda.graph_pool_handle`. They overwrite
            each other's tensors, which does no harm: a run begins with inputs that lie elsewhere, and its
            answer is copied before another run begins.
    """

    def __init__(self, segment: Segment, image_BCHW: Tensor, maps_BMHW: Tensor, pool: Any = None) -> None:
        self._image_BCHW, self._maps_BMHW = image_BCHW.clone(), maps_BMHW.clone()
        here = torch.cuda.current_stream()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(here)
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP_RUNS):
                segment(self._image_BCHW, self._maps_BMHW)
        here.wait_stream(aside)
        self._graph = torch.cuda.CUDAGraph()
        # Other threads may go on using the device while this one records.
        with torch.cuda.graph(self._graph, pool=pool, capture_error_mode="thread_local"):
            self._logits_B1HW = segment(self._image_BCHW, self._maps_BMHW)

    def __call__(self, image_BCHW: Tensor, maps_BMHW: Tensor) -> Tensor:
        """Logits, in memory of their own."""
        self._image_BCHW.copy_(image_BCHW)
        self._maps_BMHW.copy_(maps_BMHW)
        self._graph.replay()
        return self._logits_B1HW.clone()


class GraphPerSize:
    """Runs a network by a graph for each size of its inputs. Not thread-safe.

    A size is recorded when it is met for the second time, since recording takes longer than a run. Of more
    sizes than `most`, those that were met longest ago are forgotten with their graphs.

    Args:
        segment: the network.
        most: sizes that are remembered.
        recorder: `CudaGraph` with one pool of memory for all, unless given.
    """

    def __init__(self, segment: Segment, most: int, recorder: Recorder | None = None) -> None:
        self._segment = segment
        self._most = most
        self._recorder = recorder or partial(CudaGraph, pool=torch.cuda.graph_pool_handle())
        self._graphs: OrderedDict[torch.Size, Segment | None] = OrderedDict()

    def __call__(self, image_BCHW: Tensor, maps_BMHW: Tensor) -> Tensor:
        """Logits, in memory of their own."""
        size = image_BCHW.shape
        graph = self._graphs.get(size)
        if graph is None and size in self._graphs:
            graph = self._recorder(self._segment, image_BCHW, maps_BMHW)
        self._graphs[size] = graph
        self._graphs.move_to_end(size)
        if len(self._graphs) > self._most:
            self._graphs.popitem(last=False)
        return (graph or self._segment)(image_BCHW, maps_BMHW)
