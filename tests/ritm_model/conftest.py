"""Models whose weights anybody can rebuild from the names of their parameters, and small data sets."""

from __future__ import annotations

import functools
import json
import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import seeded_models

from ritm_model.cli.main import main
from ritm_model.networks import InteractiveModel


@pytest.fixture(scope="session")
def golden() -> Path:
    """Directory of the golden numbers, recorded with the paper's own code."""
    return Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="session", params=seeded_models.SEEDED_MODELS)
def model_name(request: pytest.FixtureRequest) -> str:
    """Run a test once for each of the five models."""
    return str(request.param)


@pytest.fixture(scope="session")
def seeded_model() -> Callable[[str], InteractiveModel]:
    """Make a model by its name in `SEEDED_MODELS`, in eval mode, cached: copy it before changing it."""
    return functools.cache(seeded_models.seeded_model)


WIDTH, HEIGHT = 40, 30  # of the images that tests draw


class Painter:
    """Writes files below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def image(self, name: str, width: int = WIDTH, height: int = HEIGHT) -> Path:
        """A photograph, of which the top left corner is red."""
        image = np.full((height, width, 3), 90, np.uint8)
        image[: height // 2, : width // 2] = (0, 0, 250)
        return self.array(name, image)

    def array(self, name: str, array: np.ndarray) -> Path:
        """An image file of exactly these values, colours in the order B, G, R."""
        path = self.path(name)
        assert cv2.imwrite(str(path), array)
        return path

    def text(self, name: str, text: str) -> Path:
        path = self.path(name)
        path.write_text(text)
        return path

    def json(self, name: str, value: object) -> Path:
        return self.text(name, json.dumps(value))

    def pickle(self, name: str, value: object, protocol: int = 4) -> Path:
        path = self.path(name)
        path.write_bytes(pickle.dumps(value, protocol))
        return path


@pytest.fixture
def painter(tmp_path: Path) -> Painter:
    return Painter(tmp_path / "data")


@pytest.fixture
def empty():
    """A background to paint on."""
    return np.zeros((HEIGHT, WIDTH), np.uint8)


@pytest.fixture
def run_ritm(monkeypatch, capsys):
    """Run the command line in this process; its status, what it printed and what it complained about."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["ritm", *map(str, arguments)])
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
        else:
            status = 0
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run
