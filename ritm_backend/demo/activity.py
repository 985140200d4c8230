"""What the process has done lately, for whoever administers it.

Label Studio and CVAT show annotators none of a backend's errors; here they can be seen, with the ids that
the log has. Counts and sentences only: no clicks, no addresses of images, no names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from threading import Lock

BUCKETS_MS = (50, 100, 200, 500, 1000, 2000, 5000)
"""Upper ends of the histogram; a last bucket holds what took longer."""

_KEPT_PROBLEMS = 20
_LONGEST_SENTENCE = 300


@dataclass(frozen=True, slots=True)
class FailedRequest:
    """A request that was refused or failed. `error_id` is the one in the log, if it was a fault."""

    time: str
    path: str
    status: int
    sentence: str
    error_id: str | None


class Activity:
    """Counts answers by how long they took, and keeps the last problems. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = [0] * (len(BUCKETS_MS) + 1)
        self._problems: deque[FailedRequest] = deque(maxlen=_KEPT_PROBLEMS)
        self._since = _now()

    def answered(self, milliseconds: float) -> None:
        """Count a request for masks that was answered."""
        with self._lock:
            self._counts[bisect_left(BUCKETS_MS, milliseconds)] += 1

    def troubled(self, path: str, status: int, sentences: list[str], error_id: str | None) -> None:
        """Keep a problem."""
        sentence = " ".join(dict.fromkeys(sentences))[:_LONGEST_SENTENCE]
        with self._lock:
            self._problems.append(FailedRequest(_now(), path[:100], status, sentence, error_id))

    def report(self) -> dict[str, object]:
        """Everything as plain values, the newest problem first."""
        with self._lock:
            return {
                "since": self._since,
                "latency_ms": {"up_to": list(BUCKETS_MS), "counts": list(self._counts)},
                "problems": [
                    {
                        "time": problem.time,
                        "path": problem.path,
                        "status": problem.status,
                        "sentence": problem.sentence,
                        "error_id": problem.error_id,
                    }
                    for problem in reversed(self._problems)
                ],
            }


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
