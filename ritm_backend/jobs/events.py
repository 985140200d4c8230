"""Which of Label Studio's events ask for a fine-tuning job.

"Start training" does, and of new annotations every so many-th. Annotators wait while Label Studio sends an
event, so it is handed over to a thread (`handover.py`), and nothing about it can fail for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from hmac import compare_digest
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request

from ritm_backend.auth import is_allowed
from ritm_backend.jobs.handover import Handover
from ritm_backend.label_studio.body import read_body
from ritm_backend.settings import Settings

if TYPE_CHECKING:
    from ritm_ops.jobs.queue import JobQueue

SECRET_HEADER = "X-RITM-Secret"  # noqa: S105  (the header's name)
START = "START_TRAINING"
NEW_ANNOTATIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED")

CHANGED_ANNOTATIONS = (*NEW_ANNOTATIONS, "ANNOTATION_UPDATED")

EVENT_BYTES = 4 * 1024 * 1024
"""Events up to this size are read; of larger ones, which hold very many masks, only the beginning."""
BEGINNING = 512

_SECONDS_FOR_AN_ID = 0.5  # of a job that a person waits for
_ACTION = re.compile(rb'\s*\{\s*"action"\s*:\s*"([A-Z_]{1,60})"')


def bytes_of(request: Request, settings: Settings) -> int:
    """How much of an event has to be read: nothing if it may have no effects."""
    if not is_trusted(request, settings):
        return 0
    return BEGINNING if (request.content_length or 0) > EVENT_BYTES else EVENT_BYTES


@dataclass(frozen=True, slots=True)
class LabelStudioEvent:
    """What happened in a project. `results` are those of each annotation that it is about."""

    action: str = ""
    results: tuple[object, ...] = ()


def event_of(request: Request) -> LabelStudioEvent:
    """What an event says; nothing if it is none. Of very large ones only the beginning is read."""
    length = request.content_length or 0
    if length > EVENT_BYTES:
        found = _ACTION.match(request.stream.read(BEGINNING))
        return LabelStudioEvent(found[1].decode() if found else "")
    try:
        event = read_body(request.get_data(cache=False))
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
    )


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
    action: str, settings: Settings, queue: Callable[[], JobQueue], handover: Handover
) -> dict[str, str]:
    """Have done what an event asks for; what Label Studio is told. `queue` may raise RitmError."""
    source = settings.finetune_source
    if source is None or settings.redis_url is None:
        return {"message": "This server does not train from Label Studio."} if action == START else {}

    def start() -> dict[str, str]:
        return {"job": queue().start(source)[0]}

    def count() -> dict[str, str]:
        return {} if queue().count_annotation() % settings.finetune_after else start()

    if action in NEW_ANNOTATIONS and settings.finetune_after:
        handover.give(count)
    if action != START:
        return {}
    try:
        return handover.give(start).result(_SECONDS_FOR_AN_ID)
    except TimeoutError:
        return {"message": "Redis does not answer now; the job is asked for as soon as it does."}
