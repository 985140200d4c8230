"""One click on the first task of a project, through the whole chain; and whether its picture can be read."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

from ritm_backend.connect.answers import Record, integer, listed, record
from ritm_backend.connect.config import Finding, trial_point
from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.errors import ConfigError
from ritm_model.errors import RitmError
from ritm_model.images import decode_image, image_size
from ritm_ops.label_studio.client import LabelStudioClient
from ritm_ops.pictures import PictureFetcher

_THE_LOG = "The backend's log says why. "
_UNTRIED = (
    f"{_THE_LOG}Most often it may not read the image: start it with LABEL_STUDIO_URL and "
    "LABEL_STUDIO_API_KEY."
)
_READABLE = (
    f"{_THE_LOG}The image can be read from here: if the backend cannot, start it with the settings of images "
    "that are set here, LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY above all."
)


def trial(
    client: LabelStudioClient, project: int, backend: int, config: str, pictures: PictureFetcher | None
) -> Iterator[Finding]:
    """Click on the middle of the first task. Nothing is stored.

    Args:
        client: of Label Studio, which sends the click on.
        project: with the task.
        backend: number that Label Studio has given it.
        config: labeling configuration of the project.
        pictures: reads the picture of the task as a backend does, where the click fails; None does not try.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or does not answer like one.
    """
    try:
        point = trial_point(config)
    except ConfigError:
        return
    if point is None:
        return
    tasks = listed(client.call("GET", "/api/tasks", params={"project": project, "page_size": 1}))
    if not tasks:
        yield Finding("advice", "The project has no task yet, so no trial click was made.")
        return
    task = integer(tasks[0]["id"])
    body: Record = {"task": task, "context": {"result": [point]}}
    start = time.monotonic()
    answer = record(client.call("POST", f"/api/ml/{backend}/interactive-annotating", body=body))
    seconds = time.monotonic() - start
    data = answer.get("data")
    prediction = data if isinstance(data, dict) else {}
    failure = ""
    if errors := answer.get("errors"):
        reason = " ".join(str(each) for each in errors) if isinstance(errors, list) else str(errors)
        failure = f"failed: {reason}"
    elif prediction.get("message"):
        failure = f"gave no mask: {prediction['message']}"
    if failure:
        fix = _UNTRIED if pictures is None else _cure(pictures, config, str(point["to_name"]), tasks[0])
        yield Finding("problem", f"A trial click on task {task} {failure}", fix)
        return
    outcome = "a mask" if prediction.get("result") else "no mask, which may be right for its middle"
    yield Finding("ok", f"A trial click on task {task} came back with {outcome} after {seconds:.1f} s.")


def _cure(pictures: PictureFetcher, config: str, to_name: str, task: Record) -> str:
    """What helps, as far as reading the picture from here tells."""
    try:
        reference = parse_config(config).image_reference(to_name, None, task.get("data"))
        data = pictures.fetch(reference, task_id=integer(task["id"]))
        decode_image(data, max_pixels=math.prod(image_size(data)))  # the fetcher has limited them
    except RitmError as error:
        return f"Its image cannot be read from here, either: {error}"
    return _READABLE
