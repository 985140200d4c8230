"""What a job tells while it runs: stage, progress, time left, log, measures.

It stands in the job's `meta` in Redis, as a `JobReport`. Reporting is best effort: while Redis is away,
reports are lost, and never work.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from threading import Event, Lock, Thread
from time import monotonic

from redis import Redis
from redis.exceptions import RedisError
from rq.job import Job
from rq.serializers import JSONSerializer

from ritm_ops.jobs.protocol import JobReport, Outcome

LOG_LINES = 100
EVERY_SECONDS = 1.0
SILENT_SECONDS = 10.0  # after Redis could not be reached

SHARES: Mapping[str, float] = {
    "collect": 0.10,
    "split": 0.01,
    "measure before": 0.14,
    "learn": 0.60,
    "measure after": 0.14,
    "publish": 0.01,
}
"""The stages of a job in their order, and about which part of its time each takes."""

_logger = logging.getLogger(__name__)


class Progress:
    """Keeps the report of one job up to date. Thread-safe.

    Args:
        log: file that all lines are written to.
        job: whose `meta` gets the report; None for one that nobody watches.
        redis: to tell it by, an impatient client of its own.
    """

    def __init__(self, log: Path, job: Job | None = None, redis: Redis | None = None) -> None:
        self.report = JobReport.of(job.meta) if job else JobReport()
        self._log = log
        self._lock = Lock()
        self._silent_until = 0.0
        self._begun_at = monotonic()
        self._begun_with: float | None = None
        self._teller: Job | None = None
        if job and redis:
            self._teller = Job(job.id, connection=redis, serializer=JSONSerializer)
            self._teller.meta = job.meta  # the same object: RQ writes it, too, when it tries again

    def say(self, message: str) -> None:
        """Tell a sentence: what is being done, or how it ended."""
        line = f"{datetime.now(timezone.utc):%Y-%m-%d %H:%M:%S} {message}"
        with suppress(OSError), self._log.open("a", encoding="utf-8") as file:  # the disk may be what is full
            file.write(line + "\n")
        self._change(message=message, log=(*self.report.log, line)[-LOG_LINES:])

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Tell that a stage begins, and after it that it is done."""
        self.at(name, 0.0, now=True)
        yield
        self.at(name, 1.0, now=True)

    def at(self, stage: str, part: float, *, now: bool = False) -> None:
        """Tell how much of a stage is done, from 0 to 1; not more often than once a second unless `now`."""
        names = list(SHARES)
        before = sum(SHARES[name] for name in names[: names.index(stage)])
        progress = round(before + SHARES[stage] * min(part, 1.0), 4)
        if self._begun_with is None:
            self._begun_with = progress  # of an attempt that goes on where another one ended
        self._change(
            now=now, stage=stage, progress=progress, eta_seconds=self._left(progress, self._begun_with)
        )

    def measured(self, when: str, values: Mapping[str, float]) -> None:
        """Tell what was measured "before" or "after"."""
        self._change(metrics={**self.report.metrics, when: dict(values)})

    def ended(self, outcome: Outcome, version: str | None, message: str) -> None:
        """Tell how the job has finished, and which version it has made live, if any."""
        self.at("publish", 1.0)
        self._change(outcome=outcome, published_version=version)
        self.say(message)

    @contextmanager
    def following(self, metrics: Path, steps: int) -> Iterator[None]:
        """Tell how far learning is, by the lines that a run writes, whichever process writes them."""
        done = Event()

        def follow() -> None:
            while not done.wait(EVERY_SECONDS):
                self.at("learn", _last_step(metrics) / steps)

        thread = Thread(target=follow, name="follow-run", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _left(self, progress: float, begun_with: float) -> float | None:
        made = progress - begun_with
        if made < 0.01:
            return None
        return round((monotonic() - self._begun_at) * (1 - progress) / made, 1)

    def _change(self, *, now: bool = True, **values: object) -> None:
        with self._lock:
            self.report = self.report.model_copy(update=values)
            if self._teller is None or (monotonic() < self._silent_until and not now):
                return
            self._teller.meta.update(self.report.model_dump(mode="json"))
            self._silent_until = monotonic() + EVERY_SECONDS
            try:
                self._teller.save_meta()  # type: ignore[no-untyped-call]
            except RedisError as error:
                self._silent_until = monotonic() + SILENT_SECONDS
                _logger.warning("Redis could not be told how the job is: %s", type(error).__name__)


def _last_step(metrics: Path) -> int:
    """The step that the last whole line of a run's metrics is about."""
    if not metrics.exists():
        return 0
    lines = metrics.read_bytes().rpartition(b"\n")[0].splitlines()
    return int(json.loads(lines[-1]).get("step", 0)) if lines else 0
