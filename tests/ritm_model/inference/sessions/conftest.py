"""An annotator with a small network, and images for it."""

import pytest
from annotating import OPTIONS, Images

from ritm_model.inference import Annotator, Predictor


@pytest.fixture
def images():
    return Images()


@pytest.fixture
def predictor(engine):
    return Predictor(engine, OPTIONS)


@pytest.fixture
def annotator(predictor):
    return Annotator(predictor)
