"""Redis for what may be missing: asked with short waits, and left alone for some seconds after a failure.

So annotators wait for a Redis that is slow or gone once, and not at each click.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ritm_model.errors import RitmError

if TYPE_CHECKING:
    from redis import Redis

SECONDS_TO_ANSWER = 0.25
SECONDS_TO_REST = 5.0

_logger = logging.getLogger(__name__)

T = TypeVar("T")


class RedisAwayError(RitmError):
    """Redis has failed, just now or some seconds ago."""


class RedisLink:
    """A client of the Redis that `SESSION_STORE` names. Thread-safe.

    Args:
        url: such as redis://:password@host:6379/0, rediss:// or unix://.
        meanwhile: what is done without Redis, for the log.
        clock: seconds, for resting.

    Raises:
        RitmError: the client is not installed, or the address is not one of Redis.
    """

    def __init__(self, url: str, meanwhile: str, clock: Callable[[], float] = time.monotonic) -> None:
        try:
            import redis
        except ImportError:
            raise RitmError("Sessions in Redis need the extra: pip install 'ritm[redis]'.") from None
        try:
            self._redis = redis.Redis.from_url(
                url, socket_timeout=SECONDS_TO_ANSWER, socket_connect_timeout=SECONDS_TO_ANSWER
            )
        except ValueError:
            # The address holds a password, so it is not quoted.
            raise RitmError("SESSION_STORE must be an address such as redis://host:6379/0.") from None
        self._failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._meanwhile = meanwhile
        self._clock = clock
        self._lock = threading.Lock()
        self._rests_until = float("-inf")

    @property
    def is_resting(self) -> bool:
        """Whether it failed a moment ago and is not asked."""
        with self._lock:
            return self._clock() < self._rests_until

    def ask(self, action: Callable[[Redis], T]) -> T:
        """What the action gives. Raises RedisAwayError where it fails, or Redis rests."""
        if self.is_resting:
            raise RedisAwayError("Redis has failed some seconds ago.")
        try:
            return action(self._redis)
        except self._failures as error:
            with self._lock:
                self._rests_until = self._clock() + SECONDS_TO_REST
            _logger.warning("Redis failed (%s); %s", type(error).__name__, self._meanwhile)
            raise RedisAwayError(f"Redis has failed ({type(error).__name__}).") from None
