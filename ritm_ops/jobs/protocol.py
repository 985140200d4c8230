"""What those who ask for fine-tuning jobs, and those who do them, agree on.

A job is a call by name, `training.job.run(source, base)`, that RQ keeps in Redis as JSON. Whoever asks for
one needs neither the code of the job nor torch; nothing from Redis is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import Field, ValidationError

from ritm_model.errors import RitmError
from ritm_model.values import ForeignValue

QUEUE = "ritm-finetune"
DEFAULT_PIPELINE = "default"
"""The pipeline of those who name none."""
FUNCTION = "training.job.run"
LIVE = "live"
"""The base of a job that goes on from whichever model is live when it starts."""
SECONDS_KEPT = 90 * 24 * 3600
"""How long jobs that have ended can be looked at."""
JOBS_LISTED = 200
PAUSES = (60, 300, 900)
"""Seconds before each retry of a job that failed for a reason which may pass."""


Outcome: TypeAlias = Literal[
    "published", "candidate", "not better", "refused", "superseded", "nothing new", "too few labels"
]
"""How a job may finish: only `published` changes what is live, and none is a failure.

`candidate` is a model that waits for a decision, perhaps on trial, `refused` one that people had decided
against, `superseded` one whose base is no longer live.
"""


class JobError(RitmError):
    """A job that cannot be had, or a Redis that cannot be used."""


class UnknownJobError(JobError):
    """There is no such job."""


class EndedJobError(JobError):
    """The job has ended already."""


class JobReport(ForeignValue):
    """What the worker says of its job; RQ keeps it as the job's `meta`.

    Attributes:
        stage: what is being done.
        progress: from 0 to 1, over all stages.
        eta_seconds: how long it will still take, where that can be told.
        message: a sentence for people; of a job that has ended, how.
        outcome: how it has finished, an `Outcome`; empty before that.
        metrics: by "before" and "after", what was measured on the held-out images.
        published_version: of the model that was published and made live, if one was.
        log: the last lines of the job's log.
    """

    stage: str = ""
    progress: float = 0.0
    eta_seconds: float | None = None
    message: str = ""
    outcome: str = ""
    metrics: dict[str, dict[str, float]] = Field(default_factory=dict)
    published_version: str | None = None
    log: tuple[str, ...] = ()

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> JobReport:
        """What the worker has said so far."""
        try:
            return cls.model_validate(meta)
        except ValidationError:
            return cls()


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as it is shown."""

    id: str
    status: str
    source: str
    base: str
    created_at: datetime
    report: JobReport

    @property
    def has_ended(self) -> bool:
        return self.status in ("finished", "failed", "stopped")

    def to_json(self) -> dict[str, Any]:
        report = self.report.model_dump(exclude={"log"})
        return {
            "id": self.id,
            "status": self.status,
            "source": self.source,
            "base": self.base,
            "created_at": self.created_at.isoformat(timespec="seconds"),
            **report,
        }
