"""Start several processes that train one model together, as `torchrun` would on this machine."""

from __future__ import annotations

import logging
import signal
import uuid
from collections.abc import Mapping
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from ritm_model.datasets import Roots
from ritm_model.errors import CheckpointError, TrainingError
from ritm_model.learning.loop.loop import train
from ritm_model.learning.recipes import Recipe

_FOR_PEOPLE = (TrainingError.__name__, CheckpointError.__name__)


def train_together(
    recipe: Recipe, data: Path | Roots, out: Path, processes: int, *, tensorboard: bool = False
) -> Path:
    """`engine.train` in so many processes of this machine; see there.

    Raises:
        TrainingError: also where one of the processes ended; the others are then ended, too.
    """
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        max_restarts=0,
        start_method="spawn",
    )
    # What ended a process is said once, by the sentence below.
    for name in ("torch.distributed.elastic", "torch.multiprocessing.spawn"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        paths: dict[int, Path] = elastic_launch(config, _one_of_them)(recipe, data, out, tensorboard)
    except ChildFailedError as error:
        raise TrainingError(_sentence(error.failures, processes)) from None
    return paths[0]


@record
def _one_of_them(recipe: Recipe, data: Path | Roots, out: Path, tensorboard: bool) -> Path:
    return train(recipe, data, out, tensorboard=tensorboard)


def _sentence(failures: Mapping[int, ProcessFailure], processes: int) -> str:
    """What to say of processes that ended: of the one that ended first, not of those which missed it."""
    ends = {rank: each.exitcode for rank, each in failures.items()}
    # The launcher ends the others by SIGTERM.
    killed = {rank: failures[rank] for rank, end in ends.items() if end < 0 and end != -signal.SIGTERM}
    rank, first = min((killed or failures).items(), key=lambda item: item[1].timestamp)
    if killed:
        name = signal.Signals(-first.exitcode).name
        return (
            f"Process {rank + 1} of {processes} was ended by {name}, so the run ends. "
            "The same command goes on from the last checkpoint."
        )
    told: object = first.error_file_data.get("message", "") if first.error_file_data else ""
    kind, _, text = str(told.get("message", "") if isinstance(told, dict) else told).partition(": ")
    line = (text.splitlines() or ["no reason was given"])[0]
    return line if kind in _FOR_PEOPLE else f"Process {rank + 1} of {processes} failed: {kind}: {line}"
