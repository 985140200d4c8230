"""How many fine-tuning jobs are in which state, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock, Thread

from ritm_backend.jobs.routes import Queues
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError


class JobCounts:
    """Counts the jobs that are listed. Thread-safe.

    Who asks is told at once what was counted last, and has a new count made in the background. Without Redis,
    or while it is gone, the last count stays.
    """

    def __init__(self, settings: Settings) -> None:
        self._is_there = settings.redis_url is not None
        self._queue = Queues(settings)
        self._lock = Lock()
        self._is_counting = False
        self._counts: dict[str, int] = {}

    def __call__(self) -> Mapping[str, int]:
        with self._lock:
            if self._is_there and not self._is_counting:
                self._is_counting = True
                Thread(target=self._count, name="job-counts", daemon=True).start()
            return dict(self._counts)

    def _count(self) -> None:
        try:
            found = Counter(job.status for job in self._queue().jobs())
        except RitmError:
            found = None
        with self._lock:
            self._is_counting = False
            if found is not None:
                # A state that no job is in any more is told as 0, not left at its last number.
                self._counts = {state: found[state] for state in self._counts.keys() | found.keys()}
