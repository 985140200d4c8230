"""Which of Label Studio's events ask for a fine-tuning job.

"Start training" does, and of new annotations every so many-th. Annotators wait while Label Studio sends an
event, so it is handed over to a thread (`handover.py`), and nothing about it can fail for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from werkzeug.wrappers import Request

from ritm_backend.auth import is_allowed
from ritm_backend.jobs.handover import Handover
from ritm_backend.jobs.queues import NotConfiguredError, Queues, UnknownPipelineError
from ritm_backend.label_studio.body import read_body
from ritm_backend.settings import Settings
from ritm_backend.sharing.projects import Projects

SECRET_HEADER = "X-RITM-Secret"  # noqa: S105  (the header's name)
START = "START_TRAINING"
NEW_ANNOTATIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED")

CHANGED_ANNOTATIONS = (*NEW_ANNOTATIONS, "ANNOTATION_UPDATED")

WITH_MASKS_BYTES = 4 * 1024 * 1024
"""Larger events are read without their masks, for many may wait until they are counted."""

_SECONDS_FOR_AN_ID = 0.5  # of a job that a person waits for


@dataclass(frozen=True, slots=True)
class LabelStudioEvent:
    """What happened in a project.

    Attributes:
        action: Label Studio's name for it.
        results: those of each annotation that it is about.
        project: as `/setup` and `/predict` name it; None where the event does not say.
    """

    action: str = ""
    results: tuple[object, ...] = ()
    project: str | None = None


def event_of(request: Request) -> LabelStudioEvent:
    """What an event says; nothing if it is none. The masks of very large ones are left out."""
    body = request.get_data(cache=False)
    try:
        event = read_body(body, with_masks=len(body) <= WITH_MASKS_BYTES)
    except (ValueError, RecursionError):
        return LabelStudioEvent()
    action = event.get("action") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(action, str):
        return LabelStudioEvent()
    given = event.get("annotation")
    annotations = given if isinstance(given, list) else [given]
    return LabelStudioEvent(
        action,
        tuple(
            each.get("result")
            for each in annotations
            if isinstance(each, dict) and not each.get("was_cancelled")
        ),
        _project_of(event.get("project")),
    )


def _project_of(project: object) -> str | None:
    """Label Studio's name of a project in requests to backends: number, dot, second of its creation."""
    if not isinstance(project, dict):
        return None
    try:
        created = datetime.fromisoformat(str(project.get("created_at")).replace("Z", "+00:00"))
        return f"{int(project['id'])}.{int(created.timestamp())}"
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def is_trusted(request: Request, settings: Settings) -> bool:
    """Whether an event may have effects.

    Label Studio sends "Start training" with the backend's user and password, and other events with whatever
    headers the webhook has been given there. With neither a password nor a secret, everybody is trusted.
    """
    if settings.webhook_secret is not None:
        given = request.headers.get(SECRET_HEADER, "")
        expected = settings.webhook_secret.get_secret_value()
        if compare_digest(given.encode(errors="replace"), expected.encode()):
            return True
        if settings.basic_auth_user is None:
            return False
    return is_allowed(request, settings)


def respond(
    event: LabelStudioEvent, settings: Settings, queues: Queues, projects: Projects, handover: Handover
) -> dict[str, str]:
    """Have done what an event asks for, by the pipeline of its project; what Label Studio is told."""
    is_start = event.action == START
    is_counted = event.action in NEW_ANNOTATIONS and settings.finetune_after > 0
    if not is_start and not is_counted:
        return {}
    pipeline = projects.options(event.project).pipeline
    try:
        source = queues.source(pipeline)
    except UnknownPipelineError as error:
        return {"message": str(error)}
    except NotConfiguredError:
        source = None
    if source is None or not queues.is_there:
        return {"message": "This server does not train from Label Studio."} if is_start else {}

    def start() -> dict[str, str]:
        return {"job": queues(pipeline).start(source)[0]}

    def count() -> dict[str, str]:
        return {} if queues(pipeline).count_annotation() % settings.finetune_after else start()

    if is_counted:
        handover.give(count)
        return {}
    try:
        return handover.give(start).result(_SECONDS_FOR_AN_ID)
    except TimeoutError:
        return {"message": "Redis does not answer now; the job is asked for as soon as it does."}
