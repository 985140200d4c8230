"""Several processes that learn one model together, each from its slice of every batch.

They are started by `torchrun` or by `ritm_model.learning.loop.launch`; both tell each process its place in
environment variables. A process alone is a world of one, in which nothing needs to be sent.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain

import torch
from torch import Tensor, distributed

from ritm_model.errors import TrainingError
from ritm_model.learning.step.convolutions import quickest_convolutions

PATIENCE = timedelta(hours=2)  # one process may validate or load data much longer than another


@dataclass(frozen=True, slots=True)
class World:
    """The processes of a run, and which of them this one is.

    Attributes:
        rank: this process, from 0.
        size: how many there are.
        device: what this process computes on.
        local_size: how many of them share this machine.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    local_size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def share(self, count: int) -> int:
        """How many of a batch of `count` samples each process gets.

        Raises:
            TrainingError: they cannot be shared evenly.
        """
        if count % self.size:
            raise TrainingError(f"A batch_size of {count} cannot be shared evenly by {self.size} processes.")
        return count // self.size

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            self.mean(torch.zeros(1))

    def mean(self, values: Tensor) -> Tensor:
        """Mean over the processes, on the device of `values`."""
        if self.size == 1:
            return values
        total = values.detach().to(self.device, copy=True)
        distributed.all_reduce(total)
        return (total / self.size).to(values.device)

    def gather(self, values: Tensor, dim: int = 0) -> Tensor:
        """Put tensors of one shape together along an axis, in the order of the processes."""
        if self.size == 1:
            return values
        ours = values.detach().to(self.device).contiguous()
        parts = [torch.empty_like(ours) for _ in range(self.size)]
        distributed.all_gather(parts, ours)
        return torch.cat(parts, dim).to(values.device)

    def check_same(self, what: str, value: str, advice: str) -> None:
        """Wait until all processes are here, and see that they have the same.

        Args:
            what: of the value, for the sentence.
            value: that this process has.
            advice: how to have the same.

        Raises:
            TrainingError: a process has another value than the first one; all say so.
        """
        first, *others = self.gather_texts([value])
        for rank, other in enumerate(others, 1):
            if other != first:
                raise TrainingError(
                    f"Process {rank + 1} of {self.size} has {what} {other}, and the first one has {first}: "
                    f"{advice}."
                )

    def gather_texts(self, texts: Sequence[str]) -> list[str]:
        """Put lists of texts together, in the order of the processes."""
        if self.size == 1:
            return list(texts)
        parts: list[Sequence[str]] = [()] * self.size
        distributed.all_gather_object(parts, list(texts))
        return list(chain.from_iterable(parts))


def device_named(name: str, local_rank: int = 0) -> torch.device:
    """Choose a device by "auto", "cpu" or "cuda"; each process of a machine gets a GPU of its own.

    Raises:
        TrainingError: there is no such device, or fewer GPUs than processes.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if local_rank >= count:
        found = f"only {count} of them" if count else "none"
        raise TrainingError(f"{local_rank + 1} GPUs are needed (device: {name}), but PyTorch sees {found}.")
    return torch.device("cuda", local_rank)


@contextmanager
def joined(device: str, environment: Mapping[str, str] = os.environ) -> Iterator[World]:
    """Be one of the processes that `environment` tells of, or alone if it tells of none.

    Args:
        device: see `device_named`.
        environment: RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE and where the others are, as set by
            torchrun.

    Raises:
        TrainingError: no such device, or another process ended while this one waited for it.
    """
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1:
        chosen = device_named(device)
        with quickest_convolutions(chosen):
            yield World(device=chosen)
        return
    chosen = device_named(device, int(environment.get("LOCAL_RANK", "0")))
    if chosen.type == "cuda":
        torch.cuda.set_device(chosen)
    backend = "nccl" if chosen.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=PATIENCE)
    try:
        local_size = int(environment.get("LOCAL_WORLD_SIZE", size))
        with quickest_convolutions(chosen):
            yield World(distributed.get_rank(), size, chosen, local_size)
    except RuntimeError as error:
        if not _is_lost_connection(error):
            raise
        raise TrainingError(
            "Another process of this run has ended, so this one ends, too. "
            "The same command goes on from the last checkpoint."
        ) from None
    finally:
        distributed.destroy_process_group()


def _is_lost_connection(error: RuntimeError) -> bool:
    # Gloo says it with a plain RuntimeError, NCCL with a DistError.
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
