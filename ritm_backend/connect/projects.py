"""Connecting a Label Studio project with this backend, and saying what stands in the way.

    report = connect(client, Wish(project="Cats"))

Everything is done through Label Studio, whose server has to reach the backend; the machine this runs on need
not. Running it again changes nothing that is right already.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ritm_backend.connect.answers import Record, integer, listed, record
from ritm_backend.connect.config import Finding, Style, check_config, recommended_config
from ritm_backend.connect.trial import trial
from ritm_backend.label_studio.options import Kind
from ritm_model.errors import RitmError
from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError
from ritm_ops.pictures import PictureFetcher

__all__ = ["Checklist", "ConnectError", "Finding", "Kind", "Style", "Wish", "connect", "recommended_config"]

TITLE = "RITM"
PROJECTS_SHOWN = 10

ALLOW_LOCAL = (
    "Start Label Studio with ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false in its environment "
    "(since 1.23.1 it refuses backends on local addresses without both), then run this again."
)


class ConnectError(RitmError):
    """The project to connect cannot be found or made."""


@dataclass(frozen=True)
class Wish:
    """What to connect: the project by number or title, or the title and labels of a new one.

    `kind` is the kind of region of a new project, or the one that an existing project prefers. `refine` says
    whose regions a first click refines. Both are kept with the backend as extra parameters.

    `backend` is the backend's address as Label Studio's server reaches it. With a user and password Label
    Studio logs in there; without, a login that was set up before is kept. `trial` sends one click through
    the whole chain.
    """

    project: str = ""
    create: str = ""
    labels: tuple[str, ...] = ()
    style: Style | None = None
    kind: Kind | None = None
    refine: Literal["own", "everyone"] | None = None
    backend: str = "http://127.0.0.1:9090"
    basic_auth_user: str = ""
    basic_auth_pass: str = ""
    trial: bool = True


@dataclass(frozen=True)
class Checklist:
    """The checklist for one project. `backend_id` is None where Label Studio has no backend connected."""

    project_id: int
    project_title: str
    project_url: str
    backend_id: int | None
    findings: tuple[Finding, ...]

    @property
    def is_ready(self) -> bool:
        """Whether annotators can click: there may be advice, but no problem."""
        return not any(finding.level == "problem" for finding in self.findings)


def connect(client: LabelStudioClient, wish: Wish, pictures: PictureFetcher | None = None) -> Checklist:
    """Connect a project with the backend and check what annotators need.

    Args:
        client: of Label Studio.
        wish: what to connect.
        pictures: with the settings of the backend, so far as they are known here; reads the picture that a
            trial click fails on, to say what helps.

    Raises:
        ConnectError: no such project, or none that is meant by the title alone.
        LabelStudioError: Label Studio cannot be reached, or refuses the token.
    """
    findings: list[Finding] = []
    if wish.create:
        project, more = _project_made(client, wish)
        findings += more
    else:
        project = _project_found(client, wish.project)
    number, config = integer(project["id"]), str(project.get("label_config", ""))
    findings += check_config(config)
    backend, found = _backend_connected(client, number, wish)
    findings.append(found)
    if backend is not None and found.level == "ok":
        findings += _rivals(client, number, backend)
        findings += _webhook(client, number, wish.backend)
        if wish.trial:
            findings += trial(client, number, backend, config, pictures)
    return Checklist(
        number, str(project["title"]), f"{client.url}/projects/{number}/data", backend, tuple(findings)
    )


def _project_found(client: LabelStudioClient, wanted: str) -> Record:
    if wanted.isdecimal():
        try:
            return record(client.call("GET", f"/api/projects/{wanted}"))
        except LabelStudioError as error:
            if error.status != 404:
                raise
    same = _projects_titled(client, wanted)
    if same:
        return record(client.call("GET", f"/api/projects/{_the_only(same, wanted)}"))
    some = listed(client.call("GET", "/api/projects", params=_brief(PROJECTS_SHOWN)))
    names = ", ".join(f"{each['id']} {each['title']!r}" for each in some) or "none"
    raise ConnectError(f"There is no project {wanted!r} in {client.url}; there are: {names}.")


def _project_made(client: LabelStudioClient, wish: Wish) -> tuple[Record, list[Finding]]:
    """A new project, or the one of exactly that title that is there already, as it is."""
    config = recommended_config(wish.labels, wish.style, wish.kind or "brush")
    same = [each for each in _projects_titled(client, wish.create) if each["title"] == wish.create]
    if same:
        project = record(client.call("GET", f"/api/projects/{_the_only(same, wish.create)}"))
        more = [Finding("ok", f"Project {wish.create!r} is there already; it keeps its configuration.")]
        if project.get("label_config") != config:
            more.append(
                Finding(
                    "advice",
                    f"The given labels were not used: {', '.join(wish.labels)}.",
                    "Change the project's labels under Settings > Labeling Interface, or give another title.",
                )
            )
        return project, more
    body: Record = {"title": wish.create, "label_config": config}
    try:
        project = record(client.call("POST", "/api/projects", body=body))
    except LabelStudioError as error:
        if error.status != 400:
            raise
        raise ConnectError(f"Label Studio does not make a project {wish.create!r}: {error.detail}") from None
    return project, [Finding("ok", f"Project {wish.create!r} is made, with the recommended configuration.")]


def _backend_connected(client: LabelStudioClient, project: int, wish: Wish) -> tuple[int | None, Finding]:
    """Add the backend to the project, or bring the one that is there up to date."""
    body: Record = {
        "project": project,
        "url": wish.backend,
        "title": TITLE,
        "is_interactive": True,
    }
    if wish.basic_auth_user:
        body |= {
            "auth_method": "BASIC_AUTH",
            "basic_auth_user": wish.basic_auth_user,
            "basic_auth_pass": wish.basic_auth_pass,
        }
    there = _ours(_backends(client, project), wish.backend)
    if parameters := _parameters(wish, there):
        body["extra_params"] = parameters
    try:
        if there is None:
            answer = record(client.call("POST", "/api/ml", body=body))
        else:
            answer = record(client.call("PATCH", f"/api/ml/{there['id']}", body=body))
    except LabelStudioError as error:
        if error.status not in (400, 403):
            raise
        return (integer(there["id"]) if there else None), _refused(error, wish)
    if there is not None and there["url"] != wish.backend:
        _delete_webhook(client, project, str(there["url"]))
    verb = "is connected" if there is None else "was connected already and is up to date"
    return integer(answer["id"]), Finding("ok", f"The backend {wish.backend} {verb}, for smart tools.")


def _parameters(wish: Wish, there: Record | None) -> Record:
    """The extra parameters of the backend: those that are there, and what is wished for."""
    known = there.get("extra_params") if there else None
    parameters: Record = dict(known) if isinstance(known, dict) else {}
    if wish.kind and not wish.create:
        parameters["output"] = wish.kind
    if wish.refine:
        parameters["refine"] = wish.refine
    return parameters


def _refused(error: LabelStudioError, wish: Wish) -> Finding:
    """Why Label Studio does not take the backend, in the words of who has to act."""
    url, detail = wish.backend, error.detail
    if _is_local_refusal(detail):
        return _local_refused(url)
    if error.status == 403:
        return Finding(
            "problem",
            "The token's user may not change this project's settings.",
            "Use the token of a project manager or administrator.",
        )
    if "authentication parameters" in detail or "401 Client Error" in detail:
        fix = (
            "Check the user and password, they are BASIC_AUTH_USER and BASIC_AUTH_PASS of the backend."
            if wish.basic_auth_user
            else "Give --basic-auth-user, and the password in BASIC_AUTH_PASS."
        )
        return Finding("problem", f"The backend {url} asks for a user and password.", fix)
    if "connect to ML backend" in detail:
        return Finding(
            "problem",
            f"Label Studio cannot reach the backend at {url}.",
            "Start it with `ritm serve`; give the address that Label Studio's server sees, which from inside "
            "Docker is not 127.0.0.1 but for example http://host.docker.internal:9090.",
        )
    if "valid ML backend" in detail:
        return Finding("problem", f"What answers at {url} is no RITM backend.", "Check the address and port.")
    return Finding("problem", f"Label Studio does not take the backend {url}: {detail}")


def _is_local_refusal(detail: str) -> bool:
    return "reserved network address" in detail


def _local_refused(backend: str) -> Finding:
    return Finding("problem", f"Label Studio refuses the local address {backend}.", ALLOW_LOCAL)


def _rivals(client: LabelStudioClient, project: int, ours: int) -> Iterator[Finding]:
    """Annotators' clicks go to the first backend for smart tools only."""
    for each in _backends(client, project):
        if each["id"] != ours and each.get("is_interactive"):
            yield Finding(
                "problem" if integer(each["id"]) < ours else "advice",
                f"Another backend for smart tools is connected: {each.get('title')} at {each['url']}.",
                "Turn off its interactive preannotations under Settings > Model: clicks go to one only.",
            )


