"""The routes of fine-tuning.

    POST /webhook                events of a Label Studio project; see `ritm_backend/jobs/events.py`
    GET  /training/jobs          the jobs, the newest first
    POST /training/jobs          asks for a job; its id
    POST /training/jobs/ID/stop  ends one
    GET  /training/jobs/ID/log   the last lines of its log

All but the first are about the server's own pipeline, or about that of `?pipeline=NAME`. Jobs wait in Redis
for a worker (`ritm worker`). Without RITM_REDIS_URL there are none: 503.
"""

from __future__ import annotations

from collections.abc import Mapping

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
from ritm_backend.jobs.queues import NotConfiguredError, Queues, UnknownPipelineError
from ritm_backend.settings import Settings
from ritm_backend.sharing.projects import Projects
from ritm_ops.jobs.protocol import EndedJobError, JobError, UnknownJobError

STATUSES: Mapping[type[JobError], int] = {UnknownJobError: 404, EndedJobError: 409}
"""Of all other errors, Redis is the reason: 503."""


def training_routes(
    settings: Settings,
    queues: Queues,
    projects: Projects,
    handover: Handover,
    counting: Counting | None = None,
) -> Blueprint:
    """Make the routes. Events go to the queue through `handover`, and annotations to `counting`."""
    training = Blueprint("training", __name__)

    @training.post("/webhook")
    def webhook() -> Response:
        trusted = is_trusted(request, settings)  # or nothing of it is read
        event = event_of(request) if trusted else LabelStudioEvent()
        if counting is not None and event.action in CHANGED_ANNOTATIONS:
            for results in event.results:
                counting.accept(results)
        done = respond(event, settings, queues, projects, handover)
        return answer({"status": "ok", **done})

    @training.get("/training/jobs")
    def jobs() -> Response:
        return answer({"jobs": [job.to_json() for job in queues(_pipeline()).jobs()]})

    @training.post("/training/jobs")
    def start() -> Response:
        jobs = queues(_pipeline())
        job_id, is_new = jobs.start(queues.source(_pipeline()), request_id=g.request_id)
        return answer({"id": job_id}, 201 if is_new else 200)

    @training.post("/training/jobs/<job_id>/stop")
    def stop(job_id: str) -> Response:
        queues(_pipeline()).stop(job_id)
        return answer({"id": job_id})

    @training.get("/training/jobs/<job_id>/log")
    def log(job_id: str) -> Response:
        return answer({"lines": queues(_pipeline()).job(job_id).report.log})

    @training.errorhandler(UnknownPipelineError)
    def unknown(error: UnknownPipelineError) -> Response:
        return _told(404, str(error))

    @training.errorhandler(NotConfiguredError)
    def not_configured(error: NotConfiguredError) -> Response:
        return _told(503, str(error))

    @training.errorhandler(JobError)
    def not_done(error: JobError) -> Response:
        return _told(STATUSES.get(type(error), 503), str(error))

    return training


def _pipeline() -> str | None:
    return request.args.get("pipeline")


def _told(status: int, sentence: str) -> Response:
    g.report.problems.append(sentence)
    return answer({"message": sentence, "error": sentence}, status)
