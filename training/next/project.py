"""A project of Label Studio as an order sees it: its tasks, its settings, and what an order has written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ritm_model.errors import RitmError
from ritm_ops.environment import SettingsError
from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError
from ritm_ops.label_studio.images import ImageTag, NoImageError, image_tags, parse_xml, reference_of
from training.settings import TrainingSettings

PAGE = 500
META = "ritm_next"
"""Key in a task's meta under which its place stands."""
UNCERTAINTY = "Uncertainty sampling"


class NextError(RitmError):
    """Tasks cannot be ordered, or the order cannot be written."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        id: its number.
        references: its pictures, as its data says them; none where it has none.
        is_labelled: somebody has annotated it.
        meta: all of it, what an earlier order has written included.
    """

    id: int
    references: tuple[str, ...]
    is_labelled: bool
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def written(self) -> Mapping[str, Any] | None:
        """What an earlier order has written, if one has."""
        found = self.meta.get(META)
        return found if isinstance(found, dict) else None


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        number: its id.
        sampling: how Label Studio chooses the next task, in its own words.
        model_version: whose predictions count for that.
        tags: its pictures, by the labeling configuration.
    """

    number: int
    sampling: str
    model_version: str
    tags: tuple[ImageTag, ...]


def read_project(client: LabelStudioClient, number: int) -> Project:
    """Read what an order has to know of a project.

    Raises:
        NextError: there is no such project.
        LabelStudioError: Label Studio cannot be reached, or refuses.
        ConfigXmlError: the labeling configuration cannot be read.
    """
    try:
        found = client.call("GET", f"/api/projects/{number}")
    except LabelStudioError as error:
        if error.status != 404:
            raise
        raise NextError(
            f"There is no project {number} in {client.url}; its number is in the address of its page."
        ) from None
    content = found if isinstance(found, dict) else {}
    config = content.get("label_config")
    return Project(
        number,
        str(content.get("sampling") or ""),
        str(content.get("model_version") or ""),
        image_tags(parse_xml(config)) if isinstance(config, str) else (),
    )


def read_tasks(client: LabelStudioClient, project: Project) -> Iterator[Task]:
    """All tasks of a project, page by page, without their annotations.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or refuses.
    """
    page = 1
    while True:
        asked: dict[str, str | int] = {
            "project": project.number,
            "page": page,
            "page_size": PAGE,
            "include": "id,data,meta,is_labeled,total_annotations",
        }
        try:
            answer = client.call("GET", "/api/tasks", params=asked)
        except LabelStudioError as error:
            if error.status == 404 and page > 1:  # a page behind the last one
                return
            raise
        rows = answer.get("tasks") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise NextError(f"{client.url} does not list the tasks of project {project.number}.")
        for row in rows:
            if isinstance(row, dict) and isinstance(row.get("id"), int):
                yield _task(row, project)
        if len(rows) < PAGE:
            return
        page += 1


def _task(row: Mapping[str, Any], project: Project) -> Task:
    meta = row.get("meta")
    return Task(
        row["id"],
        tuple(_references(row.get("data"), project.tags)),
        bool(row.get("is_labeled") or row.get("total_annotations")),
        meta if isinstance(meta, dict) else {},
    )


def _references(data: object, tags: tuple[ImageTag, ...]) -> Iterator[str]:
    """One picture of each tag; of a list, the first."""
    for tag in tags:
        with suppress(NoImageError):  # of a Repeater, or the task leaves it out
            yield reference_of([tag], tag.name, 0, data)


def project_number(settings: TrainingSettings) -> int:
    """Raises SettingsError where the pipeline names no project."""
    if settings.project is None:
        raise SettingsError(
            "Which project of Label Studio? Give its number with --project, as 'project' of the pipeline, or "
            "as RITM_FINETUNE_PROJECT."
        )
    return settings.project
