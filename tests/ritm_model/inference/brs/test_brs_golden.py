"""The BRS modes with the synthetic model, against what the paper's code answered with it.

The stored sequences meet all their clicks at once, so they pin what surrounds the search. `test_search.py`
and `test_brs_predictor.py` hold the search itself.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ritm_model.clicks import Click
from ritm_model.inference import PredictorOptions, ZoomIn
from ritm_model.inference.brs import open_brs_predictor
from ritm_model.inference.brs.disagreement import ClickMasks, disagreement

TESTS = Path(__file__).parents[3]
GOLDEN = TESTS / "golden"
SEQUENCES = json.loads((GOLDEN / "predict_samples.json").read_text())
TOLERANCE = 5e-4 + 1e-4
"""As without BRS: half precision, and the order of summation. The sequences leave nothing to search for."""
BRS = [name for name, sequence in SEQUENCES.items() if sequence["brs_mode"] != "NoBRS"]


def test_the_loss_equals_that_of_the_paper():
    golden = json.loads((GOLDEN / "unit.json").read_text())["brs_loss"]
    probability = torch.from_numpy(
        np.random.RandomState(golden["seed"]).random_sample((2, 1, 30, 40))
    ).float()
    masks = ClickMasks(torch.zeros(2, 1, 30, 40), torch.zeros(2, 1, 30, 40))
    masks.positive_B1HW[:, :, 3:6, 4:7] = 1
    masks.negative_B1HW[:, :, 20:23, 30:33] = 1
    found = disagreement(probability, masks)
    assert float(found.loss) == pytest.approx(golden["loss"], rel=1e-6)
    assert float(found.worst_positive) == pytest.approx(golden["f_max_pos"], rel=1e-6)
    assert float(found.worst_negative) == pytest.approx(golden["f_max_neg"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", BRS)
def test_masks_and_crops_equal_those_of_the_paper(name, photo, record_property):
    sequence = SEQUENCES[name]
    zoom_in = sequence["zoom_in_params"]
    options = PredictorOptions(
        zoom_in=ZoomIn(**{**zoom_in, "target_size": tuple(zoom_in["target_size"])}),
        with_flip=sequence["with_flip"],
    )
    predictor = open_brs_predictor(
        str(TESTS / "models/h18s-synthetic.safetensors"),
        "cpu",
        options=options,
        mode=sequence["brs_mode"],
        reference=True,
    )
    state = predictor.start(photo(name.split("/")[1]))
    ious, errors = [], []
    with np.load(GOLDEN / "predict_samples.npz") as answers:
        for i, ((y, x, is_positive), golden) in enumerate(
            zip(sequence["clicks_yx_pos"], sequence["per_click"], strict=True)
        ):
            state = predictor.click(state, Click(x, y, bool(is_positive)))
            bits = np.unpackbits(answers[f"{name}/{i}/mask"], count=state.mask.size)
            expected = bits.reshape(state.frame).astype(bool)
            ious.append((state.mask & expected).sum() / (state.mask | expected).sum())
            points = answers[f"{name}/{i}/p4"].astype(np.float32)
            errors.append(np.abs(state.probability[::4, ::4] - points).max())
            assert state.roi == tuple(golden["roi"]), f"click {i}"
            assert state.probability.mean(dtype=np.float64) == pytest.approx(golden["mean"], abs=5e-3)
    record_property("least_mask_iou", float(min(ious)))
    record_property("max_probability_error", float(max(errors)))
    assert min(ious) >= 0.98
    assert max(errors) <= TOLERANCE
