"""Whole click sequences with the synthetic model, against what the paper's code answered with it."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ritm_model.checkpoints import load_model
from ritm_model.clicks import Click
from ritm_model.inference import PredictorOptions, ReferencePredictor, TorchEngine, ZoomIn

GOLDEN = Path(__file__).parents[2] / "golden"
SEQUENCES = json.loads((GOLDEN / "predict_samples.json").read_text())
NO_BRS = [name for name, sequence in SEQUENCES.items() if sequence["brs_mode"] == "NoBRS"]
TOLERANCE = 5e-4 + 1e-4
"""The golden probabilities are stored as float16; the rest is for other orders of summation."""


@pytest.fixture(scope="module")
def answers():
    with np.load(GOLDEN / "predict_samples.npz") as arrays:
        yield dict(arrays)


@pytest.fixture(scope="module")
def model():
    return load_model(GOLDEN.parent / "models/h18s-synthetic.safetensors")


def options_of(sequence: dict) -> PredictorOptions:
    zoom_in = None
    if sequence["zoom_in_params"] is not None:
        target_size = sequence["zoom_in_params"]["target_size"]
        size = tuple(target_size) if isinstance(target_size, list) else target_size
        zoom_in = ZoomIn(**{**sequence["zoom_in_params"], "target_size": size})
    return PredictorOptions(
        zoom_in=zoom_in,
        with_flip=sequence["with_flip"],
        **(sequence["predictor_params"] or {}),
    )


def external_mask(sequence: dict) -> np.ndarray | None:
    if not sequence["external_mask"]:
        return None
    height, width, _ = sequence["shape"]
    y, x, _ = sequence["clicks_yx_pos"][0]
    centre, axes = (x + width // 20, y + height // 20), (width // 8, height // 6)
    return cv2.ellipse(np.zeros((height, width), np.float32), centre, axes, 15, 0, 360, 1, -1)


@pytest.mark.slow
@pytest.mark.parametrize("name", NO_BRS)
def test_probabilities_masks_and_crops_equal_those_of_the_paper(name, model, answers, photo, record_property):
    sequence = SEQUENCES[name]
    image = photo(name.split("/")[1])
    assert list(image.shape) == sequence["shape"]
    model.cpu_dist_maps = sequence["cpu_dist_maps"]
    predictor = ReferencePredictor(TorchEngine(model), options_of(sequence))

    state = predictor.start(image, mask=external_mask(sequence))
    errors, flipped = [], []
    for i, ((y, x, is_positive), golden) in enumerate(
        zip(sequence["clicks_yx_pos"], sequence["per_click"], strict=True)
    ):
        state = predictor.click(state, Click(x, y, bool(is_positive)))
        probability = state.probability
        errors.append(np.abs(probability[::4, ::4] - answers[f"{name}/{i}/p4"].astype(np.float32)).max())
        bits = np.unpackbits(answers[f"{name}/{i}/mask"], count=probability.size)
        near_threshold = np.abs(probability - 0.49) < 1e-3
        differs = state.mask != bits.reshape(probability.shape).astype(bool)
        flipped.append(int((differs & ~near_threshold).sum()))
        assert state.roi == (tuple(golden["roi"]) if golden["roi"] else None), f"click {i}"
        assert probability.mean(dtype=np.float64) == pytest.approx(golden["mean"], abs=1e-5)
    if f"{name}/last_full_f16" in answers:
        errors.append(np.abs(probability - answers[f"{name}/last_full_f16"].astype(np.float32)).max())

    record_property("max_probability_error", float(max(errors)))
    record_property("mask_pixels_that_differ", sum(flipped))
    assert max(errors) <= TOLERANCE
    assert flipped == [0] * len(flipped)
