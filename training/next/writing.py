"""An order, written into Label Studio: prediction scores, by which it samples, and meta, which people read.

Label Studio's uncertainty sampling serves the task with the lowest score among the predictions of the
project's `model_version`. A score is the place of a task over the number of places, so the first task has the
lowest. The predictions hold no regions, and say nothing to annotators, unless their tasks begin with some.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from ritm_ops.label_studio.client import JSON, LabelStudioClient, LabelStudioError
from training.next.frames import Moved
from training.next.ordering import Ranked
from training.next.project import META, UNCERTAINTY, NextError, Project, Task

GONE = 404
NOTHING: Mapping[int, Moved] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Written:
    """What was changed in a project.

    Attributes:
        scored: tasks that have got another place.
        cleared: tasks that have lost theirs.
    """

    scored: int
    cleared: int


def version_name(pipeline: str) -> str:
    """The `model_version` of predictions that hold places; always the same, so the project's stays right."""
    return f"next:{pipeline}"


def write_order(
    client: LabelStudioClient,
    order: Sequence[Ranked],
    tasks: Mapping[int, Task],
    version: str,
    by: str,
    model: str,
    begun: Mapping[int, Moved] = NOTHING,
) -> Written:
    """Write the places of tasks, and take away those of all others; what is right already is left.

    Args:
        client: of Label Studio.
        order: the tasks to write, from the front.
        tasks: all of the project, by number.
        version: of the predictions.
        by: what was ordered by, for people.
        model: whose judgements these are, for people.
        begun: regions that tasks begin with, by their number.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or refuses.
    """
    scored = cleared = 0
    places = {each.task for each in order}
    for task in tasks.values():
        if task.written is not None and task.id not in places:
            _clear(client, task)
            cleared += 1
    for each in order:
        score = round(each.place / (len(order) + 1), 6)
        told: dict[str, JSON] = {
            "place": each.place,
            "score": score,
            "by": by,
            "model": model,
            **each.values(),
        }
        regions = begun.get(each.task)
        if regions is not None:
            told |= {"frame_before": regions.before, "regions": regions.digest}
        task = tasks[each.task]
        known = task.written or {}
        number = known.get("prediction")
        if isinstance(number, int) and known == {**told, "prediction": number}:
            continue
        results = list(regions.results) if regions is not None else []
        number = _write_prediction(client, task.id, number, score, version, results)
        _write_meta(client, task, {**told, "prediction": number})
        scored += 1
    return Written(scored, cleared)


def use_order(client: LabelStudioClient, project: Project, version: str) -> None:
    """Have Label Studio serve tasks by the scores, once there are some.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or refuses.
    """
    settings: dict[str, JSON] = {
        "sampling": UNCERTAINTY,
        "show_collab_predictions": True,
        "model_version": version,
    }
    client.call("PATCH", f"/api/projects/{project.number}", body=settings)


def is_used(project: Project, version: str) -> bool:
    """Whether Label Studio serves tasks by the scores."""
    return project.sampling == UNCERTAINTY and project.model_version == version


def _write_prediction(
    client: LabelStudioClient, task: int, known: object, score: float, version: str, results: list[JSON]
) -> int:
    """Change the prediction that is known, or make one; returns its number."""
    body: dict[str, JSON] = {"score": score, "model_version": version, "result": results}
    if isinstance(known, int):
        with _unless_gone():
            client.call("PATCH", f"/api/predictions/{known}/", body=body)
            return known
    made = client.call("POST", "/api/predictions/", body={**body, "task": task})
    number = made.get("id") if isinstance(made, dict) else None
    if not isinstance(number, int):
        raise NextError(f"{client.url} does not take a prediction for task {task}.")
    return number


def _clear(client: LabelStudioClient, task: Task) -> None:
    known = (task.written or {}).get("prediction")
    if isinstance(known, int):
        with _unless_gone():
            client.call("DELETE", f"/api/predictions/{known}/")
    _write_meta(client, task, None)


def _write_meta(client: LabelStudioClient, task: Task, told: dict[str, JSON] | None) -> None:
    meta = {key: value for key, value in task.meta.items() if key != META}
    with _unless_gone():  # somebody has deleted the task meanwhile
        client.call(
            "PATCH", f"/api/tasks/{task.id}/", body={"meta": meta if told is None else {**meta, META: told}}
        )


@contextmanager
def _unless_gone() -> Iterator[None]:
    try:
        yield
    except LabelStudioError as error:
        if error.status != GONE:
            raise
