"""States in Redis, shared by serving processes: any of them goes on with an object where another stopped.

What is shared is a shortcut, never the truth: the clicks of a request give the same mask without it, only
later. So a store that is slow, gone or full of nonsense costs some runs of the network and nothing else.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ritm_model.clicks import Click
from ritm_model.inference.sessions.cache import Start
from ritm_model.inference.sessions.state_codec import StateBytesError, decode_state, encode_state
from ritm_model.inference.state import Image, State
from ritm_ops.redis_link import RedisAwayError, RedisLink

if TYPE_CHECKING:
    from redis import Redis

KEPT_OF_AN_OBJECT = 2
"""The state after the last click, and the one before it, to which undoing that click leads."""

_logger = logging.getLogger(__name__)


class RedisStates:
    """States in Redis, each for `ttl_seconds`, of each object the last two.

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
        self._link = RedisLink(url, "clicks are replayed where needed.", clock)
        self._version = version
        self._ttl_ms = int(ttl_seconds * 1000)

    def longest(
        self, image_key: str, start: Start, clicks: tuple[Click, ...], image: Image, at_least: int
    ) -> State | None:
        counts = range(len(clicks), max(at_least, 1) - 1, -1)
        keys = [self._key(image_key, start, clicks[:count]) for count in counts]
        if not keys:
            return None
        try:
            found, data = self._link.ask(lambda redis: self._first(redis, keys))
        except RedisAwayError:
            return None
        if not isinstance(data, bytes):
            return None
        try:
            return decode_state(data, image, clicks[: counts[found]])
        except StateBytesError as error:
            _logger.warning("A state in Redis was left unused: %s", error)
            return None

    def add(self, image_key: str, start: Start, state: State) -> None:
        data = None if self._link.is_resting else encode_state(state)
        if data is None:
            return
        clicks = state.clicks
        key = self._key(image_key, start, clicks)
        unneeded = self._key(image_key, start, clicks[:-KEPT_OF_AN_OBJECT])

        def exchange(redis: Redis) -> None:
            pipeline = redis.pipeline(transaction=False)
            pipeline.set(key, data, px=self._ttl_ms)
            if len(clicks) > KEPT_OF_AN_OBJECT:
                pipeline.unlink(unneeded)
            pipeline.execute()

        with suppress(RedisAwayError):
            self._link.ask(exchange)

    def _first(self, redis: Redis, keys: list[str]) -> tuple[int, object]:
        """The place of the first key that is there, and what it holds; None for nothing."""
        pipeline = redis.pipeline(transaction=False)
        for key in keys:
            pipeline.exists(key)
        for place, is_there in enumerate(pipeline.execute()):
            if is_there:
                return place, redis.getex(keys[place], px=self._ttl_ms)
        return 0, None

    def _key(self, image_key: str, start: Start, clicks: tuple[Click, ...]) -> str:
        """Names all that the state follows from; hashed, since names of images are nobody else's business."""
        text = repr((self._version, image_key, start, clicks)).encode(errors="surrogatepass")
        return f"ritm:state:2:{hashlib.blake2b(text, digest_size=20).hexdigest()}"
