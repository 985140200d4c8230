"""What Label Studio asks of the backend without a browser: clicks, batches, training, events, exports."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import requests
from backend import connected
from label_studio_ml_server import label_studio_ml
from label_studio_server import LEGACY_TOKEN, SAMPLES, LabelStudio
from processes import Server, wait_until

from ritm_model.masks.brush_rle import decode

PICTURE = SAMPLES / "coins.jpg"
WIDTH, HEIGHT = 384, 303
ON_THE_COIN = ((101, 195), (106, 179))
BESIDE_IT = (69, 194)

Json = dict[str, Any]


def keypoint(x: int, y: int, *, is_positive: bool = True) -> Json:
    """A click on a pixel, as the editor sends it with the recommended configuration for one label."""
    return {
        "id": f"at-{x}-{y}",
        "type": "keypoint",
        "from_name": "click",
        "to_name": "image",
        "original_width": WIDTH,
        "original_height": HEIGHT,
        "image_rotation": 0,
        "is_positive": is_positive,
        "value": {"x": (x + 0.5) / WIDTH * 100, "y": (y + 0.5) / HEIGHT * 100, "width": 0.5, "labels": []},
    }


CLICKS = [*(keypoint(x, y) for x, y in ON_THE_COIN), keypoint(*BESIDE_IT, is_positive=False)]


def make_project(studio: LabelStudio, backend: Server, title: str, *labels: str) -> Json:
    """A connected project with the recommended configuration: the report of `ritm connect`."""
    chosen = [part for label in labels or ("Coin",) for part in ("--label", label)]
    order = ["--create-project", title, *chosen, "--backend", backend.url]
    return connected(studio.url, LEGACY_TOKEN, *order)


def clicked(studio: LabelStudio, report: Json, task: int, clicks: Sequence[Json]) -> Json:
    """What the editor gets for clicks on a task."""
    body = {"task": task, "context": {"result": list(clicks)}}
    path = f"/api/ml/{report['backend_id']}/interactive-annotating"
    answer: Json = studio.call("POST", path, json=body)
    return answer


def mask_of(results: Sequence[Json]) -> npt.NDArray[np.bool_]:
    (region,) = results
    assert region["type"] == "brushlabels"
    assert region["value"]["brushlabels"] == ["Coin"]
    return decode(region["value"]["rle"], WIDTH, HEIGHT)


def assert_holds_the_clicks(mask: npt.NDArray[np.bool_]) -> None:
    assert [bool(mask[y, x]) for x, y in (*ON_THE_COIN, BESIDE_IT)] == [True, True, False]


def served_version(backend: Server) -> str:
    """The name of the only model that is served."""
    (version,) = requests.get(f"{backend.url}/versions", timeout=10).json()["versions"]
    assert re.fullmatch(r"[\w-]+-[0-9a-f]{8}", version)
    return str(version)


def events(backend: Server, path: str) -> list[Json]:
    """The backend's log lines about one route."""
    lines = (json.loads(line) for line in backend.text().splitlines() if line.startswith("{"))
    return [line for line in lines if line.get("path") == path]


@pytest.mark.parametrize("kind_of_token", ["backend", "legacy_backend"])
def test_clicks_on_an_upload(studio: LabelStudio, kind_of_token: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(kind_of_token)
    report = make_project(studio, server, f"Upload, {kind_of_token}")
    task = studio.upload(report["project_id"], PICTURE)
    answer = clicked(studio, report, task["id"], CLICKS)
    assert_holds_the_clicks(mask_of(answer["data"]["result"]))
    assert answer["data"]["model_version"] == served_version(server)
    assert clicked(studio, report, task["id"], CLICKS) == answer
    assert clicked(studio, report, task["id"], [])["data"]["result"] == []


def test_clicks_on_a_local_file(studio: LabelStudio, backend: Server) -> None:
    shutil.copy(PICTURE, studio.files / "pictures" / "some coins.jpg")
    report = make_project(studio, backend, "Local files")
    order = {
        "project": report["project_id"],
        "path": str(studio.files / "pictures"),
        "regex_filter": r".*\.jpg",
        "use_blob_urls": True,
    }
    storage = studio.call("POST", "/api/storages/localfiles", json=order)
    studio.call("POST", f"/api/storages/localfiles/{storage['id']}/sync")
    (task,) = studio.tasks(report["project_id"])
    assert "/data/local-files/?d=pictures/some%20coins.jpg" in task["data"]["image"]
    assert_holds_the_clicks(mask_of(clicked(studio, report, task["id"], CLICKS)["data"]["result"]))


def test_a_batch_makes_masks_of_the_keypoints_that_stand_in_annotations(
    studio: LabelStudio, backend: Server
) -> None:
    report = make_project(studio, backend, "Batch")
    project = report["project_id"]
    with_points, without = (studio.upload(project, PICTURE)["id"] for _ in range(2))
    studio.call("POST", f"/api/tasks/{with_points}/annotations/", json={"result": CLICKS})
    action = f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}"
    studio.call("POST", action, json={"selectedItems": {"all": True, "excluded": []}})
    (prediction,) = studio.call("GET", f"/api/tasks/{with_points}")["predictions"]
    assert_holds_the_clicks(mask_of(prediction["result"]))
    assert prediction["model_version"] == served_version(backend)
    assert studio.call("GET", f"/api/tasks/{without}")["predictions"] == []


