"""Events on their way to the queue: taken at once, handed over in the background, at least once.

An annotator waits while Label Studio sends an event, and Redis may hang. So the answer to an event never
waits for Redis. What could not be handed over is retried until it is, as long as this process lives.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Event, Thread

from ritm_backend.logs import log, whereabouts
from ritm_model.errors import RitmError

_MOST_WAITING = 10_000
_LONGEST_PAUSE_SECONDS = 30.0

_logger = logging.getLogger(__name__)

Work = Callable[[], "dict[str, str]"]


class Handover:
    """Does pieces of work one after the other in a thread of its own. Thread-safe.

    Args:
        pause_seconds: before the first retry of a piece; doubled each time.
    """

    def __init__(self, pause_seconds: float = 0.5) -> None:
        self._pause_seconds = pause_seconds
        self._waiting: deque[tuple[Work, Future[dict[str, str]]]] = deque()
        self._changed = Condition()
        self._thread: Thread | None = None
        self._never = Event()

    def give(self, work: Work) -> Future[dict[str, str]]:
        """Have a piece of work done. A RitmError of it means: try again."""
        future: Future[dict[str, str]] = Future()
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                log(_logger, logging.ERROR, "an event was given up, because Redis is away for so long", {})
            self._waiting.append((work, future))
            if self._thread is None:
                self._thread = Thread(target=self._run, name="handover", daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                work, future = self._waiting.popleft()
            future.set_result(self._done(work))

    def _done(self, work: Work) -> dict[str, str]:
        pause = self._pause_seconds
        while True:
            try:
                return work()
            except RitmError as error:
                fields = {"why": str(error), "seconds": pause}
                log(_logger, logging.WARNING, "event not handed over yet", fields)
            except Exception as error:  # noqa: BLE001  (the boundary of this thread)
                log(_logger, logging.ERROR, "event not handed over", whereabouts(error))
                return {}
            self._never.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