def _webhook(client: LabelStudioClient, project: int, backend: str) -> Iterator[Finding]:
    """Label Studio adds it together with the backend, but not where that was refused half-way."""
    if _webhooks_to(client, project, backend):
        return
    body: Record = {
        "project": project,
        "url": _webhook_url(backend),
        "send_payload": True,
        "send_for_all_actions": True,
    }
    try:
        client.call("POST", "/api/webhooks/", body=body)
    except LabelStudioError as error:
        if _is_local_refusal(error.detail):
            yield _local_refused(backend)
        else:
            yield Finding("advice", f"Label Studio will not tell the backend of annotations: {error.detail}")
    else:
        yield Finding("ok", "The backend is told of new annotations again.")


def _delete_webhook(client: LabelStudioClient, project: int, backend: str) -> None:
    """A webhook to an address that is gone would keep annotators waiting at every submission."""
    for hook in _webhooks_to(client, project, backend):
        client.call("DELETE", f"/api/webhooks/{integer(hook['id'])}/")


def _webhooks_to(client: LabelStudioClient, project: int, backend: str) -> list[Record]:
    hooks = listed(client.call("GET", "/api/webhooks/", params={"project": project}))
    return [hook for hook in hooks if hook.get("url") == _webhook_url(backend)]


def _webhook_url(backend: str) -> str:
    return f"{backend.rstrip('/')}/webhook"


def _the_only(projects: Sequence[Record], title: str) -> int:
    if len(projects) > 1:
        numbers = ", ".join(str(each["id"]) for each in projects)
        raise ConnectError(
            f"Several projects are called {title!r}: choose one with --project and its number ({numbers})."
        )
    return integer(projects[0]["id"])


def _projects_titled(client: LabelStudioClient, title: str) -> list[Record]:
    found = listed(client.call("GET", "/api/projects", params={**_brief(100), "title": title}))
    exact = [each for each in found if each["title"] == title]
    return exact or [each for each in found if str(each["title"]).casefold() == title.casefold()]


def _brief(page_size: int) -> dict[str, str | int]:
    return {"include": "id,title", "page_size": page_size}


def _backends(client: LabelStudioClient, project: int) -> list[Record]:
    backends = listed(client.call("GET", "/api/ml", params={"project": project}))
    return sorted(backends, key=lambda each: integer(each["id"]))


def _ours(backends: Sequence[Record], url: str) -> Record | None:
    """The backend at this address, or else the one we made for another address."""
    same = [each for each in backends if str(each["url"]).rstrip("/") == url.rstrip("/")]
    same += [each for each in backends if each.get("title") == TITLE]
    return same[0] if same else None
