"""The whole of `ritm next`: the live model looks at the tasks of a project, and they are put in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ritm_model.checkpoints import resolve_model
from ritm_model.inference.opening import chosen_device
from ritm_ops.environment import SettingsError
from ritm_ops.jobs.protocol import DEFAULT_PIPELINE
from ritm_ops.label_studio.client import LabelStudioClient
from ritm_ops.object_store import open_store
from ritm_ops.pictures import PictureFetcher
from ritm_ops.registry import Registry
from training.next.frames import Moved, frames_before, moved_regions
from training.next.judging import Kept, ModelJudge, OnTask, judged
from training.next.ordering import Ranked, drawn, ranked
from training.next.project import Project, Task, project_number, read_project, read_tasks
from training.next.writing import Written, is_used, use_order, version_name, write_order
from training.settings import TrainingSettings

LABELLED = 300
"""Labelled tasks, at most, that unlabelled ones are compared with: those with the highest numbers."""


@dataclass(frozen=True, slots=True)
class Found:
    """The order of a project's unlabelled tasks.

    Attributes:
        project: as it is.
        tasks: all of them, by number.
        order: the unlabelled ones, that which is to be labelled first at the front.
        problems: reasons why tasks have no place, by their numbers.
        model: the version that looked at them; empty where none had to.
        by: what they are ordered by.
    """

    project: Project
    tasks: Mapping[int, Task]
    order: tuple[Ranked, ...]
    problems: Mapping[int, str]
    model: str
    by: str


def open_client(settings: TrainingSettings) -> LabelStudioClient:
    """Raises SettingsError or LabelStudioError."""
    if settings.label_studio_url is None or settings.label_studio_api_key is None:
        raise SettingsError(
            "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are not set; they say whose tasks are to be ordered."
        )
    return LabelStudioClient(settings.label_studio_url, settings.label_studio_api_key.get_secret_value())


def find_next(settings: TrainingSettings, client: LabelStudioClient, on_task: OnTask) -> Found:
    """Look at the tasks of the pipeline's project and order them.

    Raises:
        RitmError: the project, the model or a setting cannot be used; one sentence says what.
    """
    project = read_project(client, project_number(settings))
    tasks = {task.id: task for task in read_tasks(client, project)}
    unlabelled = [task for task in tasks.values() if not task.is_labelled]
    if settings.next_by == "random":  # no model has to look at anything for that
        return Found(project, tasks, drawn(task.id for task in unlabelled), {}, "", settings.next_by)
    labelled = sorted((task for task in tasks.values() if task.is_labelled), key=lambda task: -task.id)
    judge = ModelJudge.open(live_model(settings), chosen_device(settings.device))
    kept = Kept(settings.folder / "next" / (settings.pipeline or DEFAULT_PIPELINE), judge.version)
    fetcher = PictureFetcher(settings.access_for(settings.source or ""))
    asked = [*unlabelled, *labelled[:LABELLED]]
    found, problems = judged(asked, judge, fetcher, kept, on_task)
    is_labelled = {number: task.is_labelled for number, task in tasks.items()}
    order = ranked(
        {number: judgement for number, judgement in found.items() if not is_labelled[number]},
        {number: judgement for number, judgement in found.items() if is_labelled[number]},
        settings.next_by,
    )
    without = {number: reason for number, reason in problems.items() if not is_labelled[number]}
    return Found(project, tasks, order, without, judge.version, settings.next_by)


def live_model(settings: TrainingSettings) -> Path:
    """The file of the model that is live, or of the base where none is."""
    if settings.registry is not None:
        registry = Registry(open_store(settings.registry, timeout_seconds=settings.store_seconds))
        live = registry.live(settings.model)
        if live is not None:
            return registry.fetch(settings.model, live.version, settings.folder / "models")
    return resolve_model(settings.base)


def write(settings: TrainingSettings, client: LabelStudioClient, found: Found, *, use: bool) -> Written:
    """Write the front of an order into Label Studio.

    Args:
        settings: of the pipeline.
        client: of Label Studio.
        found: the order.
        use: have Label Studio serve tasks by it, if it does not yet.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or refuses.
    """
    version = version_name(settings.pipeline or DEFAULT_PIPELINE)
    front = found.order[: settings.next_count]
    begun = _begun(settings, client, found) if settings.next_frames else {}
    written = write_order(client, front, found.tasks, version, found.by, found.model, begun)
    if use and front and not is_used(found.project, version):
        use_order(client, found.project, version)
    return written


def _begun(settings: TrainingSettings, client: LabelStudioClient, found: Found) -> dict[int, Moved]:
    """What tasks of sequences begin with, of those at the front."""
    fetcher = PictureFetcher(settings.access_for(settings.source or ""))
    before = frames_before(found.tasks)
    moved = {
        each.task: moved_regions(client, fetcher, before[each.task], found.tasks[each.task])
        for each in found.order[: settings.next_count]
        if each.task in before
    }
    return {task: regions for task, regions in moved.items() if regions is not None}
