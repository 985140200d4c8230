"""What becomes of each task: fixed answers in the place of Label Studio, and the bundled model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from fixed_answers import Answers, answering
from processes import ROOT

from ritm_backend.preannotate.cli import preannotate as command

CONFIG = """<View><Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="Bear"/></BrushLabels></View>"""
PICTURE = (ROOT / "tests/samples/images/bear.jpg").read_bytes()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """Of a Label Studio with three tasks: one whose picture is gone, one that is skipped, and a good one."""
    names = ("gone.jpg", "skipped.jpg", "bear.jpg")
    tasks = [{"id": number, "data": {"image": f"/data/{name}"}} for number, name in enumerate(names, 1)]
    answers: Answers = {
        "GET /api/projects/1": (200, {}, {"label_config": CONFIG, "show_collab_predictions": False}),
        "GET /api/ml": (
            200,
            {},
            [{"title": "RITM", "model_version": "newer", "extra_params": {"also": "cat"}}],
        ),
        "GET /api/tasks": (200, {}, {"tasks": [tasks[0], tasks[1] | {"cancelled_annotations": 1}, tasks[2]]}),
        "GET /data/gone.jpg": (404, {}, ""),
        "GET /data/bear.jpg": (200, {}, PICTURE),
        "POST /api/predictions/": (201, {}, {}),
    }
    monkeypatch.setenv("RITM_DEVICE", "cpu")
    monkeypatch.setenv("RITM_ENGINE", "torch")
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "0123456789abcdef0123456789abcdef01234567")
    return answers


def run(answers: Answers, tmp_path: Path, *words: str, rc: int = 0) -> tuple[str, list[str]]:
    """What the command says, and the requests for predictions."""
    boxes = [
        {"image_id": 1, "file_name": name, "bbox": [70, 90, 320, 380]}
        for name in ("gone.jpg", "gone.jpg", "skipped.jpg", "bear.jpg")
    ]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(boxes))
    with answering(answers) as (url, seen):
        environment = {"LABEL_STUDIO_URL": url}
        arguments = ["--project-id", "1", "--detections", str(path), *words]
        result = CliRunner().invoke(command, arguments, env=environment)
    assert result.exit_code == rc, result.output
    return result.output, [request for request, _ in seen if "predictions" in request]


def test_a_picture_that_is_gone_costs_its_task_alone(answers: Answers, tmp_path: Path) -> None:
    output, seen = run(answers, tmp_path, "--min-mask-score", "0")
    assert seen == ["POST /api/predictions/"]
    assert "1 tasks begin with 1 regions of starter-" in output
    assert "Left alone: 1 tasks are annotated." in output
    (line,) = [line for line in output.splitlines() if line.startswith("Task 1: ")]
    assert line.count("gone.jpg") == 1  # and not once for each box
    assert "also: Input should be" in output
    assert "backend said last that its model is newer" in output
    assert "The project shows annotators no predictions" in output


def test_masks_that_the_model_is_not_sure_of_are_left_out(answers: Answers, tmp_path: Path) -> None:
    answers["GET /data/gone.jpg"] = answers["GET /data/bear.jpg"]
    output, seen = run(answers, tmp_path, "--min-mask-score", "1")
    assert seen == []
    assert "Left alone: 2 tasks show no object that the model is sure of." in output
    assert "Left out 3: The model's score of a region is below 1." in output


def test_where_all_fails_the_command_fails(answers: Answers, tmp_path: Path) -> None:
    answers["GET /data/bear.jpg"] = (200, {}, b"no picture")
    output, seen = run(answers, tmp_path, rc=1)
    assert seen == []
    assert "0 tasks begin with 0 regions" in output
    assert "Task 3: " in output


def test_a_version_that_the_list_of_tasks_does_not_name(answers: Answers, tmp_path: Path) -> None:
    """Label Studio cuts that list off."""
    model = json.loads(run(answers, tmp_path, "--json", "--dry-run")[0])["model"]
    (_, _, listing) = answers["GET /api/tasks"]
    assert isinstance(listing, dict)
    for task in listing["tasks"]:
        task |= {"total_predictions": 1, "predictions_model_versions": "a, b"}
    answers["GET /api/predictions/"] = (200, {}, [{"model_version": model, "result": []}])
    output, seen = run(answers, tmp_path, "--json")
    assert seen == ["GET /api/predictions/"] * 2
    assert json.loads(output)["predicted"] == 2
