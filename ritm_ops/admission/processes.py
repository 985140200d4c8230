"""How many processes share what a machine has: each that lives keeps a file locked.

The kernel unlocks the file of a process that is killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Lock
from time import monotonic

from ritm_ops.admission.slots import locked

_COUNT_SECONDS = 1.0


class LiveProcesses:
    """This process is one of them from when this is made until it ends. Thread-safe.

    Args:
        folder: shared by the processes; made if need be.
        clock: seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._lock = Lock()
        self._counted_at, self._count = float("-inf"), 1
        folder.mkdir(mode=0o700, exist_ok=True)
        self._own = next(file for number in count() if (file := locked(folder / str(number))))

    def count(self) -> int:
        """How many there are, this one included, as of a second ago at most."""
        with self._lock:
            if self._clock() - self._counted_at > _COUNT_SECONDS:
                self._counted_at, self._count = self._clock(), max(1, self._counted())
            return self._count

    def _counted(self) -> int:
        return sum(not self._is_free(path) for path in self._folder.iterdir())

    def _is_free(self, path: Path) -> bool:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # two who check do not take each other for locks
        except BlockingIOError:
            return False
        finally:
            os.close(file)
        return True
