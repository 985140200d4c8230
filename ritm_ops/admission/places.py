"""The queue of `queue.py` for threads: each waits for its place, up to a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import TIMEOUT_MAX, Condition, Event, Lock, Thread, local
from time import monotonic

from ritm_model.errors import RitmError
from ritm_model.inference import Superseded
from ritm_ops.admission.queue import FairQueue, Request, Requester, Standing


class BusyError(RitmError):
    """There was neither a place nor memory for a request in the time that it could wait."""


def seconds_until(deadline: float, clock: Callable[[], float]) -> float:
    """How long to wait: nothing if the deadline has passed, and no longer than can be waited."""
    return min(max(0.0, deadline - clock()), TIMEOUT_MAX)


@dataclass(eq=False)
class _Held:
    """What a thread has: its request with a place, or one whose place was taken while it paused."""

    request: Request
    is_taken: bool = False


class Admission:
    """Gives requests their places. Thread-safe.

    Args:
        places: requests that are worked on at the same time.
        seconds: how long a request waits at most, where it does not say so itself.
        clock: seconds.
    """

    def __init__(self, places: int, seconds: float, clock: Callable[[], float] = monotonic) -> None:
        self._queue = FairQueue(places, each=max(1, places // 2))
        self._seconds = seconds
        self._clock = clock
        self._lock = Lock()
        self._pausing: dict[_Held, float] = {}
        self._paused = Condition(self._lock)
        self._watcher: Thread | None = None
        self._is_watcher_idle = False
        self._events: dict[Request, Event] = {}
        self._own = local()

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        with self._lock:
            return self._queue.waiting

    def deadline(self, arrived: float | None = None) -> float:
        """When a request that arrived then, or now, is refused if it has no place."""
        return (self._clock() if arrived is None else arrived) + self._seconds

    @contextmanager
    def place(
        self, annotator: Requester, object: str | None = None, deadline: float | None = None
    ) -> Iterator[None]:
        """Wait for a place and hold it.

        Args:
            annotator: whose request it is.
            object: names what is clicked; of requests that wait for the same one only the newest stays.
            deadline: until when to wait.

        Raises:
            BusyError: it came too late.
            Superseded: a newer request for the same object came.
        """
        with self._lock:
            until = self.deadline() if deadline is None else deadline
            held = _Held(self._joined(annotator, object, until))
        try:
            self._wait(held.request)
            self._own.held = held
            yield
        finally:
            self._own.held = None
            with self._lock:
                self._queue.leave(held.request)
                del self._events[held.request]
                self._admit()

    def _joined(self, annotator: Requester, object: str | None, deadline: float) -> Request:
        request, superseded = self._queue.join(annotator, object, deadline)
        self._events[request] = Event()
        self._wake(superseded)
        self._admit()
        return request

    @contextmanager
    def pausing(self, seconds: float) -> Iterator[None]:
        """Where the block takes longer than so many seconds, others have the place of this thread meanwhile.

        Then it waits for another place afterwards, and the pause does not count for how long it may wait
        altogether. For whoever waits for something outside, which may be quick or slow. Without a place
        nothing happens.

        Raises:
            BusyError: there was no place in time.
        """
        held = self._held
        if held is None:
            yield
            return
        began = self._clock()
        with self._lock:
            self._pausing[held] = began + seconds
            if self._watcher is None:
                self._watcher = Thread(target=self._take_from_the_slow, name="pauses", daemon=True)
                self._watcher.start()
            if self._is_watcher_idle:
                self._paused.notify()
        try:
            yield
        finally:
            with self._lock:
                self._pausing.pop(held, None)
        if held.is_taken:
            with self._lock:
                del self._events[held.request]
                # The object is not named: a newer request for it may be there by now.
                until = held.request.deadline + self._clock() - began
                held.request, held.is_taken = self._joined(held.request.annotator, None, until), False
            self._wait(held.request)

    def _take_from_the_slow(self) -> None:
        """Give the places of those whose pause is too long to others, again and again."""
        with self._lock:
            while True:
                now = self._clock()
                for held in [each for each, latest in self._pausing.items() if latest <= now]:
                    del self._pausing[held]
                    held.is_taken = held.request.standing is Standing.HAS_PLACE
                    self._queue.leave(held.request)
                self._admit()
                self._is_watcher_idle = not self._pausing
                self._paused.wait(min(self._pausing.values()) - now if self._pausing else None)

    def leave_early(self) -> None:
        """Give the place of this thread to others; what it has begun goes on without one.

        For whoever is going to wait for long for something else. Without a place nothing happens.
        """
        if (held := self._held) is not None:
            with self._lock:
                self._queue.leave(held.request)
                self._admit()

    @property
    def _held(self) -> _Held | None:
        """What this thread has."""
        held: _Held | None = getattr(self._own, "held", None)
        return held

    def _wait(self, request: Request) -> None:
        event = self._events[request]
        while request.standing is Standing.WAITS and not event.wait(
            seconds_until(request.deadline, self._clock)
        ):
            with self._lock:
                self._admit()
        if request.standing is Standing.SUPERSEDED:
            raise Superseded("A newer click on the same object has overtaken this one.")
        if request.standing is Standing.TOO_LATE:
            raise BusyError(
                f"The server had no place for this request within {self._seconds:g} seconds; "
                "click once more, and tell the administrator if that happens often."
            )

    def _admit(self) -> None:
        self._wake(self._queue.admit(self._clock()))

    def _wake(self, requests: list[Request]) -> None:
        for request in requests:
            self._events[request].set()
