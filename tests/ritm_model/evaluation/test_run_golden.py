"""Whole evaluations of the synthetic model, against those of the paper's code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ritm_model.evaluation import (
    EvaluationProtocol,
    PredictorSource,
    SampleResult,
    annotate,
    evaluate,
    summarise,
)
from ritm_model.evaluation.noc import clicks_to_reach
from ritm_model.inference import PredictorOptions, ZoomIn

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/noc.json").read_text())
SYNTHETIC = str(Path(__file__).parents[2] / "models/h18s-synthetic.safetensors")


def protocol_of(golden: dict[str, Any]) -> EvaluationProtocol:
    config = golden["config"]
    zoom = dict(config["zoom"])
    if isinstance(zoom["target_size"], list):
        zoom["target_size"] = tuple(zoom["target_size"])
    options = PredictorOptions(zoom_in=ZoomIn(**zoom), with_flip=config["flip"], threshold=golden["pred_thr"])
    return EvaluationProtocol(
        options=options,
        reference=True,
        max_clicks=config["n"],
        min_clicks=config["min_clicks"],
        target_iou=config["thr"],
    )


def splits(golden: dict[str, Any], i: int, result: SampleResult) -> int | None:
    """The first click at which the sequence leaves the golden one; None if it does not.

    It may do so only after a mask in which some pixel lay close to the threshold.
    """
    ours = [[int(click.y), int(click.x), click.is_positive] for click in result.clicks]
    for k, (expected, found) in enumerate(zip(golden["clicks"][i], ours, strict=False)):
        if expected != found:
            assert golden["frac_pixels_within_1e-3_of_thr"][i][k - 1] > 0
            return k
        if abs(golden["ious"][i][k] - result.ious[k]) > 1e-6:
            assert golden["frac_pixels_within_1e-3_of_thr"][i][k] > 0
    if len(ours) != len(golden["clicks"][i]):
        return min(len(ours), len(golden["clicks"][i]))
    return None


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", GOLDEN)
def test_curves_clicks_and_noc_equal_the_paper_s(name, shapes, record_property) -> None:
    golden = GOLDEN[name]
    protocol = protocol_of(golden)
    source = PredictorSource(SYNTHETIC, "cpu", protocol)

    evaluation = evaluate("synthetic", source, shapes, protocol)

    assert [sample.name for sample in evaluation.samples] == golden["samples"]
    split = []
    for i, sample in enumerate(evaluation.samples):
        at = splits(golden, i, sample)
        split += [] if at is None else [f"{sample.name}@{at + 1}"]
        same = golden["ious"][i][:at]
        np.testing.assert_allclose(sample.ious[: len(same)], same, atol=2e-3)

        for target, expected in zip(golden["iou_thrs"], golden["per_image_noc"].values(), strict=True):
            clicks = clicks_to_reach(sample.curve, target, protocol.max_clicks)
            assert abs(clicks - expected[i]) <= (0 if at is None else 1), (sample.name, target)

    record_property("sequences_that_split", " ".join(split))
    assert len(split) <= 5, split
    summary = summarise(evaluation)
    assert [row.target for row in summary.targets][: len(golden["iou_thrs"])] == golden["iou_thrs"]
    assert [row.noc for row in summary.targets] == pytest.approx(golden["noc"], abs=0.05)
    if not split:  # then nothing may differ at all
        assert [row.noc for row in summary.targets] == golden["noc"]
        assert [row.at_limit for row in summary.targets] == golden["over_max"]


def test_a_few_short_sequences_equal_the_paper_s(shapes) -> None:
    golden = GOLDEN["zoom160min60_noflip_iou085"]
    protocol = protocol_of(golden)
    predictor = PredictorSource(SYNTHETIC, "cpu", protocol)()

    for i in (0, 16):
        result = annotate(predictor, shapes[i], protocol)
        assert [[click.y, click.x, click.is_positive] for click in result.clicks] == golden["clicks"][i]
        np.testing.assert_allclose(result.ious, golden["ious"][i], atol=1e-6)
        assert len(result.click_seconds) == len(result.boundary_ious) == len(result.clicks)
