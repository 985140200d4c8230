"""Notes of clicked objects in Redis, for servers that share no folder."""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ritm_backend.accepted.notes import KEPT_SECONDS, Note, without_picture
from ritm_ops.redis_link import RedisAwayError, RedisLink

if TYPE_CHECKING:
    from redis import Redis

_PREFIX = "ritm:clicked:"
_ACCEPTED = ":accepted"


class RedisNotes:
    """The notes of all servers that share a Redis. Thread-safe; one that is away keeps none."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link

    def keep(self, region_id: str, note: Note) -> None:
        """Keep what was answered last for a region, unless it has been accepted before."""
        key = _key(region_id)

        def kept(redis: Redis) -> None:
            if redis.exists(key + _ACCEPTED):
                return
            earlier, now = _parsed(redis.get(key)), without_picture(note)
            redis.set(key, (now.after(earlier) if earlier else now).model_dump_json(), ex=KEPT_SECONDS)

        with suppress(RedisAwayError):
            self._link.ask(kept)

    def take(self, region_id: str) -> Note | None:
        """The note of a region that is accepted now for the first time."""
        from redis.exceptions import ResponseError

        key = _key(region_id)

        def taken(redis: Redis) -> Note | None:
            try:
                is_first = redis.renamenx(key, key + _ACCEPTED)  # of several who are told of it, one can
            except ResponseError:  # there is no such note
                return None
            return _parsed(redis.get(key + _ACCEPTED)) if is_first else None

        try:
            return self._link.ask(taken)
        except RedisAwayError:
            return None

    def tidy(self) -> None:
        """Nothing: Redis lets go of old notes by itself."""


def _key(region_id: str) -> str:
    return _PREFIX + sha256(region_id.encode(errors="surrogatepass")).hexdigest()[:32]


def _parsed(data: Any) -> Note | None:
    try:
        return Note.model_validate_json(data) if data else None
    except ValidationError:
        return None
