"""`ritm next` with a real Label Studio: the task that it serves is the one that was put first."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from backend import RITM
from label_studio_server import SAMPLES, LabelStudio
from redis_server import Redis
from rq.job import JobStatus

from ritm_model.images import read_image
from ritm_model.masks.brush_rle import decode, encode
from ritm_ops.jobs.queue import JobQueue
from training.next.asking import ask

PAGE = Path(__file__).parents[3] / "docs/next.md"
PICTURES = ("coins.jpg", "bear.jpg", "nuclei_fl.jpg", "vase.jpg", "dog.jpg")
CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="mask" toName="image"><Label value="Thing"/></BrushLabels>
</View>
"""
DRAWN = {
    "id": "somebody",
    "type": "brushlabels",
    "from_name": "mask",
    "to_name": "image",
    "original_width": 8,
    "original_height": 8,
    "value": {"format": "rle", "rle": [0, 0, 0, 0], "brushlabels": ["Thing"]},
}

Json = dict[str, Any]


def make_project(studio: LabelStudio, title: str) -> tuple[int, list[int]]:
    """A project, and its tasks: the first is annotated already."""
    project = studio.call("POST", "/api/projects", json={"title": title, "label_config": CONFIG})["id"]
    tasks = [studio.upload(project, SAMPLES / name)["id"] for name in PICTURES]
    studio.call("POST", f"/api/tasks/{tasks[0]}/annotations/", json={"result": []})
    return project, tasks


