"""Clicks are counted as the paper counts them, and masks compared as it compares them."""

import json
from pathlib import Path

import numpy as np
import pytest

from ritm_model.evaluation.noc import (
    at_limit,
    clicks_to_reach,
    failures,
    mean_iou_after,
    noc,
    stability,
    targets,
)
from ritm_model.masks.overlap import boundary_iou, iou

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/unit.json").read_text())


def curve(*ious: float) -> np.ndarray:
    return np.array(ious, np.float32)


def test_noc_equals_the_paper_s() -> None:
    golden = GOLDEN["noc"]
    curves = [curve(*ious) for ious in golden["ious"]]
    thresholds = golden["arange_thrs_090"]

    assert targets(0.9) == tuple(thresholds)
    assert [noc(curves, target, 20) for target in thresholds] == golden["noc"]
    assert [at_limit(curves, target, 20) for target in thresholds] == golden["over_max"]


def test_iou_equals_the_paper_s() -> None:
    small = GOLDEN["iou_small"]
    assert iou(np.array(small["pred"]), np.array(small["gt"], np.int8)) == small["iou"]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (0.8, [0.80]),
        (0.9, [0.80, 0.85, 0.90]),
        (0.93, [0.80, 0.85, 0.90, 0.93]),
        (1.01, [0.80, 0.85, 0.90, 0.95]),
        (0.97, [0.80, 0.85, 0.90, 0.95, 0.97]),
    ],
)
def test_targets_go_up_to_where_annotation_stops(target: float, expected: list[float]) -> None:
    assert targets(target) == pytest.approx(expected)


def test_an_iou_equal_to_the_target_has_reached_it() -> None:
    assert float(curve(0.9)[0]) < targets(0.9)[2]  # were they compared in double precision
    assert clicks_to_reach(curve(0.5, 0.9), targets(0.9)[2], 20) == 2
    assert clicks_to_reach(curve(0.5, np.nextafter(np.float32(0.9), np.float32(0))), 0.9, 20) == 20


def test_reaching_the_target_with_the_last_click_is_no_failure() -> None:
    curves = [curve(0.1, 0.2, 0.95), curve(0.1, 0.2, 0.3), curve(0.95)]
    assert at_limit(curves, 0.9, 3) == 2
    assert failures(curves, 0.9) == 1
    assert noc(curves, 0.9, 3) == pytest.approx(7 / 3)


def test_a_curve_that_ended_keeps_its_last_value() -> None:
    curves = [curve(0.5, 0.9), curve(0.1, 0.2, 0.3)]
    assert mean_iou_after(curves, 1) == pytest.approx(0.3)
    assert mean_iou_after(curves, 3) == pytest.approx(0.6)
    assert mean_iou_after(curves, 20) == pytest.approx(0.6)


def test_stability_counts_the_clicks_that_lower_the_iou() -> None:
    found = stability([curve(0.5, 0.25, 0.75, 0.75), curve(0.5, 0.0)])
    assert (found.clicks, found.lowering) == (4, 2)
    assert found.share == 0.5
    assert found.mean_drop == pytest.approx(0.375)
    assert found.worst_drop == pytest.approx(0.5)


def test_a_single_click_can_lower_nothing() -> None:
    found = stability([curve(0.5)])
    assert (found.clicks, found.lowering, found.share, found.mean_drop) == (0, 0, 0.0, 0.0)


def square(left: int, size: int = 60) -> np.ndarray:
    mask = np.zeros((100, 100), bool)
    mask[20 : 20 + size, left : left + size] = True
    return mask


def test_boundary_iou_looks_at_the_outline_only() -> None:
    truth = square(20).astype(np.int8)
    hollow = square(20)
    hollow[40:60, 40:60] = False  # a hole: new outline inside, the outer one is right

    assert boundary_iou(square(20), truth) == 1
    assert 0 < boundary_iou(square(23), truth) < iou(square(23), truth)
    assert boundary_iou(hollow, truth) < 1
    # the band is 3 pixels wide: 2 % of the diagonal
    band = 60**2 - 54**2
    hole = 26**2 - 20**2
    assert boundary_iou(hollow, truth) == pytest.approx(band / (band + hole))


def test_boundary_iou_leaves_ignored_pixels_out() -> None:
    truth = square(20).astype(np.int8)
    truth[:, 50:] = -1
    spilt = square(20)
    spilt[:, 90:] = True
    left_half = square(20)
    left_half[:, 50:] = False
    assert boundary_iou(spilt & (truth != -1) | left_half, truth) == pytest.approx(1)


def test_two_empty_masks_have_no_iou() -> None:
    nothing = np.zeros((5, 5), bool)
    assert np.isnan(iou(nothing, nothing.astype(np.int8)))
    assert np.isnan(boundary_iou(nothing, nothing.astype(np.int8)))
