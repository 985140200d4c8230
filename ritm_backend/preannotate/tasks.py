"""The project as Label Studio has it: what it asks of the backend, its tasks and their predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ritm_backend.connect.answers import Record, listed
from ritm_backend.connect.backends import TITLE
from ritm_backend.label_studio.regions import Json
from ritm_ops.label_studio.client import JSON, LabelStudioClient
from ritm_ops.label_studio.projects import project_record, task_rows

_COLUMNS = (
    *("data", "is_labeled", "total_annotations", "cancelled_annotations"),
    *("total_predictions", "predictions_model_versions"),
)


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        id: its number.
        data: as it was imported.
        is_annotated: somebody has annotated or skipped it.
        has_predictions: some stand in it.
        versions: of these, as far as Label Studio lists them.
    """

    id: int
    data: object = field(repr=False)
    is_annotated: bool
    has_predictions: bool
    versions: frozenset[str]


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        number: its id.
        config: the labeling configuration.
        shown: whose predictions annotators see: a version, or all of a backend by its title; None where they
            see none.
        backend: title of the backend that clicks go to, nothing where there is none.
        parameters: extra parameters of that backend.
        version: of its model, as it last told Label Studio.
    """

    number: int
    config: str = field(repr=False)
    shown: str | None
    backend: str
    parameters: object
    version: str


def read_project(client: LabelStudioClient, number: int) -> Project:
    """Raises LabelStudioError."""
    found = project_record(client, number)
    backends = listed(client.call("GET", "/api/ml", params={"project": number}))
    ours = [each for each in backends if each.get("title") == TITLE]
    ours += [each for each in backends if each.get("is_interactive")]
    backend: Record = ours[0] if ours else {}
    return Project(
        number,
        str(found.get("label_config") or ""),
        str(found.get("model_version") or "") if found.get("show_collab_predictions") else None,
        str(backend.get("title") or ""),
        backend.get("extra_params"),
        str(backend.get("model_version") or ""),
    )


def read_tasks(client: LabelStudioClient, project: Project) -> Iterator[Task]:
    """All tasks of a project, without annotations and predictions. Raises LabelStudioError."""
    for number, row in task_rows(client, project.number, _COLUMNS):
        yield Task(
            number,
            row.get("data"),
            any(row.get(key) for key in ("is_labeled", "total_annotations", "cancelled_annotations")),
            bool(row.get("total_predictions")),
            frozenset(each.strip() for each in str(row.get("predictions_model_versions") or "").split(",")),
        )


def read_predictions(client: LabelStudioClient, task: Task) -> Sequence[Json]:
    """The predictions that stand in a task, as they are. Raises LabelStudioError."""
    if not task.has_predictions:
        return ()
    return listed(client.call("GET", "/api/predictions/", params={"task": task.id}))


def write_prediction(client: LabelStudioClient, task: int, prediction: Mapping[str, JSON]) -> None:
    """Write what the backend has answered for a task. Raises LabelStudioError."""
    kept = {key: prediction[key] for key in ("result", "score", "model_version")}
    client.call("POST", "/api/predictions/", body={**kept, "task": task})
