"""Polygons are left for other processes where there can be any."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import pytest
import requests
from backend import ritm_serve
from PIL import Image, ImageDraw

pytestmark = pytest.mark.slow

CONFIG = """<View><Image name="image" value="$image"/>
<KeyPoint name="click" toName="image" smart="true"/>
<PolygonLabels name="polygon" toName="image"><Label value="Disc"/></PolygonLabels></View>"""


def a_click_on_a_disc() -> dict[str, object]:
    image, buffer = Image.new("RGB", (400, 300), (90, 120, 80)), BytesIO()
    ImageDraw.Draw(image).ellipse((120, 70, 280, 230), fill=(220, 60, 40))
    image.save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    place = {"from_name": "click", "to_name": "image", "original_width": 400, "original_height": 300}
    click = {"id": "a", "type": "keypoint", "is_positive": True, "value": {"x": 50, "y": 50, "width": 0.5}}
    return {
        "tasks": [{"id": 1, "data": {"image": url}, "annotations": [], "predictions": []}],
        "project": "1.1",
        "label_config": CONFIG,
        "params": {"context": {"result": [click | place]}},
    }


def test_a_server_by_itself_leaves_them_in_the_folder_that_it_may_share(tmp_path: Path) -> None:
    projects = tmp_path / "projects"
    with ritm_serve(tmp_path, {"RITM_PROJECTS_FOLDER": str(projects)}) as server:
        answer = requests.post(f"{server.url}/predict", json=a_click_on_a_disc(), timeout=120)
    (result,) = answer.json()["results"]
    (region,) = result["result"]
    (left,) = (projects / "rings").iterdir()
    assert region["id"] in left.read_text()
