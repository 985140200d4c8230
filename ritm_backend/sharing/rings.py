"""Where processes leave the polygons of objects for each other, so that their ids stay the same."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from hashlib import sha256
from itertools import count
from pathlib import Path

from ritm_backend.label_studio.ring_ids import SharedRings
from ritm_backend.settings import Settings
from ritm_model.files import new_path
from ritm_ops.redis_link import RedisAwayError, RedisLink

RINGS_VARIABLE = "RITM_RINGS_DIR"  # set by the server for its workers, where they are not alone

_WRITES_BETWEEN_TIDYING = 256


class RedisRings:
    """Redis, shared by all servers. What nobody asks for goes after `ttl_seconds`."""

    def __init__(self, link: RedisLink, ttl_seconds: float) -> None:
        self._link = link
        self._ttl_ms = int(ttl_seconds * 1000)

    def read(self, own_id: str) -> bytes | None:
        with suppress(RedisAwayError):
            found = self._link.ask(lambda redis: redis.get(_key(own_id)))
            return found if isinstance(found, bytes) else None
        return None

    def leave(self, own_id: str, data: bytes) -> None:
        with suppress(RedisAwayError):
            self._link.ask(lambda redis: redis.set(_key(own_id), data, px=self._ttl_ms))


class FolderRings:
    """A folder that workers or servers share, a file for each object, for `ttl_seconds` as well."""

    def __init__(self, folder: Path, ttl_seconds: float) -> None:
        """In a folder that is there."""
        self._folder = folder
        self._ttl_seconds = ttl_seconds
        self._writes = count()

    def read(self, own_id: str) -> bytes | None:
        with suppress(OSError):
            return (self._folder / _name(own_id)).read_bytes()
        return None

    def leave(self, own_id: str, data: bytes) -> None:
        if next(self._writes) % _WRITES_BETWEEN_TIDYING == 0:
            self._tidy()
        with suppress(OSError), new_path(self._folder / _name(own_id)) as unfinished:
            unfinished.write_bytes(data)  # a power cut may take it

    def _tidy(self) -> None:
        oldest = time.time() - self._ttl_seconds
        with suppress(OSError):
            for path in self._folder.iterdir():
                with suppress(OSError):
                    if path.stat().st_mtime < oldest:
                        path.unlink()


def shared_rings(settings: Settings) -> SharedRings | None:
    """The place that all processes share which answer for the same address; None for a process by itself.

    Raises:
        RitmError: `SESSION_STORE` names no Redis, or its client is not installed.
    """
    ttl_seconds = settings.session_ttl_seconds
    if settings.session_store is not None:
        link = RedisLink(settings.session_store.get_secret_value(), "polygons may change their ids.")
        return RedisRings(link, ttl_seconds)
    folder = os.environ.get(RINGS_VARIABLE)
    return FolderRings(Path(folder), ttl_seconds) if folder else None


def _key(own_id: str) -> str:
    return f"ritm:rings:1:{_name(own_id)}"


def _name(own_id: str) -> str:
    return sha256(own_id.encode(errors="surrogatepass")).hexdigest()[:32]
