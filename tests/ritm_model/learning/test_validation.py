"""The validation of a run: however objects are asked for, the answers are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ritm_model.checkpoints import load_model, resolve_model
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.validation import ValidationObject, questions, validate
from ritm_model.networks import InteractiveModel

SIZE, CLICKS = (96, 128), 3


@pytest.fixture(scope="module")
def model() -> InteractiveModel:
    return load_model(resolve_model("bundled"))


@pytest.fixture(scope="module")
def asked(pack: Path) -> tuple[ValidationObject, ...]:
    recipe = load_recipe(
        "starter", ["data.licence_classes=null", "data.source_weights={}", "data.validation_share=0.4"]
    )
    return questions(open_data(recipe, pack).held_out, 5)


@pytest.fixture(scope="module")
def alone(model: InteractiveModel, asked: tuple[ValidationObject, ...]) -> np.ndarray:
    found = validate(model, asked, SIZE, CLICKS, World())
    assert found.shape == (5, CLICKS)
    assert found.max() > 0.5
    return found


@pytest.mark.parametrize(("at_once", "workers"), [(2, 0), (8, 0), (2, 2)])
def test_objects_are_asked_for_together_as_alone(
    at_once: int,
    workers: int,
    model: InteractiveModel,
    asked: tuple[ValidationObject, ...],
    alone: np.ndarray,
) -> None:
    together = validate(model, asked, SIZE, CLICKS, World(), at_once=at_once, workers=workers)
    np.testing.assert_allclose(together, alone, atol=0.01, err_msg="rounding moves a few pixels")
