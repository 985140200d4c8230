"""The five models equal the paper's: names and shapes of the parameters, multipliers, logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ritm_model.networks import InteractiveModel

Make = Callable[[str], InteractiveModel]
LOGITS_TOLERANCE = 1e-4  # the paper's code itself differs by 2e-5 between thread counts


def published(golden: Path, name: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((golden / f"keys_{name}.json").read_text())
    return facts


def test_state_dict_has_the_published_keys_shapes_and_types_in_order(
    golden: Path, seeded_model: Make, model_name: str
) -> None:
    state = seeded_model(model_name).state_dict()
    ours = [[key, list(value.shape), str(value.dtype).removeprefix("torch.")] for key, value in state.items()]
    theirs = [
        [key, shape, dtype.removeprefix("torch.")]
        for key, shape, dtype in published(golden, model_name)["keys"]
    ]
    assert ours == theirs


def test_number_of_parameters_is_the_published_one(golden: Path, seeded_model: Make, model_name: str) -> None:
    parameters = list(seeded_model(model_name).parameters())
    facts = published(golden, model_name)
    assert len(parameters) == facts["n_param_tensors"]
    assert sum(p.numel() for p in parameters) == facts["n_params"]


def test_seeding_gives_the_recorded_checksums(golden: Path, seeded_model: Make, model_name: str) -> None:
    state = seeded_model(model_name).state_dict()
    for key, (total, absolute) in published(golden, model_name)["checksum_sum_abs_sum"].items():
        values = state[key].double()
        assert values.sum().item() == pytest.approx(total, rel=1e-6, abs=1e-6), key
        assert values.abs().sum().item() == pytest.approx(absolute, rel=1e-6, abs=1e-6), key


def test_learning_rate_multipliers_are_the_published_ones(
    golden: Path, seeded_model: Make, model_name: str
) -> None:
    assert seeded_model(model_name).lr_multipliers() == published(golden, model_name)["param_lr_mult"]


@pytest.mark.parametrize("case", ["a", "b"])
def test_logits_equal_the_golden_ones(
    golden: Path,
    seeded_model: Make,
    model_name: str,
    case: str,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    model = seeded_model(model_name)
    with np.load(golden / f"logits_input_{case}.npz") as inputs:
        image4 = torch.from_numpy(inputs["image4"])
        points = torch.from_numpy(inputs["points"])
    image = image4 if model.with_prev_mask else image4[:, :3]
    with torch.no_grad():
        outputs = model(image, points)

    with np.load(golden / f"logits_{model_name}.npz") as expected:
        names = {
            key.removeprefix(f"{case}_"): expected[key] for key in expected if key.startswith(f"{case}_")
        }
    assert outputs.keys() == names.keys()
    for name, logits in names.items():
        error = float(np.abs(outputs[name].numpy() - logits).max())
        record_testsuite_property(f"max_error/{model_name}/{case}/{name}", error)
        assert outputs[name].shape == logits.shape
        assert error <= LOGITS_TOLERANCE
