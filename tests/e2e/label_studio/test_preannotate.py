"""`ritm preannotate` with a real Label Studio: boxes of a detector become regions that tasks begin with."""

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
import numpy.typing as npt
import pytest
import requests
from backend import RITM, connected
from label_studio_server import LEGACY_TOKEN, SAMPLES, LabelStudio
from processes import Server

from ritm_ops.label_studio.results import read_results

PAGE = Path(__file__).parents[3] / "docs/label_studio.md"
CONFIG = """
<View>
  <Image name="image" value="$image"/>
  <KeyPointLabels name="click" toName="image" smart="true"><Label value="Coin"/></KeyPointLabels>
  <RectangleLabels name="box" toName="image"><Label value="Coin"/><Label value="Thing"/></RectangleLabels>
  <BrushLabels name="brush" toName="image"><Label value="Coin"/><Label value="Thing"/></BrushLabels>
  <PolygonLabels name="outline" toName="image"><Label value="Coin"/><Label value="Thing"/></PolygonLabels>
</View>
"""
PAGES = """
<View><Repeater on="$pages" indexFlag="{{idx}}" mode="pagination">
  <Image name="page_{{idx}}" value="$pages[{{idx}}].url"/>
  <BrushLabels name="brush_{{idx}}" toName="page_{{idx}}"><Label value="Thing"/></BrushLabels>
  <RectangleLabels name="box_{{idx}}" toName="page_{{idx}}" smart="true">
    <Label value="Thing"/></RectangleLabels>
</Repeater></View>
"""
CATEGORIES = [{"id": 1, "name": "coin"}, {"id": 2, "name": "Thing"}, {"id": 3, "name": "zebra"}]
COINS = (3, 14, 20)  # their numbers in the sample's mask

Json = dict[str, Any]
Mask = npt.NDArray[np.bool_]


def truth(name: str, number: int) -> Mask:
    mask = cv2.imread(str(SAMPLES.parent / f"masks/{name}.png"), cv2.IMREAD_UNCHANGED)
    return np.asarray(mask == number)


def box_of(mask_HW: Mask) -> list[int]:
    rows, columns = (np.flatnonzero(mask_HW.any(axis=axis)) for axis in (1, 0))
    left, top = int(columns[0]), int(rows[0])
    return [left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top]


def overlaps(prediction: Json, truths: list[Mask]) -> list[float]:
    """IoU of each object with the region that fits it best; of the only one, with all its parts."""
    height, width = truths[0].shape
    masks = [drawing.mask(height, width) for drawing in read_results(prediction["result"]).drawings]
    masks = masks if len(truths) > 1 else [np.logical_or.reduce(masks)]
    assert len(masks) >= len(truths)
    return [max(float((mask & each).sum() / (mask | each).sum()) for mask in masks) for each in truths]


def environment(studio: LabelStudio, folder: Path) -> dict[str, str]:
    return {
        "PATH": f"{RITM.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
        "HOME": str(folder),
        "OMP_WAIT_POLICY": "passive",
        "RITM_DEVICE": "cpu",
        "RITM_ENGINE": "torch",
        "LABEL_STUDIO_URL": studio.url,
        "LABEL_STUDIO_API_KEY": studio.personal_token,
    }


