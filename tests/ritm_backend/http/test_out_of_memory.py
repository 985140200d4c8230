"""Want of memory, as torch, OpenVINO, OpenCV and Python say it, is told to clients as a moment's trouble.

No GPU is needed: the engine stands where one would run the network, and raises what torch raises then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from flask.testing import FlaskClient

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_model.images.memory import is_out_of_memory
from ritm_model.inference import Annotator, Predictor
from ritm_ops.pictures import PictureFetcher


class FullEngine:
    """The real engine, which first has no memory for some runs."""

    def __init__(self, engine: Any, errors: list[BaseException]) -> None:
        self._engine = engine
        self._errors = errors
        self.name, self.with_prev_mask = engine.name, engine.with_prev_mask

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        if self._errors:
            raise self._errors.pop(0)
        logits_B1HW: torch.Tensor = self._engine.run(image_BCHW, points_BP3)
        return logits_B1HW


def client_for(settings: Settings, predictor: Predictor, *errors: BaseException) -> FlaskClient:
    engine = FullEngine(predictor.engine, list(errors))
    host = ModelHost(lambda: Annotator(Predictor(engine, predictor.options)), "bundled")
    host.start()
    host.annotator(60)
    return create_app(settings, host, PictureFetcher(settings.picture_access)).test_client()


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has ..."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:\nstd::bad_alloc"),
        MemoryError(),
    ],
)
def test_an_engine_without_memory(
    settings: Settings,
    predictor: Predictor,
    recorded: Callable[[str], Any],
    caplog: pytest.LogCaptureFixture,
    error: BaseException,
) -> None:
    client = client_for(settings, predictor, error)
    refused = client.post("/predict", json=recorded("04"))
    assert refused.status_code == 503
    assert int(refused.headers["Retry-After"]) >= 1
    assert "not enough memory" in refused.json["error"]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["out of memory"]
    assert 'ritm_refused_total{reason="memory"} 1.0' in client.get("/metrics").text

    again = client.post("/predict", json=recorded("04"))
    assert again.status_code == 200
    assert again.json["results"][0]["result"]


def test_what_libraries_raise_is_known() -> None:
    too_many = 1 << 50
    for allocate in (
        lambda: np.empty(too_many, np.uint8),
        lambda: torch.empty(too_many, dtype=torch.uint8),
        lambda: bytearray(too_many),
    ):
        with pytest.raises((MemoryError, RuntimeError)) as caught:
            allocate()
        assert is_out_of_memory(caught.value)
    assert is_out_of_memory(cv2.error("OpenCV: error: (-4:Insufficient memory) Failed to allocate 1 bytes"))


@pytest.mark.parametrize(
    "error", [RuntimeError("mat1 and mat2 shapes"), ValueError("out of memory"), OSError()]
)
def test_other_faults_are_none(error: BaseException) -> None:
    assert not is_out_of_memory(error)
