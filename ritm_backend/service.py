"""From a predict request to masks: the protocol, the images and the model put together.

What becomes of trouble. Label Studio shows an annotator no error of a backend: whatever the status, the
pending mask disappears and the click stays. So a task that cannot be answered (its image is out of reach, it
has no control for a mask, the image has another size) gets an empty answer, other tasks keep theirs, the
reason stands in the answer as `message`, where the browser's network view shows it, and in the log as a
warning. Only a request that is not one of the protocol is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import astuple, dataclass
from time import monotonic

import numpy as np
import numpy.typing as npt

from ritm_backend.accepted import Counting, Note
from ritm_backend.label_studio.answering import regions_for
from ritm_backend.label_studio.answers import RegionAnswer, results_of
from ritm_backend.label_studio.config import LabelingConfig, parse_config
from ritm_backend.label_studio.drawing import visible_part
from ritm_backend.label_studio.errors import ConfigError, RequestError, TaskError
from ritm_backend.label_studio.existing import Existing, ExistingRegions, within
from ritm_backend.label_studio.masks import check_same_picture, resize
from ritm_backend.label_studio.options import ProjectOptions
from ritm_backend.label_studio.outputs import choose_outputs
from ritm_backend.label_studio.prompts import ObjectPrompt, objects_in, objects_of_task, stable_id
from ritm_backend.label_studio.regions import Json, read_regions
from ritm_backend.label_studio.ring_ids import RingIds, SharedRings
from ritm_backend.model_host import ModelHost
from ritm_backend.pictures import Pictures, image_key
from ritm_backend.pipelines import ModelHosts, NoPipelineError
from ritm_backend.report import Report, next_step
from ritm_backend.settings import EXISTING_SHARE, Settings
from ritm_backend.sharing.projects import Projects
from ritm_model.errors import RitmError
from ritm_model.inference import Annotator, Prompt, Superseded
from ritm_ops.admission import BusyError, Requester, Resources

MODEL_WAIT_SECONDS = 60  # Label Studio waits 100
SLOW_SECONDS = 1.0
"""After so long the click on an image that is still being fetched gives its place to others."""

_LARGEST_ID = 2**63 - 1  # of a database
_SMALL_PICTURE = 16_000_000  # pixels
_BYTES_OF_A_PIXEL = 4  # of a mask that is painted, or resized and written


@dataclass(frozen=True, slots=True)
class _Asked:
    """A task, and how its project wants it answered."""

    task: Json
    host: ModelHost
    config: LabelingConfig
    options: ProjectOptions
    refines: bool


class LabelStudioService:
    """Answers predict requests. Thread-safe."""

    def __init__(
        self,
        hosts: ModelHosts,
        pictures: Pictures,
        settings: Settings,
        resources: Resources,
        projects: Projects | None = None,
        counting: Counting | None = None,
        rings: SharedRings | None = None,
    ) -> None:
        self._hosts = hosts
        self._projects = projects or Projects()
        self._ring_ids = RingIds(rings)
        self._admission = resources.admission
        self._memory = resources.masks
        self._pictures = pictures
        self._counting = counting
        self._settings = settings
        self._existing = ExistingRegions(settings.cache_mb * 1024 * 1024 // EXISTING_SHARE)

    def predict(self, body: object, report: Report) -> list[object]:
        """The `results` for a predict request, one per task, with each `rle` as bytes.

        With a context (a click in the editor) a task's result is a prediction. Without (a batch) it is one
        made from clicks that already stand in the task, or an empty list, which stores no prediction.

        Raises:
            RequestError: The body is not a predict request.
            ModelUnavailableError: The model was needed, and is not there.
            BusyError: There was no place for a click in time.
        """
        tasks, label_config, context = _read_request(body)
        report.tasks = [_task_id(task) for task in tasks]
        options = self._projects.options(body.get("project")) if isinstance(body, dict) else ProjectOptions()
        try:
            host = self._hosts.of(options.pipeline)
        except NoPipelineError as error:
            return self._none_at_all(report, is_click=context is not None, why=error)
        if context is None:
            is_opened = len(tasks) == 1  # by an annotator, who is going to click
            return [self._stored(host, task, label_config, options, report, is_opened) for task in tasks]
        # The editor sends one task, and the clicks are its own.
        return [
            self._clicked(host, task, label_config, context if index == 0 else {}, options, report)
            for index, task in enumerate(tasks)
        ]

    def _none_at_all(self, report: Report, *, is_click: bool, why: RitmError) -> list[object]:
        """No task is answered, since nobody knows with which model."""
        report.problems.append(str(why))
        if not is_click:
            return [[] for _ in report.tasks]
        for task_id in report.tasks:
            report.not_answered(task_id, str(why), next_step(why))
        return [_prediction([], [], [str(why)], self._hosts.usual.version) for _ in report.tasks]

    def _clicked(
        self,
        host: ModelHost,
        task: Json,
        label_config: str,
        context: Json,
        options: ProjectOptions,
        report: Report,
    ) -> object:
        reading = read_regions(context.get("result"))
        report.notes += reading.notes
        if not reading.regions:
            return _prediction([], [], [], host.version)
        try:
            config = parse_config(label_config)
        except ConfigError as error:
            report.problems.append(str(error))
            return _prediction([], [], [str(error)], host.version)
        asked = _Asked(task, host, config, options, refines=True)
        return self._segment_all(asked, list(objects_in(reading, config)), report)

    def _stored(
        self,
        host: ModelHost,
        task: Json,
        label_config: str,
        options: ProjectOptions,
        report: Report,
        is_opened: bool,
    ) -> object:
        try:
            config = parse_config(label_config)
        except ConfigError as error:
            report.problems.append(str(error))
            return []
        objects, notes = objects_of_task(task, config, options.most_points_of_one)
        report.notes += notes
        if is_opened:
            self._fetch_ahead(host, task, config, report.client)
        prediction = self._segment_all(_Asked(task, host, config, options, refines=False), objects, report)
        return prediction if prediction["result"] else []

    def _segment_all(
        self, asked: _Asked, objects: Sequence[ObjectPrompt], report: Report
    ) -> dict[str, object]:
        regions: list[dict[str, object]] = []
        scores: list[float] = []
        problems: list[str] = []
        if objects:
            asked.host.annotator(MODEL_WAIT_SECONDS)
        version = asked.host.version
        whose = Requester(report.client, str(asked.task.get("id")))
        for prompt in objects:
            own_id = stable_id(asked.task.get("id"), prompt)
            # An object stays with the version that it was begun on.
            annotator = asked.host.annotator(session=own_id)
            version = annotator.version
            try:
                self._check_clicks(prompt)
                with ExitStack() as stack:
                    began = monotonic()
                    with report.timings.stage("wait"):
                        stack.enter_context(self._admission.place(whose, own_id, report.deadline))
                    if report.is_gone():
                        report.notes.append("Whoever asked has closed the connection; nothing is answered.")
                        break
                    answers = self._segment(annotator, asked, prompt, report, monotonic() - began)
            except Superseded:
                report.notes.append("A newer click on the same object came in; this one was not answered.")
                continue
            except RitmError as error:
                report.not_answered(_task_id(asked.task), str(error), next_step(error))
                if asked.refines and isinstance(error, BusyError):
                    raise
                problems.append(str(error))
                continue
            for answer in answers:
                regions += results_of(answer)
                scores.append(answer.score)
        report.problems += problems
        report.model_version = version
        return _prediction(regions, scores, problems, version)

    def _check_clicks(self, prompt: ObjectPrompt) -> None:
        most = self._settings.max_clicks
        clicks = len(prompt.points) + len(prompt.strokes)
        if clicks > most:
            raise RequestError(
                f"The object has {clicks} clicks, and a mask is made of {most} at most "
                "(RITM_MAX_CLICKS); remove some, or accept the mask and go on with it."
            )

    def _fetch_ahead(self, host: ModelHost, task: Json, config: LabelingConfig, owner: str) -> None:
        for image in config.images:
            try:
                reference = config.image_reference(image.name, None, task.get("data"))
            except TaskError:
                continue  # whoever clicks there is told
            self._pictures.fetch_ahead(host, _task_id(task), reference, owner)

    def _segment(
        self,
        annotator: Annotator,
        asked: _Asked,
        prompt: ObjectPrompt,
        report: Report,
        waited_seconds: float,
    ) -> list[RegionAnswer]:
        """The regions of one object; none if there is nothing to show."""
        frame, timings, config, options = prompt.frame, report.timings, asked.config, asked.options
        task_id = _task_id(asked.task)
        reference = config.image_reference(frame.to_name, frame.item_index, asked.task.get("data"))
        key = image_key(task_id, reference)

        def load_image() -> npt.NDArray[np.uint8]:
            return self._pictures.load(reference, task_id, timings, report.deadline)

        own_id = stable_id(asked.task.get("id"), prompt)
        # The ticket comes first: which request is newer must not depend on how long its image takes.
        with annotator.arrive(own_id) as ticket:
            with self._admission.pausing(SLOW_SECONDS):
                image_HW3 = annotator.image(key, load_image, report.client)
            height, width = image_HW3.shape[:2]
            size = (frame.width or width, frame.height or height)
            check_same_picture((width, height), size)

            with timings.stage("existing"):
                existing = self._existing_for(asked, prompt, size, report.deadline) if asked.refines else None
                mask_HW = None
                if existing is not None and existing.rectangle is not None:
                    prompt = within(prompt, existing)
                elif existing is not None:
                    mask_HW = resize(existing.mask.unpack(), width, height)
            if existing is None and not prompt.is_asked_for:
                return []
            wanted = existing.label if existing else prompt.label
            preferred = existing.from_name if existing else None
            outputs = choose_outputs(config, frame.to_name, wanted, options.order, options.also, preferred)
            clicks = prompt.clicks(width, height)
            report.clicks += len(clicks)
            state = annotator.segment(
                Prompt(
                    image_key=key,
                    clicks=clicks,
                    mask=mask_HW,
                    mask_key=existing.key if existing and mask_HW is not None else "",
                    keep_mask=existing is None or not existing.is_guess,
                    region=prompt.region(width, height),
                    queue_key=own_id,
                    owner=report.client,
                ),
                lambda: image_HW3,
                timings,
                ticket,
                waited_seconds,
            )
        with timings.stage("encode"), self._memory_for(size, report.deadline):
            part = visible_part(state, size, self._settings.min_region_pixels)
            if part is None:
                return []
            answers = regions_for(
                part,
                outputs,
                options,
                self._ring_ids,
                own_id=own_id,
                existing=existing,
                frame=frame,
                label=wanted,
                score=round(state.score, 4),
            )
        if asked.refines and self._counting is not None and answers:
            region = prompt.region(width, height)
            note = Note(
                session=own_id,
                prompt=own_id,
                pipeline=options.pipeline,
                version=annotator.version,
                clicks=tuple((click.x, click.y, click.is_positive) for click in clicks),
                box=astuple(region) if region else None,
                task=task_id,
                reference=reference,
            )
            self._counting.clicked(answers[0].id, note)
        return answers

    def _existing_for(
        self, asked: _Asked, prompt: ObjectPrompt, size: tuple[int, int], deadline: float
    ) -> Existing | None:
        of_everyone = asked.options.refine == "everyone"
        with self._memory_for(size, deadline):
            return self._existing.choose(
                asked.task, prompt, size, asked.config, of_everyone=of_everyone, deadline=deadline
            )

    def _memory_for(self, size: tuple[int, int], deadline: float) -> AbstractContextManager[None]:
        """Memory for masks of so many pixels, where it is worth waiting for."""
        pixels = size[0] * size[1]
        is_small = pixels <= _SMALL_PICTURE
        return nullcontext() if is_small else self._memory.hold(pixels * _BYTES_OF_A_PIXEL, deadline)


def _prediction(
    regions: Sequence[Json], scores: Sequence[float], problems: Sequence[str], version: str
) -> dict[str, object]:
    answer: dict[str, object] = {
        "model_version": version,
        "score": min(scores, default=0.0),
        "result": list(regions),
    }
    if problems:
        answer["message"] = " ".join(problems)
    return answer


def _read_request(body: object) -> tuple[list[Json], str, Json | None]:
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    tasks = body.get("tasks")
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise RequestError("The body must hold a list `tasks` of JSON objects.")
    label_config = body.get("label_config")
    if not isinstance(label_config, str):
        raise RequestError("The body must hold the labeling configuration as a text `label_config`.")
    params = body.get("params")
    context = params.get("context") if isinstance(params, Mapping) else None
    if not isinstance(context, dict | None):
        raise RequestError("`params.context` must be a JSON object or null.")
    return tasks, label_config, context


def first_task(body: object) -> int | None:
    """The id of the first task of a request, if there is one."""
    tasks = body.get("tasks") if isinstance(body, dict) else None
    first = tasks[0] if isinstance(tasks, list) and tasks else None
    return _task_id(first) if isinstance(first, dict) else None


def _task_id(task: Json) -> int | None:
    id = task.get("id")
    return id if isinstance(id, int) and not isinstance(id, bool) and abs(id) <= _LARGEST_ID else None
