"""Small data sets in their real layouts, drawn and written by the tests themselves."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

WIDTH, HEIGHT = 40, 30


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
