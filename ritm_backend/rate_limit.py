"""How many requests one address may make: a bucket that holds some and fills steadily."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

_MOST_ADDRESSES = 10_000


class RateLimit:
    """Thread-safe. Addresses that were quiet longest are forgotten, so memory is bounded.

    Args:
        per_minute: requests that an address may make in the long run, and at once after a quiet minute.
        clock: seconds.
    """

    def __init__(self, per_minute: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def seconds_to_wait(self, address: str, cost: float = 1) -> float:
        """Take a request's place: 0 if there was one, else the seconds until there will be."""
        rate = self._per_minute / 60
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(address, (self._per_minute, now))
            left = min(self._per_minute, left + (now - since) * rate)
            wait = max(0.0, (cost - left) / rate)
            self._buckets[address] = (left - cost if wait == 0 else left, now)
            self._buckets.move_to_end(address)
            if len(self._buckets) > _MOST_ADDRESSES:
                self._buckets.popitem(last=False)
            return wait
