"""A small HRNet, loaded once, and photographs decoded as OpenCV does."""

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from ritm_model.checkpoints import load_model
from ritm_model.inference import TorchEngine

SAMPLES = Path(__file__).parents[2] / "samples"
SYNTHETIC = Path(__file__).parents[2] / "models/h18s-synthetic.safetensors"


class CountingEngine:
    """The real engine, counting how often it runs and how many runs overlap."""

    def __init__(self, engine: TorchEngine) -> None:
        self.engine = engine
        self.name = engine.name
        self.with_prev_mask = engine.with_prev_mask
        self.runs = 0
        self.most_at_once = 0
        self._running = 0
        self._lock = threading.Lock()

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        with self._lock:
            self.runs += 1
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
        try:
            return self.engine.run(image_BCHW, points_BP3)
        finally:
            with self._lock:
                self._running -= 1


@pytest.fixture(scope="session")
def hrnet_engine() -> TorchEngine:
    return TorchEngine(load_model(SYNTHETIC), name="synthetic")


@pytest.fixture
def engine(hrnet_engine) -> CountingEngine:
    return CountingEngine(hrnet_engine)


@pytest.fixture(scope="session")
def photo():
    """The pixels of a sample photograph by name, RGB."""

    def read(name: str) -> np.ndarray:
        pixels = cv2.imread(str(SAMPLES / f"images/{name}.jpg"))
        assert pixels is not None, name
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    return read