def environment(studio: LabelStudio, folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{RITM.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
        "HOME": str(folder),
        "OMP_WAIT_POLICY": "passive",
        "RITM_DEVICE": "cpu",
        "RITM_FINETUNE_FOLDER": str(folder / "work"),
        "LABEL_STUDIO_URL": studio.url,
        "LABEL_STUDIO_API_KEY": studio.personal_token,
    }


def ritm_next(variables: Mapping[str, str], *words: str) -> Json:
    done = subprocess.run(
        [RITM, "next", "--json", *words],
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    answer: Json = json.loads(done.stdout)
    return answer


def served_next(studio: LabelStudio, project: int) -> int:
    """What an annotator gets who presses Label All Tasks."""
    return int(studio.call("GET", f"/api/projects/{project}/next")["id"])


def state(studio: LabelStudio, project: int) -> tuple[Json, Json]:
    """Of each task the meta that an order has written, and the predictions."""
    tasks = {task["id"]: task for task in studio.tasks(project)}
    return (
        {number: (task["meta"] or {}).get("ritm_next") for number, task in tasks.items()},
        {number: task["predictions"] for number, task in tasks.items()},
    )


@pytest.mark.timeout(900)
def test_label_studio_serves_tasks_in_the_order(studio: LabelStudio, tmp_path: Path) -> None:
    project, tasks = make_project(studio, "What next?")
    other = {"task": tasks[2], "result": [DRAWN], "score": 0.0, "model_version": "of a detector"}
    detected = studio.call("POST", "/api/predictions/", json=other)["id"]
    studio.call("PATCH", f"/api/tasks/{tasks[3]}/", json={"meta": {"batch": 7}})
    variables = environment(studio, tmp_path)

    shown = ritm_next(variables, "--project", str(project), "--by", "coverage")
    order = [each["task"] for each in shown["tasks"]]
    assert sorted(order) == sorted(tasks[1:])  # not what is annotated
    assert order != sorted(order)  # or else Label Studio would serve them so by itself
    assert all(0 < each["mirror"] < 1 and 0 <= each["distance"] <= 2 for each in shown["tasks"])
    assert shown["problems"] == {}
    meta, predictions = state(studio, project)
    assert set(meta.values()) == {None}
    assert [each["id"] for found in predictions.values() for each in found] == [detected]

    written = ritm_next(variables, "--project", str(project), "--by", "coverage", "--write", "--use")
    assert written["tasks"] == shown["tasks"]
    assert written["written"] == {"scored": 4, "cleared": 0}
    meta, predictions = state(studio, project)
    assert [meta[task]["place"] for task in order] == [1, 2, 3, 4]
    assert {task["id"]: task["meta"] for task in studio.tasks(project)}[tasks[3]]["batch"] == 7
    scores = [
        next(each["score"] for each in predictions[task] if each["model_version"] == "next:default")
        for task in order
    ]
    assert scores == sorted(set(scores))
    assert detected in [each["id"] for each in predictions[tasks[2]]]

    in_tab = studio.call(
        "POST",
        f"/api/dm/actions?id=next_task&project={project}",
        json={"ordering": ["tasks:predictions_score"]},
    )
    assert in_tab["id"] == order[0]
    assert served_next(studio, project) == order[0]
    studio.call("POST", f"/api/tasks/{order[0]}/annotations/", json={"result": []})
    assert served_next(studio, project) == order[1]

    again = ritm_next(variables, "--project", str(project), "--write", "--by", "sizes", "--count", "2")
    assert again["written"]["cleared"] == 2  # what was labelled, and what is behind the second place
    meta, predictions = state(studio, project)
    places = {task: told["place"] for task, told in meta.items() if told}
    assert sorted(places.values()) == [1, 2]
    assert meta[order[0]] is None
    of_order = [
        task
        for task, found in predictions.items()
        for each in found
        if each["model_version"] == "next:default"
    ]
    assert sorted(of_order) == sorted(places)
    once_more = ritm_next(variables, "--project", str(project), "--write", "--by", "sizes", "--count", "2")
    assert once_more["written"] == {"scored": 0, "cleared": 0}  # nothing has changed


@pytest.mark.timeout(900)
def test_the_commands_of_the_page_write_places(
    studio: LabelStudio, jobs: JobQueue, redis: Redis, tmp_path: Path
) -> None:
    """As they stand there, on another project; then as a worker does them by the clock."""
    project, tasks = make_project(studio, "The page")
    blocks = re.findall(r"```(yaml|sh)\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    ((_, file), (_, commands)) = [block for block in blocks if "cells" in block[1]]
    (tmp_path / "pipelines.yaml").write_text(file.replace("project: 3", f"project: {project}"))
    variables = {
        **environment(studio, tmp_path),
        "RITM_REDIS_URL": redis.url,
        "RITM_PIPELINES": str(tmp_path / "pipelines.yaml"),
        "RITM_REGISTRY": str(tmp_path / "models"),
    }
    own = {
        name: value for name, value in variables.items() if name not in ("RITM_PIPELINES", "RITM_REGISTRY")
    }
    commands = re.sub(r"^export .*\n", "", commands, flags=re.MULTILINE)
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=tmp_path,
        env=own,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Nothing was written; --write does that." in done.stdout
    assert "4 places were written, 0 taken away." in done.stdout
    meta, _ = state(studio, project)
    assert {told["place"] for told in meta.values() if told} == {1, 2, 3, 4}

    studio.call("POST", f"/api/tasks/{tasks[1]}/annotations/", json={"result": []})
    cells = JobQueue(jobs.redis, pipeline="cells")
    job = ask(cells, project, jobs.redis)
    assert ask(cells, project, jobs.redis).id == job.id
    assert len(cells.queue) == 1  # it waits once, however often it is asked for
    worker = [RITM, "worker", "--burst", "--serve", "cells"]
    subprocess.run(worker, cwd=tmp_path, env=variables, capture_output=True, timeout=400, check=True)
    job.refresh()
    assert job.get_status() == JobStatus.FINISHED, job.meta
    assert job.meta["message"].startswith(f"3 tasks of project {project} are in order by ")
    meta, _ = state(studio, project)
    assert meta[tasks[1]] is None
    assert {told["place"] for told in meta.values() if told} == {1, 2, 3}
    assert served_next(studio, project) in tasks[2:]


@pytest.mark.timeout(900)
def test_the_next_frame_begins_with_what_was_drawn_on_the_one_before(
    studio: LabelStudio, tmp_path: Path
) -> None:
    image = read_image(SAMPLES / "bear.jpg")
    mask = cv2.imread(str(SAMPLES.parent / "masks/bear.png"), cv2.IMREAD_UNCHANGED) == 1
    height, width = mask.shape
    project = studio.call("POST", "/api/projects", json={"title": "Frames", "label_config": CONFIG})["id"]
    tasks, truths = [], []
    for number in (9, 10, 11):
        move = np.float32([[1, 0, 14 * (number - 9)], [0, 1, -8 * (number - 9)]])
        frame = cv2.warpAffine(image, move, (width, height), borderMode=cv2.BORDER_REFLECT)
        path = tmp_path / f"clip_{number}.png"
        assert cv2.imwrite(str(path), frame[..., ::-1])
        tasks.append(studio.upload(project, path)["id"])
        truths.append(cv2.warpAffine(mask.astype(np.uint8), move, (width, height)) > 0)
    sizes = {"original_width": width, "original_height": height}
    drawn = {**DRAWN, **sizes, "value": {**DRAWN["value"], "rle": encode(mask)}}
    studio.call("POST", f"/api/tasks/{tasks[0]}/annotations/", json={"result": [drawn]})

    words = ("--project", str(project), "--write", "--use", "--frames")
    assert ritm_next(environment(studio, tmp_path), *words)["written"]["scored"] == 2
    meta, predictions = state(studio, project)
    assert meta[tasks[1]]["frame_before"] == tasks[0]
    ((prediction,), (nothing,)) = (predictions[task] for task in tasks[1:])
    assert nothing["result"] == []  # nobody has drawn on the frame before
    (region,) = prediction["result"]
    assert region["value"]["brushlabels"] == ["Thing"]
    found = decode(region["value"]["rle"], width, height)
    overlap = [float((found & truth).sum() / (found | truth).sum()) for truth in truths[:2]]
    assert overlap[1] > 0.95 > overlap[0]


def test_what_cannot_be_ordered_is_a_sentence(studio: LabelStudio, tmp_path: Path) -> None:
    variables = environment(studio, tmp_path)
    without = {name: value for name, value in variables.items() if name != "LABEL_STUDIO_API_KEY"}
    for words, own, sentence in (
        (["--project", "99999"], variables, f"There is no project 99999 in {studio.url}"),
        ([], variables, "Which project of Label Studio?"),
        (["--project", "1"], without, "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are not set"),
    ):
        done = subprocess.run(
            [RITM, "next", *words], env=own, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 1, done.stdout + done.stderr
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr
