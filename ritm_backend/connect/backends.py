"""The backend of a project, and others that would take its clicks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from ritm_backend.connect.answers import Record, integer
from ritm_backend.connect.changes import Editor
from ritm_backend.connect.config import Finding
from ritm_backend.connect.refusals import refused
from ritm_backend.connect.webhooks import delete_webhook
from ritm_backend.connect.wish import Wish
from ritm_backend.label_studio.options import parameters_in
from ritm_ops.label_studio.client import LabelStudioError

TITLE = "RITM"


def connect_backend(editor: Editor, project: int, wish: Wish) -> tuple[int | None, Finding]:
    """Add the backend to the project, or bring the one that is there up to date."""
    body: Record = {"project": project, "url": wish.backend, "title": TITLE, "is_interactive": True}
    if wish.basic_auth_user:
        body |= {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": wish.basic_auth_user,
            "basic_auth_pass": wish.basic_auth_pass.get_secret_value(),
        }
    there = _ours(_backends(editor, project), wish.backend)
    if parameters := _parameters(wish, there):
        body["extra_params"] = json.dumps(parameters)  # Label Studio's form spoils whatever is no text
    number = integer(there["id"]) if there else None
    try:
        # Also where nothing differs: Label Studio then asks the backend whether it is there.
        if number is None:
            answer = editor.change("POST", "/api/ml", body)
        else:
            answer = editor.change("PATCH", f"/api/ml/{number}", body)
    except LabelStudioError as error:
        if error.status not in (400, 403):
            raise
        return number, refused(error, wish.backend, has_login=bool(wish.basic_auth_user))
    if there is not None and there["url"] != wish.backend:
        delete_webhook(editor, project, str(there["url"]))
    if there is None:
        how = editor.said("is connected", "would be connected")
    elif changed := sorted(name for name, value in body.items() if name in there and there[name] != value):
        said = editor.said("is up to date", "would be brought up to date")
        how = f"was connected already and {said} ({', '.join(changed)})"
    else:
        how = "was connected already and is up to date"
    return (integer(answer["id"]) if answer else number), Finding(
        "ok", f"The backend {wish.backend} {how}, for smart tools."
    )


def rivals(editor: Editor, project: int, ours: int) -> Iterator[Finding]:
    """Annotators' clicks go to the first backend for smart tools only."""
    for each in _backends(editor, project):
        if each["id"] != ours and each.get("is_interactive"):
            yield Finding(
                "problem" if integer(each["id"]) < ours else "advice",
                f"Another backend for smart tools is connected: {each.get('title')} at {each['url']}.",
                "Turn off its interactive preannotations under Settings > Model: clicks go to one only.",
            )


def _parameters(wish: Wish, there: Record | None) -> Record:
    """The extra parameters of the backend: those that are there, and what is wished for."""
    parameters: Record = (parameters_in(there.get("extra_params")) if there else None) or {}
    if wish.kind and not wish.create:
        parameters["output"] = wish.kind
    if wish.refine:
        parameters["refine"] = wish.refine
    if wish.pipeline:
        parameters["pipeline"] = wish.pipeline
    return parameters


def _backends(editor: Editor, project: int) -> list[Record]:
    return sorted(editor.list("/api/ml", project=project), key=lambda each: integer(each["id"]))


def _ours(backends: Sequence[Record], url: str) -> Record | None:
    """The backend at this address, or else the one we made for another address."""
    same = [each for each in backends if str(each["url"]).rstrip("/") == url.rstrip("/")]
    same += [each for each in backends if each.get("title") == TITLE]
    return same[0] if same else None
