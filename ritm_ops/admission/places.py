"""The queue of `queue.py` for threads: each waits for its place, up to a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import TIMEOUT_MAX, Event, Lock, local
from time import monotonic

from ritm_model.errors import RitmError
from ritm_model.inference import Superseded
from ritm_ops.admission.queue import FairQueue, Request, Requester, Standing


class BusyError(RitmError):
    """There was neither a place nor memory for a request in the time that it could wait."""


def seconds_until(deadline: float, clock: Callable[[], float]) -> float:
    """How long to wait: nothing if the deadline has passed, and no longer than can be waited."""
    return min(max(0.0, deadline - clock()), TIMEOUT_MAX)


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
        event = Event()
        with self._lock:
            until = self.deadline() if deadline is None else deadline
            request, superseded = self._queue.join(annotator, object, until)
            self._events[request] = event
            self._wake(superseded)
            self._admit()
        try:
            self._wait(request, event)
            self._own.request = request
            yield
        finally:
            self._own.request = None
            with self._lock:
                self._queue.leave(request)
                del self._events[request]
                self._admit()

    def leave_early(self) -> None:
        """Give the place of this thread to others; what it has begun goes on without one.

        For whoever is going to wait for long for something else. Without a place nothing happens.
        """
        request: Request | None = getattr(self._own, "request", None)
        if request is not None:
            with self._lock:
                self._queue.leave(request)
                self._admit()

    def _wait(self, request: Request, event: Event) -> None:
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
