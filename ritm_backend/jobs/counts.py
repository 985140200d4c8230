"""How many fine-tuning jobs are in which state, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock, Thread

from ritm_backend.jobs.queues import Queues
from ritm_model.errors import RitmError


class JobCounts:
    """Counts the jobs that are listed, of all pipelines. Thread-safe.

    Who asks is told at once what was counted last, and has a new count made in the background. Without Redis,
    or while it is gone, the last count stays.
    """

    def __init__(self, queues: Queues) -> None:
        self._queues = queues
        self._lock = Lock()
        self._is_counting = False
        self._counts: dict[str, int] = {}

    def __call__(self) -> Mapping[str, int]:
        with self._lock:
            if self._queues.is_there and not self._is_counting:
                self._is_counting = True
                Thread(target=self._count, name="job-counts", daemon=True).start()
            return dict(self._counts)

    def _count(self) -> None:
        try:
            listed = {
                job.id: job.status for each in self._queues.pipelines for job in self._queues(each).jobs()
            }
            found = Counter(listed.values())  # the server's own pipeline may be one of the file's, too
        except RitmError:
            found = None
        with self._lock:
            self._is_counting = False
            if found is not None:
                # A state that no job is in any more is told as 0, not left at its last number.
                self._counts = {state: found[state] for state in self._counts.keys() | found.keys()}
