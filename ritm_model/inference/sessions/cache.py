"""Memory of decoded images and of the states on them, bounded in bytes and time.

States are small, and what they cost is runs of the network; pixels are large, and had again by decoding a
file. So where there is no room, pixels go before the states on them, and a click on an image that comes back
goes on where it stood, if it is still the same: a state's key tells the pixels that it was made on.

Who wants more than others makes room for them: what goes first is what was used longest ago, of the owner
who holds most.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Size
from ritm_model.inference.state import Image, State
from ritm_model.inference.strokes import Region

_SHARE_OF_BARE = 4
"""One part in so many of the bytes is for states whose pixels are gone."""

_ROWS = 32
"""Looked at in an image to tell it from others: a tenth of a millisecond."""

_NO_IMAGE: Image = np.zeros((0, 0, 3), np.uint8)
_NO_MASK = np.zeros((0, 0), np.bool_)


class Start(NamedTuple):
    """What a sequence of clicks began with: which mask, which region, and which pixels (`fingerprint`)."""

    mask_key: str
    region: Region | None
    pixels: int


def fingerprint(image_HW3: Image) -> int:
    """Tells an image from another one that has come under its name: by its size and some of its rows."""
    rows = np.ascontiguousarray(image_HW3[:: max(1, len(image_HW3) // _ROWS)])
    return crc32(rows.data, crc32(repr(image_HW3.shape).encode()))


StateKey = tuple[Start, tuple[Click, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class PackedState:
    """A state without its pixels, and with one bit for each pixel of its mask.

    Attributes:
        state: all the rest of it.
        size: of the mask inside its bounding box.
        bits: of that mask.
    """

    state: State
    size: Size
    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, state: State) -> PackedState:
        answer = state.prediction
        mask = answer.mask_inside if answer else _NO_MASK
        bare = replace(answer, mask_inside=_NO_MASK) if answer else None
        size = mask.shape[0], mask.shape[1]
        return cls(replace(state, image=_NO_IMAGE, prediction=bare), size, np.packbits(mask))

    def on(self, image_HW3: Image) -> State:
        """The state as it was, on the pixels that it was made on."""
        answer = self.state.prediction
        if answer is not None:
            bits = np.unpackbits(self.bits, count=math.prod(self.size))
            answer = replace(answer, mask_inside=bits.view(np.bool_).reshape(self.size))
        return replace(self.state, image=image_HW3, prediction=answer)

    @property
    def nbytes(self) -> int:
        return self.state.nbytes + self.bits.nbytes


@dataclass(eq=False)
class Album:
    """The states on one image, oldest first, and its pixels while there is room for them."""

    owner: str
    last_used: float
    image: Image | None = None
    states: OrderedDict[StateKey, PackedState] = field(default_factory=OrderedDict)
    states_bytes: int = 0

    @property
    def nbytes(self) -> int:
        return self.states_bytes + (0 if self.image is None else self.image.nbytes)


class CacheSize(NamedTuple):
    images: int
    states: int
    nbytes: int


class SessionCache:
    """Thread-safe. What is unused for `ttl_seconds` goes, and while `max_bytes` are exceeded what the module
    says; of the image used last, the states unused longest, at last itself. The bytes are for as many
    processes as there are, `processes()`, in equal shares."""

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

    def add_image(self, image_key: str, image: Image, owner: str = "") -> None:
        """Remember pixels; the states that were made on them before are there still, if there is room."""
        with self._lock:
            album = self._used(image_key)
            if album is None:
                album = self._albums[image_key] = Album(owner, self._clock())
            album.owner, album.image = owner, image
            self._tidy()

    def longest(self, image_key: str, start: Start, clicks: tuple[Click, ...], image: Image) -> State | None:
        """The state after the longest beginning of `clicks`, at least one click, that is remembered."""
        with self._lock:
            album = self._used(image_key)
            if album is None:
                return None
            for count in range(len(clicks), 0, -1):
                packed = album.states.get((start, clicks[:count]))
                if packed is not None:
                    album.states.move_to_end((start, clicks[:count]))
                    break
            else:
                return None
        return packed.on(image)

    def add(self, image_key: str, start: Start, state: State) -> None:
        """Remember a state, unless its image is forgotten by now."""
        packed = PackedState.of(state)
        with self._lock:
            album = self._used(image_key)
            if album is None or (start, state.clicks) in album.states:
                return
            album.states[start, state.clicks] = packed
            album.states_bytes += packed.nbytes
            self._tidy()

    def size(self) -> CacheSize:
        with self._lock:
            self._expire()
            albums = self._albums.values()
            return CacheSize(
                sum(album.image is not None for album in albums),
                sum(len(album.states) for album in albums),
                sum(album.nbytes for album in albums),
            )

    def _used(self, image_key: str) -> Album | None:
        self._expire()
        album = self._albums.get(image_key)
        if album is not None:
            album.last_used = self._clock()
            self._albums.move_to_end(image_key)
        return album

    def _expire(self) -> None:
        """The albums stand in the order of their last use, so the stale ones come first."""
        now = self._clock()
        while self._albums:
            image_key, album = next(iter(self._albums.items()))
            if now - album.last_used < self._ttl_seconds:
                return
            del self._albums[image_key]

    def _tidy(self) -> None:
        most = self._max_bytes // self._processes()
        while self._albums:
            bare, bare_bytes, total = [], 0, 0
            for key, album in self._albums.items():
                total += album.nbytes
                if album.image is None:
                    bare.append(key)
                    bare_bytes += album.nbytes
            if bare_bytes > most // _SHARE_OF_BARE:
                del self._albums[self._first_to_go(bare)]
            elif total > most:
                self._make_room(bare)
            else:
                return

    def _make_room(self, bare: list[str]) -> None:
        latest_key, latest = next(reversed(self._albums.items()))
        others = [key for key, album in self._albums.items() if album.image is not None][:-1]
        if others:
            album = self._albums[key := self._first_to_go(others)]
            album.image = None
            if not album.states:
                del self._albums[key]
        elif bare:
            del self._albums[self._first_to_go(bare)]
        elif latest.states:
            _, packed = latest.states.popitem(last=False)
            latest.states_bytes -= packed.nbytes
        else:
            del self._albums[latest_key]

    def _first_to_go(self, keys: Collection[str]) -> str:
        """Of these, in the order of their last use, the first one of the owner who holds most."""
        held: Counter[str] = Counter()
        for album in self._albums.values():
            held[album.owner] += album.nbytes
        most = max((self._albums[key].owner for key in keys), key=held.__getitem__)
        return next(key for key in keys if self._albums[key].owner == most)
