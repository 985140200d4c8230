"""The whole of `ritm preannotate`: from what there is to go by in tasks to predictions with regions.

The service of the backend makes them, as of points and boxes that stand in a task already, so they are of the
kind that the project asks for. Every task is written as soon as it is answered: what was interrupted goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ritm_backend.label_studio.answers import to_json
from ritm_backend.label_studio.config import LabelingConfig, parse_config
from ritm_backend.label_studio.errors import ConfigError
from ritm_backend.label_studio.options import ProjectOptions, read_options
from ritm_backend.label_studio.outputs import outputs_of
from ritm_backend.model_host import ModelHost
from ritm_backend.pictures import Pictures, image_key
from ritm_backend.pipelines import ModelHosts
from ritm_backend.preannotate.asking import Asked, FromDetections, FromPredictions, Labels, Source
from ritm_backend.preannotate.detections import read_detections
from ritm_backend.preannotate.tasks import (
    Project,
    Task,
    read_predictions,
    read_project,
    read_tasks,
    write_prediction,
)
from ritm_backend.report import Report
from ritm_backend.server import make_host, pipeline_hosts
from ritm_backend.service import LabelStudioService
from ritm_backend.settings import Settings
from ritm_backend.sharing.projects import Projects
from ritm_model.cli.output import OnProgress
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator
from ritm_ops.admission import Resources
from ritm_ops.admission.memory import usable_memory
from ritm_ops.label_studio.client import LabelStudioClient
from ritm_ops.pictures import PictureFetcher

MIN_MASK_SCORE = 0.7
"""Going on from masks below it may take more clicks than none: `bench/clicks/boxes.py`."""
MODEL_SECONDS = 900.0  # to load a model, an engine that is compiled first included


@dataclass(frozen=True, slots=True)
class Wish:
    """What to pre-annotate.

    Attributes:
        project: its number.
        detections: file of boxes in COCO's formats; without it, predictions are taken.
        images: file that names the images and categories of a list of results.
        from_predictions: version of the predictions whose points and boxes are taken.
        labels: the project's labels by a detector's names.
        min_score: boxes with a lower score are left out, those without one are not.
        min_mask_score: regions with a lower score of the model are left out.
        limit: tasks that get regions at most.
        model: name or path of the model; without, it is the one that the project's backend has.
        dry_run: ask no model and write nothing.
    """

    project: int
    detections: Path | None = None
    images: Path | None = None
    from_predictions: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    min_score: float = 0.0
    min_mask_score: float = MIN_MASK_SCORE
    limit: int | None = None
    model: str = ""
    dry_run: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of the tasks of a project.

    Attributes:
        project: as it is.
        model: version that answered; it is the version of the predictions, too.
        written: regions by task; in a dry run, points and boxes of tasks that would get some.
        annotated: tasks that somebody has annotated.
        predicted: tasks with a prediction of this version.
        without: tasks with nothing to go by.
        empty: tasks in which the model found no object, or none that it is sure of.
        left_out: points and boxes that were left out, by sentences that say why.
        problems: reasons why tasks have no regions, or too few, by their number.
        notes: what else is to be known.
    """

    project: Project
    model: str
    written: dict[int, int] = field(default_factory=dict)
    annotated: int = 0
    predicted: int = 0
    without: int = 0
    empty: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    problems: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def preannotate(
    settings: Settings, client: LabelStudioClient, wish: Wish, on_progress: OnProgress
) -> Outcome:
    """Write predictions for the tasks of a project that have neither annotations nor such predictions.

    Raises:
        RitmError: the project, the file, the model or a setting cannot be used; one sentence says what.
    """
    project = read_project(client, wish.project)
    config = parse_config(project.config)
    if not any(True for image in config.images for _ in outputs_of(config, image.name, None)):
        raise ConfigError(
            f"The labeling configuration of project {wish.project} has no control for regions on an image; "
            "`ritm connect` says which would do."
        )
    options, notes = read_options(project.parameters)
    labels = Labels(config, wish.labels)
    tasks = list(read_tasks(client, project))
    source: Source
    if wish.detections is not None:
        detections = read_detections(wish.detections, wish.images)
        source = FromDetections(detections, tasks, config, labels, wish.min_score)
    else:
        source = FromPredictions(wish.from_predictions, labels, wish.min_score)
    answering = _Answering(settings, project, config, options, wish.model)
    outcome = Outcome(project, answering.version, left_out=source.left_out, notes=notes)
    for done, task in enumerate(tasks):
        if len(outcome.written) == wish.limit:
            break
        on_progress(done, len(tasks))
        asked = _asked(client, task, source, outcome)
        if asked and wish.dry_run:
            outcome.written[task.id] = len(asked)
        elif asked:
            _write(client, task, answering, asked, wish.min_mask_score, outcome)
    else:
        on_progress(len(tasks), len(tasks))
    if not wish.model and project.version not in ("", answering.version):
        outcome.notes.append(
            f"The project's backend said last that its model is {project.version}, not {answering.version}: "
            "set RITM_MODEL, RITM_REGISTRY and RITM_PIPELINES as for the backend to have the same."
        )
    if outcome.written and project.shown not in (answering.version, project.backend or answering.version):
        outcome.notes.append(
            f"The project shows annotators {_shown(project)}: choose {answering.version} under Settings > "
            "Annotation > Prelabeling to have them begin with these regions."
        )
    return outcome


