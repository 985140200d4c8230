"""The webhook by which Label Studio tells the backend of annotations."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from pydantic import SecretStr

from ritm_backend.connect.answers import Record, integer
from ritm_backend.connect.changes import Editor
from ritm_backend.connect.config import Finding
from ritm_backend.connect.refusals import is_local_refusal, local_refused
from ritm_ops.label_studio.client import LabelStudioError

SECRET_HEADER = "X-RITM-Secret"  # noqa: S105  (its name, not its value)


def connect_webhook(editor: Editor, project: int, backend: str, secret: SecretStr) -> Iterator[Finding]:
    """Label Studio adds it together with the backend, but not where that was refused half-way.

    Args:
        editor: of Label Studio.
        project: whose annotations count.
        backend: its address.
        secret: that makes the events count; empty leaves the headers as they are.
    """
    headers: Record = {SECRET_HEADER: secret.get_secret_value()} if secret.get_secret_value() else {}
    there = _webhooks_to(editor, project, backend)
    try:
        for hook in there:
            if headers and hook.get("headers") != headers:
                editor.change("PATCH", f"/api/webhooks/{integer(hook['id'])}/", {"headers": headers})
                yield Finding("ok", f"Events for the backend {editor.said('are', 'would be')} signed anew.")
        if not there:
            body: Record = {
                "project": project,
                "url": _url(backend),
                "send_payload": True,
                "send_for_all_actions": True,
                "headers": headers,
            }
            editor.change("POST", "/api/webhooks/", body)
            yield Finding("ok", f"The backend {editor.said('is', 'would be')} told of new annotations.")
    except LabelStudioError as error:
        if is_local_refusal(error.detail):
            yield local_refused(backend)
        else:
            yield Finding(
                "advice",
                f"Label Studio will not tell the backend of annotations: {error.detail}{cure(backend)}",
            )


def cure(backend: str) -> str:
    """What to do about an address that Label Studio refuses for events, although it asks it for masks."""
    if "." in (urlsplit(backend).hostname or "") or urlsplit(backend).hostname == "localhost":
        return ""
    return " It takes names with a dot only: give the backend one, such as backend.internal."


def delete_webhook(editor: Editor, project: int, backend: str) -> None:
    """A webhook to an address that is gone would keep annotators waiting at every submission."""
    for hook in _webhooks_to(editor, project, backend):
        editor.change("DELETE", f"/api/webhooks/{integer(hook['id'])}/")


def _webhooks_to(editor: Editor, project: int, backend: str) -> list[Record]:
    hooks = editor.list("/api/webhooks/", project=project)
    return [hook for hook in hooks if hook.get("url") == _url(backend)]


def _url(backend: str) -> str:
    return f"{backend.rstrip('/')}/webhook"
