"""The routes of fine-tuning.

    POST /webhook                events of a Label Studio project; see `ritm_backend/jobs/events.py`
    GET  /training/jobs          the jobs, the newest first
    POST /training/jobs          asks for a job; its id
    POST /training/jobs/ID/stop  ends one
    GET  /training/jobs/ID/log   the last lines of its log

Jobs wait in Redis for a worker (`ritm worker`). Without RITM_REDIS_URL there are none: 503.
"""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import TYPE_CHECKING

from flask import Blueprint, Response, g, request

from ritm_backend.accepted import Counting
from ritm_backend.boundary import answer
from ritm_backend.jobs.events import (
    CHANGED_ANNOTATIONS,
    LabelStudioEvent,
    event_of,
    is_trusted,
    respond,
)
from ritm_backend.jobs.handover import Handover
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError
from ritm_ops.jobs.protocol import EndedJobError, JobError, UnknownJobError

if TYPE_CHECKING:
    from ritm_ops.jobs.queue import JobQueue

STATUSES: Mapping[type[JobError], int] = {UnknownJobError: 404, EndedJobError: 409}
"""Of all other errors, Redis is the reason: 503."""

_PATIENCE_SECONDS = 0.5
_ANSWER_SECONDS = 1.0


class NotConfiguredError(RitmError):
    """This server knows no Redis, or not where labels lie."""


class Queues:
    """Opens the queue when it is first needed. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._queue: JobQueue | None = None

    def __call__(self) -> JobQueue:
        """The queue.

        Raises:
            NotConfiguredError: no Redis is set.
            RitmError: the packages for it are not installed.
        """
        url = self._settings.redis_url
        if url is None:
            raise NotConfiguredError("This server has no fine-tuning jobs, since RITM_REDIS_URL is not set.")
        from ritm_ops.jobs.queue import JobQueue, connect  # needs packages that a server may lack

        with self._lock:
            if self._queue is None:
                redis = connect(url.get_secret_value(), _PATIENCE_SECONDS, _ANSWER_SECONDS)
                self._queue = JobQueue(redis, pipeline=self._settings.finetune_pipeline)
            return self._queue


def training_routes(settings: Settings, handover: Handover, counting: Counting | None = None) -> Blueprint:
    """Make the routes. Events go to the queue through `handover`, and annotations to `counting`."""
    training = Blueprint("training", __name__)
    queue = Queues(settings)

    @training.post("/webhook")
    def webhook() -> Response:
        trusted = is_trusted(request, settings)  # or nothing of it is read
        event = event_of(request) if trusted else LabelStudioEvent()
        if counting is not None and event.action in CHANGED_ANNOTATIONS:
            for results in event.results:
                counting.accept(results)
        done = respond(event.action, settings, queue, handover)
        return answer({"status": "ok", **done})

    @training.get("/training/jobs")
    def jobs() -> Response:
        return answer({"jobs": [job.to_json() for job in queue().jobs()]})

    @training.post("/training/jobs")
    def start() -> Response:
        jobs = queue()
        if settings.finetune_source is None:
            raise NotConfiguredError("RITM_FINETUNE_SOURCE is not set, so nobody knows where the labels lie.")
        job_id, is_new = jobs.start(settings.finetune_source, request_id=g.request_id)
        return answer({"id": job_id}, 201 if is_new else 200)

    @training.post("/training/jobs/<job_id>/stop")
    def stop(job_id: str) -> Response:
        queue().stop(job_id)
        return answer({"id": job_id})

    @training.get("/training/jobs/<job_id>/log")
    def log(job_id: str) -> Response:
        return answer({"lines": queue().job(job_id).report.log})

    @training.errorhandler(NotConfiguredError)
    def not_configured(error: NotConfiguredError) -> Response:
        return _told(503, str(error))

    @training.errorhandler(JobError)
    def not_done(error: JobError) -> Response:
        return _told(STATUSES.get(type(error), 503), str(error))

    return training


def _told(status: int, sentence: str) -> Response:
    g.report.problems.append(sentence)
    return answer({"message": sentence, "error": sentence}, status)
