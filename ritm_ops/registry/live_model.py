"""A serving process that follows the live version of a model, between two requests and without losing any.

A newer version is fetched, loaded and warmed while the one before it answers. Sessions that began on the
older version finish on it: an object must not change its model in the middle of its clicks.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ritm_model.catalogue import models_folder
from ritm_model.inference.sessions.annotator import Annotator
from ritm_ops.object_store import StoreError
from ritm_ops.registry import Registry, last_fetched
from ritm_ops.registry.trials import Trial

MOST_OLDER = 2
MOST_SESSIONS = 10_000
OLDER_MEMORY_SHARE = 8  # an older version keeps one part in so many of its memory for images and masks


Newer = Callable[[], Annotator | None]
"""Gives the annotator of a version that it did not give before, ready for its first click; or None."""


class OnTrial(NamedTuple):
    """A candidate beside the current version, and its trial."""

    annotator: Annotator
    trial: Trial


class _Session(NamedTuple):
    annotator: Annotator
    last_used: float


class Versions:
    """The annotator of the current version, and those of older ones for as long as their sessions last.

    A session is an object that is being clicked. It ends when nobody has clicked for `ttl_seconds`, when
    `MOST_SESSIONS` newer ones have come, or when its version is more than `MOST_OLDER` swaps old; whoever
    goes on after that gets the current version. A canary answers the sessions that its trial takes.
    Thread-safe.
    """

    def __init__(
        self, current: Annotator, ttl_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._current = current
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._older: list[Annotator] = []
        self._on_trial: OnTrial | None = None
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def current(self) -> Annotator:
        """What answers new sessions."""
        return self._current

    @property
    def names(self) -> tuple[str, ...]:
        """The versions that are held, the current one first, then the one on trial."""
        with self._lock:
            self._drop_ended()
            on_trial = [self._on_trial.annotator] if self._on_trial else []
            return tuple(
                annotator.version for annotator in (self._current, *on_trial, *reversed(self._older))
            )

    @property
    def on_trial(self) -> OnTrial | None:
        """The candidate beside the current version."""
        return self._on_trial

    def put_on_trial(self, on_trial: OnTrial | None) -> None:
        """Have another candidate beside the current version, or none. Its sessions are finished on it."""
        with self._lock:
            if self._on_trial is not None and self._on_trial.trial.kind == "canary":
                self._older.append(self._on_trial.annotator)
            self._on_trial = on_trial
            self._evict_unused()

    def annotator(self, session: str | None) -> Annotator:
        """What answers a session: the version that it began on. None is a session of one request."""
        with self._lock:
            self._drop_ended()
            if session is None:
                return self._current
            known = self._sessions.pop(session, None)
            annotator = known.annotator if known else self._begin(session)
            self._sessions[session] = _Session(annotator, self._clock())
            while len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
            return annotator

    def _begin(self, session: str) -> Annotator:
        tried = self._on_trial
        is_taken = tried is not None and tried.trial.kind == "canary" and tried.trial.takes(session)
        return tried.annotator if tried is not None and is_taken else self._current

    def swap(self, newer: Annotator) -> None:
        """Let `newer` answer what begins from now on. Requests that are running are not disturbed."""
        with self._lock:
            self._current.shrink(OLDER_MEMORY_SHARE)
            older = [*self._older, self._current]
            self._older, gone = older[-MOST_OLDER:], older[:-MOST_OLDER]
            for key in [key for key, session in self._sessions.items() if session.annotator in gone]:
                del self._sessions[key]
            self._current = newer
            self._evict_unused()

    def tidy(self) -> None:
        """Let go of ended sessions, of the models that only they needed, and of memory that is not ours."""
        with self._lock:
            self._drop_ended()
            annotators = [self._current, *self._older]
        for annotator in annotators:
            annotator.tidy()

    def _drop_ended(self) -> None:
        """The sessions stand in the order of their last use."""
        before = len(self._sessions)
        while self._sessions:
            key, session = next(iter(self._sessions.items()))
            if session.last_used + self._ttl_seconds > self._clock():
                break
            del self._sessions[key]
        if self._older and len(self._sessions) < before:
            self._evict_unused()

    def _evict_unused(self) -> None:
        used = {id(session.annotator) for session in self._sessions.values()}
        self._older = [annotator for annotator in self._older if id(annotator) in used]


def cache_folder(pipeline: str | None = None) -> Path:
    """Where versions of a registry are kept on this machine; those of a pipeline apart from all others."""
    return models_folder() / ("registry" if pipeline is None else f"pipelines/{pipeline}")


class RegistrySource:
    """Gives the live version of a model each time that it has changed.

    Args:
        registry: where the versions lie.
        name: of the model.
        load: from the name or path of a model to its annotator, warmed up.
        fallback: what is loaded while no version is live.
        cache_dir: where versions are kept on this machine.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        load: Callable[[str], Annotator],
        *,
        fallback: str,
        cache_dir: Path,
    ) -> None:
        self._registry = registry
        self._name = name
        self._load = load
        self._fallback = fallback
        self._cache_dir = cache_dir
        self._asked_for: str | None = None

    def newer(self) -> Annotator | None:
        """The live version if it is another one than the last time.

        A version that cannot be loaded is not retried; one that could not be fetched is. For the start,
        the version that was fetched last will do while the registry is out of reach.

        Raises:
            StoreError: the registry is out of reach.
            RitmError: the version cannot be loaded.
        """
        try:
            live = self._registry.live(self._name)
        except StoreError:
            kept = last_fetched(self._name, self._cache_dir) if self._asked_for is None else None
            if kept is None:
                raise
            annotator = self._load(str(kept))
            self._asked_for = kept.parent.name
            return annotator
        wanted = live.version if live else self._fallback
        if wanted == self._asked_for:
            return None
        before, self._asked_for = self._asked_for, wanted
        try:
            path = self._registry.fetch(self._name, wanted, self._cache_dir) if live else self._fallback
        except StoreError:
            self._asked_for = before
            raise
        return self._load(str(path))


def follow(
    versions: Versions,
    newer: Newer,
    every_seconds: float,
    stopped: threading.Event,
    *,
    on_change: Callable[[str], None],
    on_trouble: Callable[[Exception], None],
    also: Callable[[], None] = lambda: None,
) -> None:
    """Swap in what is newer, until `stopped`; for a thread of its own.

    Args:
        versions: what the process answers with; in trouble it goes on as it is.
        newer: asked every so many seconds.
        every_seconds: between the end of one check and the next.
        stopped: ends it.
        on_change: told the version that was swapped in.
        on_trouble: told why a check failed, once until the reason changes.
        also: done at each check, after a newer version was swapped in.
    """
    told = ""
    while not stopped.wait(every_seconds):
        versions.tidy()
        try:
            found = newer()
            if found is not None:
                versions.swap(found)
                on_change(found.version)
            also()
        except Exception as error:  # noqa: BLE001  (the boundary of this thread)
            if str(error) != told:
                told = str(error)
                on_trouble(error)
            continue
        told = ""
