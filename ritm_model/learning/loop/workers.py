"""Data-loader workers: processes that prepare samples beside the one that learns."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from ritm_model.cpus import usable_cpus
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.stopping import leave_signals_to_parent
from ritm_model.learning.recipes import Recipe


def workers_of(recipe: Recipe, world: World) -> int:
    """How many processes make samples for this one; see `DataPart.workers`."""
    if recipe.data.workers is not None:
        return recipe.data.workers
    return max(1, usable_cpus() // world.local_size) if world.device.type == "cuda" else 0


def each_of(loader: DataLoader[Any]) -> Generator[Any, None, None]:
    """What a loader gives; its workers end with it, or when it is closed."""
    each = iter(loader)
    try:
        yield from each
    finally:
        # Not left to the end of the process, which would end workers by SIGTERM: they do not listen to it.
        if isinstance(each, _MultiProcessingDataLoaderIter):
            each._shutdown_workers()


def begin_worker(_number: int) -> None:
    """What a worker does first."""
    leave_signals_to_parent()
    torch.set_num_threads(1)
    # Not 1: that would wait for threads of the parent process, which are not in a process that was forked.
    cv2.setNumThreads(0)
