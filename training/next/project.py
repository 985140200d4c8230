"""A project of Label Studio as an order sees it: its tasks, its settings, and what an order has written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ritm_model.errors import RitmError
from ritm_ops.environment import SettingsError
from ritm_ops.label_studio.client import LabelStudioClient
from ritm_ops.label_studio.images import ImageTag, image_tags, parse_xml, pictures_of
from ritm_ops.label_studio.projects import project_record, task_rows
from training.settings import TrainingSettings

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
        references: the first picture of each tag, as its data says it; none where it has none.
        is_labelled: somebody has annotated it.
        meta: all of it, what an earlier order has written included.
        has_more: further pictures, of a list or on pages of a Repeater.
    """

    id: int
    references: tuple[str, ...]
    is_labelled: bool
    meta: Mapping[str, Any] = field(default_factory=dict, repr=False)
    has_more: bool = False

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
        LabelStudioError: there is no such project, or Label Studio cannot be reached, or refuses.
        ConfigXmlError: the labeling configuration cannot be read.
    """
    content = project_record(client, number)
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
    for number, row in task_rows(client, project.number, ("data", "meta", "is_labeled", "total_annotations")):
        yield _task(number, row, project)


def _task(number: int, row: Mapping[str, Any], project: Project) -> Task:
    meta = row.get("meta")
    of_tags = [list(pictures_of(tag, row.get("data"))) for tag in project.tags]
    return Task(
        number,
        tuple(found[0].reference for found in of_tags if found),
        bool(row.get("is_labeled") or row.get("total_annotations")),
        meta if isinstance(meta, dict) else {},
        has_more=any(len(found) > 1 for found in of_tags),
    )


def project_number(settings: TrainingSettings) -> int:
    """Raises SettingsError where the pipeline names no project."""
    if settings.project is None:
        raise SettingsError(
            "Which project of Label Studio? Give its number with --project, as 'project' of the pipeline, or "
            "as RITM_FINETUNE_PROJECT."
        )
    return settings.project
