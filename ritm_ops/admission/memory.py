"""Memory as something that requests wait for, instead of a process that is killed for want of it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock
from time import monotonic

from ritm_ops.admission.places import BusyError, seconds_until

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of version 2 and 1
_SHARE = 4  # one part in so many of the memory is for what is being decoded
_SHARE_OF_CACHE = 4


def usable_memory(most_mb: int | None = None, cgroup: Path = _CGROUP) -> int:
    """Bytes that this machine has, or its container may use; no more than `most_mb`, if that is set."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    limits += [limit for name in _LIMITS if (limit := _number_in(cgroup / name)) is not None]
    return min(limits if most_mb is None else [*limits, most_mb * 2**20])


def _number_in(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None  # no such file, or "max"


def decoding_budget(memory: int) -> int:
    """Bytes for decoding, of so many that may be used altogether."""
    return memory // _SHARE


def cache_bytes(wanted_mb: int, memory: int) -> int:
    """Bytes for what is remembered: as many MB as wanted, and no more than a part of all memory."""
    return min(wanted_mb * 2**20, memory // _SHARE_OF_CACHE)


def largest_of(budget: int) -> int:
    """Bytes that one image may take, given the budget of all: half of the memory."""
    return budget * _SHARE // 2


class MemoryBudget:
    """Hands out bytes, first come first served. Thread-safe.

    Who wants more than there is altogether waits until nobody has any, and then gets it.

    Args:
        total: bytes.
        clock: seconds.

    Attributes:
        total: bytes.
        largest: more than that nobody should ask for.
    """

    def __init__(self, total: int, clock: Callable[[], float] = monotonic) -> None:
        self.largest = largest_of(total)
        self.total = total
        self._free = total
        self._clock = clock
        self._lock = Lock()
        self._waiting: deque[tuple[int, Event]] = deque()

    @contextmanager
    def hold(self, count: int, deadline: float) -> Iterator[None]:
        """Wait for so many bytes and have them until the block ends.

        Raises:
            BusyError: there were none until the deadline.
        """
        wanted = min(count, self.total)
        entry = (wanted, Event())
        with self._lock:
            self._waiting.append(entry)
            self._hand_out()
        if not entry[1].wait(seconds_until(deadline, self._clock)):
            with self._lock:
                if not entry[1].is_set():
                    self._waiting.remove(entry)
                    self._hand_out()
                    raise BusyError("There was no memory for this request in time; click once more.")
        try:
            yield
        finally:
            with self._lock:
                self._free += wanted
                self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._waiting[0][0] <= self._free:
            wanted, event = self._waiting.popleft()
            self._free -= wanted
            event.set()
