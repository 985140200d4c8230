"""Connecting a Label Studio project with this backend, and saying what stands in the way.

    report = connect(client, Wish(project="Cats"))

Everything is done through Label Studio, whose server has to reach the backend; the machine this runs on need
not. Running it again changes nothing that is right already.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ritm_backend.connect.answers import Record, integer
from ritm_backend.connect.backends import connect_backend, rivals
from ritm_backend.connect.changes import Editor
from ritm_backend.connect.config import Finding, check_config, recommended_config
from ritm_backend.connect.storages import connect_storage, make_bucket
from ritm_backend.connect.trial import trial
from ritm_backend.connect.waiting import Patience
from ritm_backend.connect.webhooks import connect_webhook
from ritm_backend.connect.wish import Wish
from ritm_model.errors import RitmError
from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError
from ritm_ops.pictures import PictureFetcher

PROJECTS_SHOWN = 10
NONE = Patience()


class ConnectError(RitmError):
    """The project to connect cannot be found or made."""


@dataclass(frozen=True)
class Checklist:
    """The checklist for one project.

    Attributes:
        project_id: None in a dry run of a project that would be made.
        project_title: as it is, or would be.
        project_url: page of the project, or of all projects, as people open it.
        backend_id: None where Label Studio has no backend connected.
        findings: in the order in which things were done.
        dry_run: nothing was changed.
    """

    project_id: int | None
    project_title: str
    project_url: str
    backend_id: int | None
    findings: tuple[Finding, ...]
    dry_run: bool = False

    @property
    def is_ready(self) -> bool:
        """Whether annotators can click: there may be advice, but no problem."""
        return not any(finding.level == "problem" for finding in self.findings)


def connect(
    client: LabelStudioClient,
    wish: Wish,
    pictures: PictureFetcher | None = None,
    patience: Patience = NONE,
) -> Checklist:
    """Connect a project with the backend and check what annotators need.

    Args:
        client: of Label Studio.
        wish: what to connect.
        pictures: with the settings of the backend, so far as they are known here; reads the picture that a
            trial click fails on, to say what helps.
        patience: how long a backend that is starting is waited for.

    Raises:
        ConnectError: no such project, or none that is meant by the title alone.
        LabelStudioError: Label Studio cannot be reached, or refuses the token.
        StoreError: a bucket is to be made, and the server of the storage does not do it.
    """
    editor = Editor(client, wish.dry_run)
    findings: list[Finding] = []
    if wish.create:
        project, more = _project_made(editor, wish)
        findings += more
    else:
        project = _project_found(editor, wish.project)
    if wish.makes_buckets:
        for storage in wish.storages:
            findings += make_bucket(storage, dry_run=wish.dry_run)
    pages = wish.pages or editor.url
    if project is None:
        return Checklist(None, wish.create, f"{pages}/projects", None, tuple(findings), dry_run=True)
    number, config = integer(project["id"]), str(project.get("label_config", ""))
    findings += check_config(config)
    backend, found = connect_backend(editor, number, wish)
    while found.level == "problem" and patience.pause():
        backend, found = connect_backend(editor, number, wish)
    findings.append(found)
    if backend is not None and found.level == "ok":
        findings += rivals(editor, number, backend)
        findings += connect_webhook(editor, number, wish.backend, wish.webhook_secret)
        if wish.trial and not wish.dry_run:
            findings += trial(client, number, backend, config, pictures)
    for storage in wish.storages:
        findings += connect_storage(editor, number, storage)
    url = f"{pages}/projects/{number}/data"
    return Checklist(number, str(project["title"]), url, backend, tuple(findings), dry_run=wish.dry_run)


def _project_found(editor: Editor, wanted: str) -> Record:
    if wanted.isdecimal():
        try:
            return editor.read(f"/api/projects/{wanted}")
        except LabelStudioError as error:
            if error.status != 404:
                raise
    same = _projects_titled(editor, wanted)
    if same:
        return editor.read(f"/api/projects/{_the_only(same, wanted)}")
    some = editor.list("/api/projects", **_brief(PROJECTS_SHOWN))
    names = ", ".join(f"{each['id']} {each['title']!r}" for each in some) or "none"
    raise ConnectError(f"There is no project {wanted!r} in {editor.url}; there are: {names}.")


def _project_made(editor: Editor, wish: Wish) -> tuple[Record | None, list[Finding]]:
    """A new project, or the one of exactly that title that is there already, as it is."""
    config = recommended_config(wish.labels, wish.style, wish.kind or "brush")
    same = [each for each in _projects_titled(editor, wish.create) if each["title"] == wish.create]
    if same:
        project = editor.read(f"/api/projects/{_the_only(same, wish.create)}")
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
    try:
        made = editor.change("POST", "/api/projects", {"title": wish.create, "label_config": config})
    except LabelStudioError as error:
        if error.status != 400:
            raise
        raise ConnectError(f"Label Studio does not make a project {wish.create!r}: {error.detail}") from None
    how = editor.said("is made", "would be made and connected")
    return made, [Finding("ok", f"Project {wish.create!r} {how}, with the recommended configuration.")]


def _the_only(projects: Sequence[Record], title: str) -> int:
    if len(projects) > 1:
        numbers = ", ".join(str(each["id"]) for each in projects)
        raise ConnectError(
            f"Several projects are called {title!r}: choose one with --project and its number ({numbers})."
        )
    return integer(projects[0]["id"])


def _projects_titled(editor: Editor, title: str) -> list[Record]:
    found = editor.list("/api/projects", **_brief(100), title=title)
    exact = [each for each in found if each["title"] == title]
    return exact or [each for each in found if str(each["title"]).casefold() == title.casefold()]


def _brief(page_size: int) -> dict[str, str | int]:
    return {"include": "id,title", "page_size": page_size}