def _shown(project: Project) -> str:
    if project.shown is None:
        return "no predictions"
    return f"predictions of {project.shown}" if project.shown else "predictions of no version"


def _asked(client: LabelStudioClient, task: Task, source: Source, outcome: Outcome) -> Sequence[Asked]:
    """What there is to go by in a task that is not to be left alone."""
    if task.is_annotated:
        outcome.annotated += 1
        return ()
    if outcome.model in task.versions:
        outcome.predicted += 1
        return ()
    predictions = read_predictions(client, task)
    # Label Studio's list of versions is cut off after 500 letters.
    if any(each.get("model_version") == outcome.model for each in predictions):
        outcome.predicted += 1
        return ()
    asked = source.asked(task, predictions)
    if not asked:
        outcome.without += 1
    return asked


def _write(
    client: LabelStudioClient,
    task: Task,
    answering: _Answering,
    asked: Sequence[Asked],
    min_mask_score: float,
    outcome: Outcome,
) -> None:
    report = Report()
    try:
        prediction = answering.prediction(task, asked, report)
    except RitmError as error:
        outcome.problems[task.id] = str(error)
        return
    if report.problems:
        outcome.problems[task.id] = " ".join(dict.fromkeys(report.problems))
    regions = {result["id"]: result["score"] for result in prediction.get("result", ())}
    sure = {id: score for id, score in regions.items() if score >= min_mask_score}
    if len(sure) < len(regions):
        outcome.left_out[f"The model's score of a region is below {min_mask_score:g}."] += len(regions) - len(
            sure
        )
    if sure:
        results = [result for result in prediction["result"] if result["id"] in sure]
        write_prediction(client, task.id, prediction | {"result": results, "score": min(sure.values())})
        outcome.written[task.id] = len(sure)
    elif not report.problems:
        outcome.empty += 1


class _Answering:
    """The model of the project's backend, and the service that asks it, in this process."""

    def __init__(
        self,
        settings: Settings,
        project: Project,
        config: LabelingConfig,
        options: ProjectOptions,
        model: str,
    ) -> None:
        # Nobody waits, and sessions of annotators are none of our business.
        changes: dict[str, object] = {"session_store": None, "light_after_seconds": 0}
        if model:
            changes |= {"model": model, "pipelines": None}
            options = options.model_copy(update={"pipeline": None})
        settings = settings.model_copy(update=changes)
        resources = Resources.of(settings.threads, settings.queue_seconds, usable_memory(settings.memory_mb))
        self._pictures = Pictures(PictureFetcher(settings.picture_access), settings, resources)
        self._project, self._config = project, config
        hosts = ModelHosts(make_host(settings), pipeline_hosts(settings), settings.pipeline_models)
        host = hosts.of(options.pipeline)
        if options.pipeline is None:
            host.start()
        self._annotator = _loaded(host)
        projects = Projects()
        projects.set_up({"project": str(project.number), "extra_params": options.model_dump(mode="json")})
        self._service = LabelStudioService(hosts, self._pictures, settings, resources, projects)

    @property
    def version(self) -> str:
        return self._annotator.version

    def prediction(self, task: Task, asked: Sequence[Asked], report: Report) -> dict[str, Any]:
        """What the backend answers for a task in which so much stands; empty if that is no region.

        Raises:
            RitmError: a picture cannot be had.
        """
        results = [each.result(*self._size(task, each, report)) for each in asked]
        body = {
            "tasks": [{"id": task.id, "data": task.data, "predictions": [{"result": results}]}],
            "project": str(self._project.number),
            "label_config": self._project.config,
        }
        (answer,) = json.loads(to_json(self._service.predict(body, report)))
        return answer or {}

    def _size(self, task: Task, asked: Asked, report: Report) -> tuple[int, int]:
        """Width and height of a picture, which the annotator keeps for the clicks on it."""
        reference = self._config.image_reference(asked.to_name, asked.item_index, task.data)
        image_HW3 = self._annotator.image(
            image_key(task.id, reference),
            lambda: self._pictures.load(reference, task.id, report.timings, report.deadline),
        )
        return image_HW3.shape[1], image_HW3.shape[0]


def _loaded(host: ModelHost) -> Annotator:
    """Wait for the model; it stays the same for all tasks, whatever becomes live meanwhile."""
    try:
        return host.annotator(MODEL_SECONDS)
    finally:
        host.retire()
