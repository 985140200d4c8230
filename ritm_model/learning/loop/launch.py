"""Start several processes that train one model together, as `torchrun` would on this machine."""

from __future__ import annotations

import logging
import signal
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from ritm_model.datasets import Roots
from ritm_model.errors import CheckpointError, TrainingError
from ritm_model.learning.loop.loop import train
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.stopping import SIGNALS, RunStopped, stop_on
from ritm_model.learning.recipes import Recipe

_FOR_PEOPLE = (TrainingError.__name__, CheckpointError.__name__)
_TOLD = {RunStopped(number).exit_code: number for number in SIGNALS}  # how processes end that were told to


def train_together(
    recipe: Recipe,
    data: Path | Roots,
    out: Path,
    processes: int,
    *,
    tensorboard: bool = False,
    resume_with: Sequence[str] = (),
) -> Path:
    """`loop.train` in so many processes of this machine; see there.

    SIGTERM or SIGINT to this process or any of them ends the run, with a checkpoint. They have 30 seconds.

    Raises:
        TrainingError: also where one of the processes ended; the others are then ended, too.
        RunStopped: the run was told to end by a signal.
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
        paths: dict[int, Path] = elastic_launch(config, _one_of_them)(
            recipe, data, out, tensorboard, resume_with
        )
    except ChildFailedError as error:
        failed = {rank: each for rank, each in error.failures.items() if each.exitcode not in _TOLD}
        if not failed:
            raise _stopped(_TOLD[error.get_first_failure()[1].exitcode], recipe, out) from None
        raise TrainingError(_sentence(failed, processes)) from None
    except SignalException as error:
        raise _stopped(error.sigval, recipe, out) from None
    return paths[0]


@record
def _one_of_them(
    recipe: Recipe, data: Path | Roots, out: Path, tensorboard: bool, resume_with: Sequence[str]
) -> Path:
    with stop_on() as stop:
        try:
            return train(recipe, data, out, tensorboard=tensorboard, stop=stop, resume_with=resume_with)
        except RunStopped as stopped:
            sys.exit(stopped.exit_code)


def _stopped(number: int, recipe: Recipe, out: Path) -> RunStopped:
    state = RunFolder(out).load_checkpoint()
    return RunStopped(number, state["step"] if state else None, recipe.steps)


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
