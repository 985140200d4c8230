"""When annotators wait so long that their clicks are better answered with less work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

CALM_SHARE = 0.25
"""Of the longest wait: load is low again once clicks wait no longer than this part of it."""

QUIET_SECONDS = 10.0
"""Load is low again, too, when no click came for so long."""


class Load:
    """Judges by how long clicks have waited for the network. Thread-safe.

    It is high from a click on that has waited for longer than `seconds` while others still wait, and low from
    one on that has waited for at most a quarter of that. Between the two it stays as it is, so that answers
    do not change with every click. A click that waited while the network was idle, for its image or for a
    place, tells nothing.

    Args:
        seconds: the longest wait; None for a load that is never high.
        clock: seconds.
    """

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._was_high = False
        self._latest = clock()

    @property
    def is_high(self) -> bool:
        return self._was_high and self._clock() - self._latest < QUIET_SECONDS

    def after_wait(self, seconds: float, others: int) -> bool:
        """Whether load is high, now that a click waited for so long and so many others wait behind it."""
        if self._seconds is None:
            return False
        with self._lock:
            is_high = self.is_high
            if seconds <= self._seconds * CALM_SHARE:
                is_high = False
            elif seconds > self._seconds and others:
                is_high = True
            self._was_high, self._latest = is_high, self._clock()
            return is_high
