"""A stroke of Label Studio's smart brush, in a real Label Studio and a real browser."""

from __future__ import annotations

import cv2
import numpy as np
from backend import connected
from label_studio_editor import browser_page, open_task
from label_studio_server import LEGACY_TOKEN, SAMPLES, LabelStudio
from processes import Server

PICTURE = SAMPLES / "coins.jpg"
COIN = 14  # its number in the sample's mask
OVER_THE_COIN = [(87, 200), (101, 195), (114, 190)]
CONFIG = """<View><Image name="image" value="$image" zoom="true"/>
  <KeyPoint name="click" toName="image" smart="true"/>
  <BrushLabels name="brush" toName="image" smart="true">
    <Label value="Coin" background="#0072B2"/>
  </BrushLabels>
</View>"""


def test_a_stroke_becomes_a_mask_that_takes_its_place(studio: LabelStudio, backend: Server) -> None:
    project = studio.call("POST", "/api/projects", json={"title": "Strokes", "label_config": CONFIG})["id"]
    task = studio.upload(project, PICTURE)
    connected(studio.url, LEGACY_TOKEN, "--project", "Strokes", "--backend", backend.url)
    with browser_page() as page:
        editor = open_task(page, studio, project, task, PICTURE, tool="BrushTool-dynamic")
        page.keyboard.press("1")  # the label
        (made,) = editor.stroke(OVER_THE_COIN)
        editor.accept()
        editor.submit()

    (annotation,) = studio.call("GET", f"/api/tasks/{task['id']}/annotations/")
    (accepted,) = annotation["result"]  # the stroke is gone
    assert (accepted["id"], accepted["type"]) == (made["id"], "brushlabels")
    assert accepted["value"]["brushlabels"] == ["Coin"]
    objects = cv2.imread(str(SAMPLES.parent / "masks/coins.png"), cv2.IMREAD_UNCHANGED)
    coin, mask = np.asarray(objects == COIN), editor.mask(accepted)
    assert (mask & coin).sum() / (mask | coin).sum() > 0.6
