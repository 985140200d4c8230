"""The recorded requests and answers of CVAT interactors, and the model that answers them.

It is the one for tests, whose answers stay the same when the bundled model is trained anew.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ritm_model.images import decode_image
from ritm_model.inference import Predictor, open_predictor

PAYLOADS = Path(__file__).parents[1] / "payloads" / "cvat"
SAMPLES = Path(__file__).parents[1] / "samples" / "images"
MODEL = str(Path(__file__).parents[1] / "models" / "h18s-synthetic.safetensors")


@pytest.fixture(scope="session")
def payload() -> Callable[[str], Any]:
    """Read a recorded payload by its name."""
    return lambda name: json.loads((PAYLOADS / f"{name}.json").read_text())


@pytest.fixture(scope="session")
def model() -> str:
    """The path of the model for tests."""
    return MODEL


@pytest.fixture(scope="session")
def predictor(model: str) -> Predictor:
    """The same, opened as the function opens it."""
    return open_predictor(model, device="cpu")


@pytest.fixture(scope="session")
def bus_HW3() -> npt.NDArray[np.uint8]:  # noqa: N802
    """A photograph of 640 x 427 pixels, RGB."""
    return decode_image((SAMPLES / "bus.jpg").read_bytes())


@pytest.fixture(scope="session")
def bus_text() -> str:
    """The same photograph as CVAT sends it."""
    return base64.b64encode((SAMPLES / "bus.jpg").read_bytes()).decode()
