"""States in Redis, shared by serving processes: any of them goes on with an object where another stopped.

What is shared is a shortcut, never the truth: the clicks of a request give the same mask without it, only
later. So a store that is slow, gone or full of nonsense costs some runs of the network and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference.sessions.cache import Start
from ritm_model.inference.sessions.state_codec import StateBytesError, decode_state, encode_state
from ritm_model.inference.state import Image, State

SECONDS_TO_ANSWER = 0.25
SECONDS_TO_REST = 5.0

_logger = logging.getLogger(__name__)


class RedisStates:
    """States in Redis, each for `ttl_seconds`.

    After a failure Redis is left alone for some seconds, so that annotators do not wait for it at each click.

    Args:
        url: such as redis://:password@host:6379/0, rediss:// or unix://.
        version: names weights and options; states of others are of no use.
        ttl_seconds: how long an unused state stays.
        clock: seconds, for resting.

    Raises:
        RitmError: the client is not installed, or the address is not one of Redis.
    """

    def __init__(
        self, url: str, version: str, ttl_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
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
        self._version = version
        self._ttl_ms = int(ttl_seconds * 1000)
        self._clock = clock
        self._lock = threading.Lock()
        self._rests_until = float("-inf")

    def longest(
        self, image_key: str, start: Start, clicks: tuple[Click, ...], image: Image, at_least: int
    ) -> State | None:
        counts = range(len(clicks), max(at_least, 1) - 1, -1)
        keys = [self._key(image_key, start, clicks[:count]) for count in counts]
        if not keys or self._is_resting():
            return None
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for key in keys:
                pipeline.exists(key)
            found = next((place for place, is_there in enumerate(pipeline.execute()) if is_there), None)
            data = self._redis.getex(keys[found], px=self._ttl_ms) if found is not None else None
        except self._failures as error:
            self._rest(error)
            return None
        if found is None or not isinstance(data, bytes):
            return None
        try:
            return decode_state(data, image, clicks[: counts[found]])
        except StateBytesError as error:
            _logger.warning("A state in Redis was left unused: %s", error)
            return None

    def add(self, image_key: str, start: Start, state: State) -> None:
        data = None if self._is_resting() else encode_state(state)
        if data is None:
            return
        try:
            self._redis.set(self._key(image_key, start, state.clicks), data, px=self._ttl_ms)
        except self._failures as error:
            self._rest(error)

    def _key(self, image_key: str, start: Start, clicks: tuple[Click, ...]) -> str:
        """Names all that the state follows from; hashed, since names of images are nobody else's business."""
        text = repr((self._version, image_key, start, clicks)).encode(errors="surrogatepass")
        return f"ritm:state:{hashlib.blake2b(text, digest_size=20).hexdigest()}"

    def _is_resting(self) -> bool:
        with self._lock:
            return self._clock() < self._rests_until

    def _rest(self, error: Exception) -> None:
        with self._lock:
            self._rests_until = self._clock() + SECONDS_TO_REST
        _logger.warning("Redis failed (%s); clicks are replayed where needed.", type(error).__name__)
