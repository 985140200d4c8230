"""The same photograph and the same clicks give the same mask in CVAT, in Label Studio and at the prompt."""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from cvat_serverless.interactor import Interactor
from cvat_serverless.loading import Loaded
from cvat_serverless.main import Function
from cvat_serverless.metrics import Metrics
from cvat_serverless.settings import CvatSettings
from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_model.cli.predict import predict
from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.inference import Annotator, Predictor
from ritm_model.inference.specks import MIN_REGION_PIXELS, drop_specks
from ritm_model.inference.timing import Timings
from ritm_model.masks import brush_rle
from ritm_model.masks.cvat_rle import decode
from ritm_ops.admission import MemoryBudget
from ritm_ops.pictures import PictureFetcher

BUS = Path(__file__).parents[1] / "samples" / "images" / "bus.jpg"
WIDTH, HEIGHT = 640, 427
CLICKS = [(50.0, 52.0, True), (9.0, 14.0, False), (39.0, 57.0, True), (63.0, 47.0, True)]
"""In the order in which they are made: x and y in percent, as Label Studio has them, and the sign."""

CONFIG = """<View>
  <Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="Bus"/></BrushLabels>
  <KeyPointLabels name="point" toName="image" smart="true"><Label value="Bus"/></KeyPointLabels>
</View>"""

Mask = npt.NDArray[np.bool_]


def in_pixels(n: int) -> list[tuple[float, float, bool]]:
    return [(x / 100 * WIDTH, y / 100 * HEIGHT, is_positive) for x, y, is_positive in CLICKS[:n]]


@pytest.fixture
def cvat(predictor: Predictor) -> Function:
    return function_of(predictor)


@pytest.fixture
def label_studio(predictor: Predictor) -> FlaskClient:
    return client_of(predictor)


def function_of(predictor: Predictor) -> Function:
    interactor = Interactor(Annotator(predictor))
    loaded = Loaded(interactor, None, MemoryBudget(2**30), Metrics(interactor))
    return Function(CvatSettings(), loaded)


def client_of(predictor: Predictor) -> FlaskClient:
    settings = Settings()
    host = ModelHost(lambda: Annotator(predictor), "bundled")
    host.start()
    host.annotator(60)
    return create_app(settings, host, PictureFetcher(settings.picture_access)).test_client()


def mask_in_cvat(cvat: Function, n: int) -> Mask:
    body = {
        "image": base64.b64encode(BUS.read_bytes()).decode(),
        "pos_points": [[x, y] for x, y, is_positive in in_pixels(n) if is_positive],
        "neg_points": [[x, y] for x, y, is_positive in in_pixels(n) if not is_positive],
        "obj_bbox": [],
    }
    (shape,) = json.loads(cvat.answer(body, Timings()))["shapes"]
    return decode(shape["points"], width=WIDTH, height=HEIGHT)


def mask_in_label_studio(client: FlaskClient, n: int) -> Mask:
    address = "data:image/jpeg;base64," + base64.b64encode(BUS.read_bytes()).decode()
    points: list[dict[str, Any]] = [
        {
            "id": str(index),
            "from_name": "point",
            "to_name": "image",
            "type": "keypointlabels",
            "original_width": WIDTH,
            "original_height": HEIGHT,
            "image_rotation": 0,
            "is_positive": is_positive,
            "value": {"x": x, "y": y, "width": 0.25, "keypointlabels": ["Bus"]},
        }
        for index, (x, y, is_positive) in enumerate(CLICKS[:n])
    ]
    response = client.post(
        "/predict",
        json={
            "tasks": [{"id": 1, "data": {"image": address}, "annotations": [], "drafts": []}],
            "project": "1",
            "label_config": CONFIG,
            "params": {"context": {"result": points}},
        },
    )
    assert response.status_code == 200, response.text
    brush = next(r for r in response.get_json()["results"][0]["result"] if "rle" in r["value"])
    return brush_rle.decode(brush["value"]["rle"], WIDTH, HEIGHT)


def test_label_studio_shows_the_same_masks_click_by_click(cvat: Function, label_studio: FlaskClient) -> None:
    for n in range(1, len(CLICKS) + 1):
        assert (mask_in_cvat(cvat, n) == mask_in_label_studio(label_studio, n)).all()


def test_specks_go_on_both_roads(predictor: Predictor) -> None:
    """A low threshold makes a mask with specks, which a stronger model has of its own."""
    speckled = Predictor(predictor.engine, replace(predictor.options, threshold=0.222))
    x, y, _ = in_pixels(1)[0]
    raw = speckled.click(speckled.start(decode_image(BUS.read_bytes())), Click(x, y)).mask

    in_cvat = mask_in_cvat(function_of(speckled), 1)

    assert 0 < (raw & ~in_cvat).sum() < 100
    assert (in_cvat == mask_in_label_studio(client_of(speckled), 1)).all()


def test_the_command_line_writes_the_same_mask_with_its_specks(
    cvat: Function, model: str, tmp_path: Path
) -> None:
    for n in range(1, len(CLICKS) + 1):
        in_cvat = mask_in_cvat(cvat, n)
    output = tmp_path / "mask.png"
    clicks = [f"--click={'' if positive else '-'}{x},{y}" for x, y, positive in in_pixels(len(CLICKS))]

    options = [f"--model={model}", "--device=cpu", f"--output={output}"]
    result = CliRunner().invoke(predict, [str(BUS), *clicks, *options], catch_exceptions=False)

    assert result.exit_code == 0, result.output
    written = np.asarray(PIL.Image.open(output)) > 0
    made = [Click(x, y, is_positive) for x, y, is_positive in in_pixels(len(CLICKS))]
    assert (drop_specks(written, made, MIN_REGION_PIXELS) == in_cvat).all()
