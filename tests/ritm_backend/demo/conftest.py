"""The real application with the bundled model."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_model.images import decode_image
from ritm_model.inference import Annotator, Predictor, open_predictor
from ritm_ops.pictures import PictureFetcher

FORM = "multipart/form-data"  # as the page sends it
SAMPLE = Path(__file__).parents[2] / "samples/images/coins.jpg"


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return open_predictor("bundled", "cpu")


@pytest.fixture(scope="session")
def host(predictor: Predictor) -> ModelHost:
    host = ModelHost(lambda: Annotator(predictor), "bundled")
    host.start()
    host.annotator(60)
    return host


@pytest.fixture
def serve(host: ModelHost) -> Callable[..., FlaskClient]:
    """A client of the application with other settings."""

    def make(**changed: object) -> FlaskClient:
        settings = Settings(**changed)
        return create_app(settings, host, PictureFetcher(settings.picture_access)).test_client()

    return make


@pytest.fixture
def client(serve: Callable[..., FlaskClient]) -> FlaskClient:
    return serve()


@pytest.fixture(scope="session")
def photo() -> bytes:
    return SAMPLE.read_bytes()


@pytest.fixture(scope="session")
def pixels(photo: bytes) -> np.ndarray:
    return decode_image(photo)


@pytest.fixture
def ask(client: FlaskClient, photo: bytes) -> Callable[..., Any]:
    """Ask for a mask of the sample as the page does; fields of the prompt may be changed."""
    image = client.post("/demo/images", data=photo).json
    config = client.get("/demo/config").json

    def send(*clicks: tuple[float, float, bool], **changed: object) -> Any:
        prompt = {
            "image": image["id"],
            "clicks": clicks,
            "start": None,
            "threshold": config["threshold"],
            "options": config["options"],
        }
        return client.post("/demo/click", data={"prompt": json.dumps(prompt | changed)}, content_type=FORM)

    return send


@pytest.fixture(scope="session")
def unpack() -> Callable[[Any, tuple[int, int]], np.ndarray]:
    """The H x W mask of an answer, read as the page reads it."""

    def read(answer: Any, frame: tuple[int, int]) -> np.ndarray:
        mask_HW = np.zeros(frame, bool)
        lengths = variable_length_numbers(base64.b64decode(answer["runs"]))
        values = np.arange(len(lengths)) % 2 == 1
        crop = np.repeat(values, lengths).reshape(answer["height"], answer["width"])
        top, left = answer["top"], answer["left"]
        mask_HW[top : top + answer["height"], left : left + answer["width"]] = crop
        return mask_HW

    return read


def variable_length_numbers(data: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    assert shift == 0, "the last number is cut off"
    return numbers