def test_the_settings_page_of_the_backend(studio: LabelStudio, backend: Server) -> None:
    report = make_project(studio, backend, "Settings page")
    studio.upload(report["project_id"], PICTURE)
    versions = studio.call("GET", f"/api/ml/{report['backend_id']}/versions")["versions"]
    assert versions == [served_version(backend)]
    answer = studio.call("POST", f"/api/ml/{report['backend_id']}/predict/test?random=true")
    assert answer["status"] == 200
    assert answer["response"] == [[]]


def test_start_training_is_taken(studio: LabelStudio, backend: Server) -> None:
    report = make_project(studio, backend, "Training")
    before = len(events(backend, "/webhook"))
    studio.call("POST", f"/api/ml/{report['backend_id']}/train", json={})
    wait_until(lambda: len(events(backend, "/webhook")) > before, "the webhook call", within_s=20)
    assert events(backend, "/webhook")[-1]["status"] == 200
    (there,) = studio.call("GET", f"/api/ml?project={report['project_id']}")
    assert there["readable_state"] != "Error"


def test_annotations_are_told_to_the_backend(studio: LabelStudio, backend: Server) -> None:
    report = make_project(studio, backend, "Events")
    task = studio.upload(report["project_id"], PICTURE)
    before = len(events(backend, "/webhook"))
    studio.call("POST", f"/api/tasks/{task['id']}/annotations/", json={"result": []})
    wait_until(lambda: len(events(backend, "/webhook")) > before, "the webhook call", within_s=20)
    assert events(backend, "/webhook")[-1]["status"] == 200


@pytest.mark.parametrize("labels", [("Coin",), ("Coin", "Stamp")])
@pytest.mark.parametrize("format_", ["JSON", "COCO", "BRUSH_TO_COCO", "BRUSH_TO_PNG"])
def test_masks_can_be_exported(
    studio: LabelStudio, backend: Server, labels: tuple[str, ...], format_: str
) -> None:
    report = make_project(studio, backend, f"Export {len(labels)}", *labels)
    project = report["project_id"]
    if not studio.tasks(project):
        task = studio.upload(project, PICTURE)["id"]
        click = keypoint(*ON_THE_COIN[0])
        if len(labels) > 1:
            click["type"] = "keypointlabels"
            click["value"] |= {"labels": ["Coin"], "keypointlabels": ["Coin"]}
        mask = clicked(studio, report, task, [click])["data"]["result"]
        studio.call("POST", f"/api/tasks/{task}/annotations/", json={"result": mask})
    path = f"/api/projects/{project}/export?exportType={format_}"
    exported = studio.session.get(studio.url + path, timeout=60)
    assert exported.status_code == 200, exported.text[:500]
    assert exported.content


def test_no_secret_is_in_the_log(studio: LabelStudio, backend: Server) -> None:
    report = make_project(studio, backend, "Secrets")
    task = studio.upload(report["project_id"], PICTURE)
    clicked(studio, report, task["id"], CLICKS)
    log = backend.text()
    assert events(backend, "/predict")
    assert studio.personal_token not in log
    assert LEGACY_TOKEN not in log  # which Label Studio sends with every /setup
    assert "Traceback" not in log


def test_the_label_studio_ml_server_gives_the_same_mask(
    studio: LabelStudio, backend: Server, tmp_path_factory: pytest.TempPathFactory
) -> None:
    access = {"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": studio.personal_token}
    with label_studio_ml(tmp_path_factory.mktemp("label-studio-ml"), access) as other:
        masks = []
        for title, server in (("Ours", backend), ("label-studio-ml", other)):
            report = make_project(studio, server, title)
            task = studio.upload(report["project_id"], PICTURE)["id"]
            masks.append(mask_of(clicked(studio, report, task, CLICKS)["data"]["result"]))
    assert_holds_the_clicks(masks[0])
    assert np.array_equal(*masks)
