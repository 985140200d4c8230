"""Events on their way to the queue: taken at once, handed over in the background, at least once.

An annotator waits while Label Studio sends an event, and Redis may hang. So the answer to an event never
waits for Redis. What could not be handed over is retried until it is, as long as this process lives; a
process that is told to end retries without long pauses, and stays for what is left as long as it may.
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
_LAST_PAUSE_SECONDS = 0.2

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
        self._left = 0  # those that wait, and the one under way
        self._thread: Thread | None = None
        self._is_ending, self._never = Event(), Event()

    def give(self, work: Work) -> Future[dict[str, str]]:
        """Have a piece of work done. A RitmError of it means: try again."""
        future: Future[dict[str, str]] = Future()
        with self._changed:
            if len(self._waiting) >= _MOST_WAITING:
                self._waiting.popleft()
                self._left -= 1
                log(_logger, logging.ERROR, "an event was given up, because Redis is away for so long", {})
            self._waiting.append((work, future))
            self._left += 1
            if self._thread is None:
                self._thread = Thread(target=self._run, name="handover", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return future

    def hurry(self) -> None:
        """Retry now, and from now on after short pauses: the process is to end."""
        self._is_ending.set()

    def finish(self, seconds: float) -> int:
        """Wait until all is handed over, or for so long. Returns how many pieces of work are lost."""
        self.hurry()
        with self._changed:
            self._changed.wait_for(lambda: not self._left, max(0.0, seconds))
            if self._left:
                log(_logger, logging.ERROR, "events lost, because Redis is away", {"count": self._left})
            return self._left

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                work, future = self._waiting.popleft()
            future.set_result(self._done(work))
            with self._changed:
                self._left -= 1
                self._changed.notify_all()

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
            if self._is_ending.wait(pause):
                self._never.wait(_LAST_PAUSE_SECONDS)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