def ritm(variables: Mapping[str, str], *words: str, rc: int = 0) -> str:
    done = subprocess.run(
        [RITM, "preannotate", *words],
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == rc, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if rc == 0 else done.stderr


def predictions_of(studio: LabelStudio, project: int) -> dict[int, list[Json]]:
    return {task["id"]: task["predictions"] for task in studio.tasks(project)}


@pytest.mark.timeout(900)
def test_boxes_of_a_detector(studio: LabelStudio, backend: Server, tmp_path: Path) -> None:
    project = studio.call("POST", "/api/projects", json={"title": "Boxes", "label_config": CONFIG})["id"]
    coins, nuclei, dog, vase = (
        studio.upload(project, SAMPLES / f"{name}.jpg")["id"]
        for name in ("coins", "nuclei_fl", "dog", "vase")
    )
    studio.call("POST", f"/api/tasks/{dog}/annotations/", json={"result": []})
    connected(
        studio.url, LEGACY_TOKEN, "--project", str(project), "--kind", "polygon", "--backend", backend.url
    )
    height, width = truth("coins", 1).shape
    images = [
        {"id": 1, "file_name": "val/coins.jpg", "width": width, "height": height},
        *(
            {"id": id, "file_name": f"val/{name}.jpg"}
            for id, name in ((2, "nuclei_fl"), (3, "dog"), (4, "fox"))
        ),
    ]
    boxes = [
        *((1, 1, box_of(truth("coins", number)), 0.9) for number in COINS),
        (2, 2, box_of(truth("nuclei_fl", 2)), 0.8),
        *((1, 3, [5, 5, 50, 50], 0.7), (1, 1, [5, 5, 50, 50], 0.1)),  # no such label; too low a score
        *((3, 2, [5, 5, 50, 50], 0.9), (4, 2, [5, 5, 50, 50], 0.9)),  # annotated already; in no task
    ]
    keys = ("image_id", "category_id", "bbox", "score")
    results = [dict(zip(keys, each, strict=True)) for each in boxes]
    (tmp_path / "boxes.json").write_text(json.dumps(results))
    (tmp_path / "images.json").write_text(json.dumps({"images": images, "categories": CATEGORIES}))
    variables = environment(studio, tmp_path)
    words = [
        *("--project-id", str(project), "--min-score", "0.5", "--json"),
        *("--detections", str(tmp_path / "boxes.json"), "--images", str(tmp_path / "images.json")),
    ]

    planned = json.loads(ritm(variables, *words, "--dry-run"))
    assert planned["written"] == {str(coins): 3, str(nuclei): 1}
    assert (planned["annotated"], planned["predicted"], planned["without"]) == (1, 0, 1)
    assert planned["left_out"] == {
        "The score is below 0.5.": 1,
        "The project has no label 'zebra'.": 1,
        "No task has the image 'val/fox.jpg'.": 1,
    }
    assert (planned["problems"], planned["notes"]) == ({}, [])
    assert not any(predictions_of(studio, project).values())

    first = json.loads(ritm(variables, *words, "--limit", "1"))
    assert first["written"] == {str(coins): 3}
    block = re.search(r"```sh\n(export .*\n(?:ritm preannotate .*\n)+)```", PAGE.read_text())
    assert block is not None
    commands = block[1].replace("--project-id 3", f"--project-id {project}")
    commands = re.sub(r"^export .*\n", "", commands, flags=re.MULTILINE)
    done = subprocess.run(
        ["bash", "-ec", commands],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 tasks begin with" in done.stdout
    assert "Left out 1: The project has no label 'zebra'." in done.stdout

    found = predictions_of(studio, project)
    assert not found[dog]
    assert not found[vase]
    ((of_coins,), (of_nuclei,)) = (found[coins], found[nuclei])
    versions = requests.get(f"{backend.url}/versions", timeout=30).json()["versions"]
    assert [of_coins["model_version"], of_nuclei["model_version"]] == [planned["model"]] * 2
    assert planned["model"] in versions
    assert 0 < of_coins["score"] <= 1
    for prediction, label in ((of_coins, "Coin"), (of_nuclei, "Thing")):
        assert {region["type"] for region in prediction["result"]} == {"polygonlabels"}
        assert all(region["value"]["polygonlabels"] == [label] for region in prediction["result"])
    assert min(overlaps(of_coins, [truth("coins", number) for number in COINS])) > 0.6
    assert min(overlaps(of_nuclei, [truth("nuclei_fl", 2)])) > 0.6

    again = json.loads(ritm(variables, *words))
    assert (again["written"], again["predicted"]) == ({}, 2)
    assert predictions_of(studio, project) == found


@pytest.mark.timeout(900)
def test_predictions_that_stand_in_the_project(studio: LabelStudio, tmp_path: Path) -> None:
    """Of a plain rectangle, which the editor would never ask a backend for, and of points."""
    project = studio.call("POST", "/api/projects", json={"title": "Standing", "label_config": CONFIG})["id"]
    bear, coins, gone = (
        studio.upload(project, SAMPLES / f"{name}.jpg")["id"] for name in ("bear", "coins", "dog")
    )
    masks = [truth("bear", 1), truth("coins", COINS[1])]
    for task, mask_HW, kind, label, score in (
        (bear, masks[0], "rectanglelabels", "Thing", 0.9),
        (coins, masks[1], "keypointlabels", "Coin", 0.9),
        (gone, masks[0], "rectanglelabels", "Thing", 0.2),
    ):
        height, width = mask_HW.shape
        left, top, wide, high = box_of(mask_HW)
        place = {"x": left / width * 100, "y": top / height * 100}
        if kind == "rectanglelabels":
            place |= {"width": wide / width * 100, "height": high / height * 100}
        else:
            place = {"x": (left + wide / 2) / width * 100, "y": (top + high / 2) / height * 100, "width": 1}
        region = {
            "id": "of-detector",
            "type": kind,
            "from_name": "box" if kind == "rectanglelabels" else "click",
            "to_name": "image",
            "original_width": width,
            "original_height": height,
            "value": {**place, kind: [label]},
        }
        body = {"task": task, "result": [region], "score": score, "model_version": "yolo-1"}
        studio.call("POST", "/api/predictions/", json=body)
    variables = environment(studio, tmp_path)
    words = ["--project-id", str(project), "--from-predictions", "yolo-1", "--min-score", "0.5", "--json"]
    words += ["--min-mask-score", "0"]  # what the model thinks of these is not the question here

    made = json.loads(ritm(variables, *words))
    assert made["written"] == {str(bear): 1, str(coins): 1}
    assert (made["without"], made["left_out"]) == (1, {"The score is below 0.5.": 1})
    found = predictions_of(studio, project)
    for task, mask_HW in zip((bear, coins), masks, strict=True):
        assert sorted(each["model_version"] for each in found[task]) == sorted(["yolo-1", made["model"]])
        (ours,) = [each for each in found[task] if each["model_version"] == made["model"]]
        assert [region["type"] for region in ours["result"]] == ["brushlabels"]
        assert overlaps(ours, [mask_HW])[0] > 0.6
    assert len(found[gone]) == 1

    again = json.loads(ritm(variables, *words))
    assert (again["written"], again["predicted"]) == ({}, 2)
    assert predictions_of(studio, project) == found


@pytest.mark.timeout(900)
def test_pages_of_a_repeater(studio: LabelStudio, tmp_path: Path) -> None:
    """Each page has its own picture and its own controls."""
    of_uploads = studio.call("POST", "/api/projects", json={"title": "Uploads", "label_config": CONFIG})["id"]
    bear, coins = (
        studio.upload(of_uploads, SAMPLES / f"{name}.jpg")["data"]["image"] for name in ("bear", "coins")
    )
    project = studio.call("POST", "/api/projects", json={"title": "Pages", "label_config": PAGES})["id"]
    pages = {"pages": [{"url": bear}, {"url": coins}]}
    studio.call("POST", f"/api/projects/{project}/import", json=[{"data": pages}])
    (task,) = (each["id"] for each in studio.tasks(project))
    boxes = [
        {"file_name": f"{name}.jpg", "category_name": "Thing", "bbox": box_of(truth(name, number))}
        for name, number in (("bear", 1), ("coins", COINS[0]))
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    variables = environment(studio, tmp_path)
    words = ["--project-id", str(project), "--min-mask-score", "0", "--json"]
    words += ["--detections", str(tmp_path / "boxes.json")]

    made = json.loads(ritm(variables, *words))
    assert (made["written"], made["left_out"], made["problems"]) == ({str(task): 2}, {}, {})
    (prediction,) = predictions_of(studio, project)[task]
    for page, (name, number) in enumerate((("bear", 1), ("coins", COINS[0]))):
        regions = [each for each in prediction["result"] if each["to_name"] == f"page_{page}"]
        assert {each["from_name"] for each in regions} == {f"brush_{page}"}
        assert overlaps({"result": regions}, [truth(name, number)])[0] > 0.6


def test_what_cannot_be_done_is_a_sentence(studio: LabelStudio, tmp_path: Path) -> None:
    variables = environment(studio, tmp_path)
    (tmp_path / "boxes.json").write_text('{"images": []}')
    boxes = ["--detections", str(tmp_path / "boxes.json")]
    without = {name: value for name, value in variables.items() if name != "LABEL_STUDIO_API_KEY"}
    config = CONFIG[: CONFIG.index("<Rect")] + "</View>"  # points only
    project = studio.call("POST", "/api/projects", json={"title": "No tool", "label_config": config})["id"]
    for words, own, rc, sentence in (
        (["--project-id", "99999", *boxes], variables, 1, f"There is no project 99999 in {studio.url}"),
        (["--project-id", "1"], variables, 2, "Give either --detections or --from-predictions."),
        (["--project-id", "1", *boxes], without, 1, "LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY are not set"),
        (["--project-id", str(project), *boxes], variables, 1, "has no control for regions on an image"),
    ):
        assert sentence in ritm(own, *words, rc=rc)
