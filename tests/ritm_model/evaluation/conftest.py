"""The generated data set of the golden numbers, read as simply as can be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ritm_model.evaluation import EvaluationProtocol, PredictorSource

DATASET = Path(__file__).parents[2] / "golden/dataset"
Protocols = Callable[[EvaluationProtocol], PredictorSource]


@dataclass(frozen=True)
class Shapes:
    """Image and mask files of the same name; 128 in a mask is ignored."""

    names: tuple[str, ...] = tuple(sorted(path.name for path in (DATASET / "data_GT").iterdir()))
    name: str = "shapes"
    root: Path = DATASET

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Shape:
        grey_HW = cv2.imread(str(self.root / "boundary_GT" / self.names[index]), cv2.IMREAD_GRAYSCALE)
        assert grey_HW is not None
        truth_HW = np.where(grey_HW == 128, -1, grey_HW > 128).astype(np.int8)
        category = ("even", "odd")[index % 2]
        return Shape(self.names[index], truth_HW, category, self.root / "data_GT" / self.names[index])


@dataclass(frozen=True, eq=False)
class Shape:
    name: str
    mask: npt.NDArray[np.int8]
    category: str
    path: Path

    def load_image(self) -> npt.NDArray[np.uint8]:
        pixels = cv2.imread(str(self.path))
        assert pixels is not None
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8)


@pytest.fixture
def shapes() -> Shapes:
    """All 20 images."""
    return Shapes()


@pytest.fixture
def few_shapes() -> Shapes:
    """Four of them."""
    return Shapes(("s00.png", "s03.png", "s08.png", "s16.png"))


@pytest.fixture
def source_of() -> Protocols:
    """The bundled model, seen through a protocol."""
    return lambda protocol: PredictorSource("bundled", "cpu", protocol)
