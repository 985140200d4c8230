"""What the demo saves for Label Studio, imported into a real one."""

from __future__ import annotations

import base64
import json

import cv2
import numpy as np
import pytest
from label_studio_server import SAMPLES, LabelStudio

from ritm_backend.connect.config import recommended_config
from ritm_backend.demo.files import read_file_wanted, write_file
from ritm_backend.demo.masks import run_lengths
from ritm_backend.label_studio.options import Kind
from ritm_ops.label_studio.results import read_results

COINS = (3, 14)


@pytest.mark.parametrize(
    ("format", "kind"), [("label-studio", "brush"), ("label-studio-polygons", "polygon")]
)
def test_a_saved_task_is_imported_with_its_masks(studio: LabelStudio, format: str, kind: Kind) -> None:
    objects_HW = np.asarray(cv2.imread(str(SAMPLES.parent / "masks/coins.png"), cv2.IMREAD_UNCHANGED))
    height, width = objects_HW.shape
    masks = [objects_HW == coin for coin in COINS]
    objects = []
    for mask_HW in masks:
        runs = base64.b64encode(run_lengths(mask_HW)).decode()
        whole = {"left": 0, "top": 0, "width": width, "height": height}
        objects.append({"name": "Coin", "score": 0.9, "runs": runs, **whole})
    wanted = {"format": format, "image": "coins.jpg", "width": width, "height": height}
    saved = write_file(read_file_wanted(json.dumps({**wanted, "objects": objects}).encode(), width * height))

    config = recommended_config(["Coin"], kind=kind)
    project = studio.call("POST", "/api/projects", json={"title": f"Demo {kind}", "label_config": config})[
        "id"
    ]
    studio.call("POST", f"/api/projects/{project}/import", json=json.loads(saved.data))

    (task,) = studio.tasks(project)
    assert task["data"] == {"image": "coins.jpg"}
    (annotation,) = studio.call("GET", f"/api/tasks/{task['id']}/annotations/")
    drawings = read_results(annotation["result"]).drawings
    assert [drawing.label for drawing in drawings] == ["Coin", "Coin"]
    for drawing, mask_HW in zip(drawings, masks, strict=True):
        assert drawing.kind == kind
        drawn_HW = drawing.mask(height, width)
        if kind == "brush":
            assert np.array_equal(drawn_HW, mask_HW)
        assert (drawn_HW & mask_HW).sum() / (drawn_HW | mask_HW).sum() > 0.95
