"""Recorded requests of Label Studio 1.23.2, and short ways to write regions."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ritm_backend.label_studio.config import LabelingConfig, parse_config

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"

CONFIG_A = """<View><Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="Cat"/><Label value="Dog"/></BrushLabels>
  <KeyPointLabels name="kp" toName="image" smart="true">
    <Label value="Cat"/><Label value="Dog"/></KeyPointLabels>
  <RectangleLabels name="rect" toName="image" smart="true"><Label value="Cat"/></RectangleLabels></View>"""


@pytest.fixture
def recorded() -> Callable[[str], Any]:
    """The body of a recorded request, by the start of its file's name."""

    def body(number: str) -> Any:
        (path,) = PAYLOADS.glob(f"{number}_*.json")
        return json.loads(path.read_text())["json"]

    return body


@pytest.fixture
def config() -> LabelingConfig:
    return parse_config(CONFIG_A)


@pytest.fixture
def keypoint() -> Callable[..., dict[str, Any]]:
    def make(id: str, x: object = 50, y: object = 50, sign: object = None, **more: Any) -> dict[str, Any]:
        label = more.pop("label", "Cat")
        value = {"x": x, "y": y, "width": 0.2, "keypointlabels": [label], **more.pop("value", {})}
        result = {
            "id": id,
            "type": "keypointlabels",
            "from_name": "kp",
            "to_name": "image",
            "original_width": 200,
            "original_height": 100,
            "image_rotation": 0,
            "value": value,
            **more,
        }
        return result if sign is None else {**result, "is_positive": sign}

    return make


@pytest.fixture
def rectangle() -> Callable[..., dict[str, Any]]:
    def make(id: str, *, rotation: float = 0, **sides: object) -> dict[str, Any]:
        return {
            "id": id,
            "type": "rectanglelabels",
            "from_name": "rect",
            "to_name": "image",
            "original_width": 200,
            "original_height": 100,
            "image_rotation": 0,
            "value": {
                "x": 10,
                "y": 20,
                "width": 30,
                "height": 40,
                "rotation": rotation,
                "rectanglelabels": ["Cat"],
            }
            | sides,
        }

    return make
