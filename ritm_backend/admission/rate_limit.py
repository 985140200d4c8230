"""How many requests one client may make: a bucket that holds some and fills steadily."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from ritm_model.errors import RitmError

_MOST_CLIENTS = 10_000


class TooManyError(RitmError):
    """A client has made more requests than it may. `seconds` until it may make the next."""

    def __init__(self, per_minute: float, seconds: float) -> None:
        super().__init__(f"More than {per_minute:g} requests a minute came from here; wait a moment.")
        self.seconds = seconds


class RateLimit:
    """Thread-safe. Clients that were quiet longest are forgotten, so memory is bounded.

    Args:
        per_minute: requests that a client may make in the long run, and at once after a quiet minute; 0 for
            any number.
        clock: seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count a request. Raises TooManyError."""
        wait = self.seconds_to_wait(client) if self._per_minute else 0
        if wait > 0:
            raise TooManyError(self._per_minute, wait)

    def seconds_to_wait(self, client: str, cost: float = 1) -> float:
        """Take a request's place: 0 if there was one, else the seconds until there will be."""
        rate = self._per_minute / 60
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(client, (self._per_minute, now))
            left = min(self._per_minute, left + (now - since) * rate)
            wait = max(0.0, (cost - left) / rate)
            self._buckets[client] = (left - cost if wait == 0 else left, now)
            self._buckets.move_to_end(client)
            if len(self._buckets) > _MOST_CLIENTS:
                self._buckets.popitem(last=False)
            return wait
