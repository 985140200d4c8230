"""A budget of memory that processes share: equal slots, each a file that stays locked while it is taken.

The kernel gives back the slots of a process that is killed.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ritm_ops.admission.memory import largest_of
from ritm_ops.admission.places import BusyError

_SLOTS = 16
_POLL_SECONDS = 0.02


def machine_folder() -> Path:
    """Where the processes of one user on this machine, or in this container, find each other's slots."""
    return Path(tempfile.gettempdir(), f"ritm-decoding-{os.getuid()}")


class SharedBudget:
    """Hands out bytes to threads and processes. Who wants more than there is waits for all, and gets it.

    Args:
        total: bytes, the same for all that share them.
        folder: shared by the processes; made if need be.
        clock: seconds.

    Attributes:
        largest: more than that nobody should ask for.
    """

    def __init__(self, total: int, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.largest = largest_of(total)
        self._slot_bytes = max(1, total // _SLOTS)
        self._folder = folder
        self._clock = clock
        folder.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def hold(self, count: int, deadline: float) -> Iterator[None]:
        """Wait for so many bytes and have them until the block ends.

        Raises:
            BusyError: there were none until the deadline.
        """
        wanted = min(_SLOTS, -(-count // self._slot_bytes))
        with ExitStack() as held:
            # Behind the door stands one at a time: of two with half of the slots each, none would go on.
            with ExitStack() as door:
                self._collect(["door"], 1, deadline, door)
                self._collect([f"slot-{number}" for number in range(_SLOTS)], wanted, deadline, held)
            yield

    def _collect(self, names: list[str], count: int, deadline: float, held: ExitStack) -> None:
        while True:
            for name in list(names):
                if count and (file := locked(self._folder / name)) is not None:
                    held.callback(os.close, file)
                    names.remove(name)
                    count -= 1
            if not count:
                return
            if self._clock() >= deadline:
                raise BusyError("There was no memory for this request in time; click once more.")
            time.sleep(_POLL_SECONDS)


def locked(path: Path) -> int | None:
    """A file, made if need be and locked until it is closed; None if another process has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file
