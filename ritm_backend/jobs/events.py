"""Which of Label Studio's events ask for a fine-tuning job.

"Start training" does at once, and of new annotations every so many-th. Annotators wait while Label Studio
sends an event, so nothing is done here but to count and to ask, and nothing about it can fail for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from hmac import compare_digest
from typing import TYPE_CHECKING

from flask import Request

from ritm_backend.auth import is_allowed
from ritm_backend.settings import Settings
from ritm_model.errors import RitmError

if TYPE_CHECKING:
    from ritm_ops.jobs.queue import JobQueue

SECRET_HEADER = "X-RITM-Secret"  # noqa: S105  (the header's name)
START = "START_TRAINING"
NEW_ANNOTATIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED")

_LARGEST_EVENT_READ = 256 * 1024
_BEGINNING = 512
_ACTION = re.compile(rb'\s*\{\s*"action"\s*:\s*"([A-Z_]{1,60})"')


def action_of(request: Request) -> str:
    """The action of an event, or nothing. Of large ones, which hold masks, only the beginning is read."""
    length = request.content_length or 0
    if length > _LARGEST_EVENT_READ:
        found = _ACTION.match(request.stream.read(_BEGINNING))
        return found[1].decode() if found else ""
    try:
        event = json.loads(request.get_data(cache=False))
    except (ValueError, RecursionError):
        return ""
    action = event.get("action") if isinstance(event, dict) else None
    return action if isinstance(action, str) else ""


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


def respond(action: str, settings: Settings, queue: Callable[[], JobQueue]) -> dict[str, str]:
    """Do what an event asks for; what Label Studio is told. `queue` may raise RitmError."""
    if settings.finetune_source is None or settings.redis_url is None:
        if action == START:
            return {"message": "This server does not train from Label Studio."}
        return {}
    try:
        if action in NEW_ANNOTATIONS and settings.finetune_after:
            if queue().count_annotation() % settings.finetune_after:
                return {}
        elif action != START:
            return {}
        job, _ = queue().start(settings.finetune_source)
    except RitmError as error:
        return {"message": str(error)}
    return {"job": job}
