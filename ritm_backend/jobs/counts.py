"""How many fine-tuning jobs are in which state, for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from ritm_backend.jobs.routes import Queues
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError


class JobCounts:
    """Counts the jobs that are listed. Without Redis, or while it is gone, there is nothing to count."""

    def __init__(self, settings: Settings) -> None:
        self._is_there = settings.redis_url is not None
        self._queue = Queues(settings)
        self._states: set[str] = set()

    def __call__(self) -> Mapping[str, int]:
        if not self._is_there:
            return {}
        try:
            found = Counter(job.status for job in self._queue().jobs())
        except RitmError:
            return {}
        self._states |= found.keys()
        # A state that no job is in any more is told as 0, not left at its last number.
        return {state: found[state] for state in self._states}
