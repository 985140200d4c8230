"""A webhook that takes `{"text": ...}`, as those of Slack and Mattermost do.

Telling is best effort: it has a deadline and few retries, and a webhook that cannot be reached is a warning
in the log. The address of a webhook is a secret, since whoever knows it may write there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Thread

import requests
from urllib3.exceptions import HTTPError

from ritm_model.errors import RitmError
from ritm_ops.deadline import Deadline
from ritm_ops.network import NetworkAccess

WITHIN_SECONDS = 20.0
SILENCE_SECONDS = 5.0
PAUSES = (1.0, 3.0)
"""Seconds before each retry."""

_logger = logging.getLogger(__name__)


def send(
    url: str, text: str, *, within_seconds: float = WITHIN_SECONDS, pauses: Sequence[float] = PAUSES
) -> None:
    """Post a text to a webhook. Whatever goes wrong is logged and nothing else.

    Args:
        url: of the webhook; it is never logged.
        text: plain; what Slack would take for a mention or a link is escaped.
        within_seconds: after which nobody waits any longer, whatever the server does.
        pauses: seconds before each retry of what may pass.
    """
    deadline = Deadline.after(within_seconds)
    # Resolving a name has no time limit of its own, and that of an answer starts anew with each byte.
    thread = Thread(target=_post, args=(url, text, deadline, pauses), name="notify", daemon=True)
    thread.start()
    thread.join(within_seconds)
    if thread.is_alive():
        _warn(f"it did not answer within {within_seconds:g} seconds")


def _post(url: str, text: str, deadline: Deadline, pauses: Sequence[float]) -> None:
    body = {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    problem = _attempt(url, body)
    for pause in pauses:
        if problem is None or not problem.may_pass or deadline.later(-pause).has_passed:
            break
        time.sleep(pause)
        problem = _attempt(url, body)
    if problem is not None:
        _warn(problem.reason)


@dataclass(frozen=True, slots=True)
class _Problem:
    reason: str
    may_pass: bool


def _attempt(url: str, body: Mapping[str, str]) -> _Problem | None:
    try:
        with (
            NetworkAccess.from_environment().session() as session,
            # A redirect would carry the text elsewhere, and what the answer says is of no interest.
            session.post(
                url, json=body, timeout=SILENCE_SECONDS, allow_redirects=False, stream=True
            ) as answer,
        ):
            status = answer.status_code
    except RitmError as error:  # of the environment: certificates or a proxy
        return _Problem(str(error).rstrip("."), may_pass=False)
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        return _Problem(type(error).__name__, may_pass=True)  # what it says has the address in it
    if 200 <= status < 300:
        return None
    return _Problem(f"it answered {status}", may_pass=status == 429 or status >= 500)


def _warn(reason: str) -> None:
    _logger.warning("The webhook of RITM_NOTIFY_URL could not be told: %s.", reason)
