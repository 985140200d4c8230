"""Which of cuDNN's algorithms a GPU computes convolutions by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def quickest_convolutions(device: torch.device) -> Iterator[None]:
    """Within the block, on a GPU, try cuDNN's algorithms for each new size, and keep to the quickest one.

    That pays where sizes are few, as those of a recipe's crops; a serving process would try without end. It
    holds for the whole process. Other devices, and who asks PyTorch for deterministic algorithms, are left
    as they are: which algorithm is the quickest may differ from run to run, and so does rounding.
    """
    before = torch.backends.cudnn.benchmark
    is_deterministic = torch.backends.cudnn.deterministic or torch.are_deterministic_algorithms_enabled()
    if device.type == "cuda" and not is_deterministic:
        torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
