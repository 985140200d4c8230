"""Memory of decoded images and of the states on them, bounded in bytes and time.

What belongs to one image lives and dies together: a state is of no use without its pixels, and
annotators finish one image before they open the next.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ritm_model.clicks import Click
from ritm_model.inference.state import Image, State
from ritm_model.inference.strokes import Region


class Start(NamedTuple):
    """What a sequence of clicks began with: which mask, and which region."""

    mask_key: str
    region: Region | None


StateKey = tuple[Start, tuple[Click, ...]]


@dataclass(eq=False)
class Album:
    """One image and the states on it, oldest first."""

    image: Image
    last_used: float
    states: OrderedDict[StateKey, State] = field(default_factory=OrderedDict)

    @property
    def nbytes(self) -> int:
        return self.image.nbytes + sum(state.nbytes for state in self.states.values())


class CacheSize(NamedTuple):
    images: int
    states: int
    nbytes: int


class SessionCache:
    """Thread-safe. Images unused for `ttl_seconds` go, and while `max_bytes` are exceeded those unused
    longest; of the last one, the states unused longest; at last itself. The bytes are for as many processes
    as there are, `processes()`, in equal shares."""

    def __init__(
        self,
        max_bytes: int,
        ttl_seconds: float,
        clock: Callable[[], float],
        processes: Callable[[], int] = lambda: 1,
    ) -> None:
        self._max_bytes = max_bytes
        self._processes = processes
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._albums: OrderedDict[str, Album] = OrderedDict()
        self._nbytes = 0

    def shrink(self, parts: int) -> None:
        """Keep to one part in so many of the bytes from now on."""
        with self._lock:
            self._max_bytes //= parts
            self._tidy()

    def tidy(self) -> None:
        """Let go of what is stale, and of what is beyond the share of this process."""
        with self._lock:
            self._expire()
            self._tidy()

    def image(self, image_key: str) -> Image | None:
        with self._lock:
            album = self._used(image_key)
            return album.image if album else None

    def add_image(self, image_key: str, image: Image) -> None:
        with self._lock:
            self._evict(image_key)
            self._albums[image_key] = Album(image, self._clock())
            self._nbytes += image.nbytes
            self._tidy()

    def longest(self, image_key: str, start: Start, clicks: tuple[Click, ...]) -> State | None:
        """The state after the longest beginning of `clicks`, at least one click, that is remembered."""
        with self._lock:
            album = self._used(image_key)
            if album is None:
                return None
            for count in range(len(clicks), 0, -1):
                state = album.states.get((start, clicks[:count]))
                if state is not None:
                    album.states.move_to_end((start, clicks[:count]))
                    return state
            return None

    def add(self, image_key: str, start: Start, state: State) -> None:
        """Remember a state, unless its image is no longer (or not the one) held."""
        with self._lock:
            album = self._used(image_key)
            if album is None or album.image is not state.image or (start, state.clicks) in album.states:
                return
            album.states[start, state.clicks] = state
            self._nbytes += state.nbytes
            self._tidy()

    def size(self) -> CacheSize:
        with self._lock:
            self._expire()
            states = sum(len(album.states) for album in self._albums.values())
            return CacheSize(len(self._albums), states, self._nbytes)

    def _used(self, image_key: str) -> Album | None:
        self._expire()
        album = self._albums.get(image_key)
        if album is not None:
            album.last_used = self._clock()
            self._albums.move_to_end(image_key)
        return album

    def _evict(self, image_key: str) -> None:
        album = self._albums.pop(image_key, None)
        if album is not None:
            self._nbytes -= album.nbytes

    def _expire(self) -> None:
        """The albums stand in the order of their last use, so the stale ones come first."""
        now = self._clock()
        while self._albums:
            image_key, album = next(iter(self._albums.items()))
            if now - album.last_used < self._ttl_seconds:
                return
            self._evict(image_key)

    def _tidy(self) -> None:
        most = self._max_bytes // self._processes()
        while self._nbytes > most and self._albums:
            image_key, album = next(iter(self._albums.items()))
            if len(self._albums) == 1 and album.states:
                _, state = album.states.popitem(last=False)
                self._nbytes -= state.nbytes
            else:
                self._evict(image_key)
