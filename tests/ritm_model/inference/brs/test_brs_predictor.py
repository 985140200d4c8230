"""The BRS predictor on a small photograph, with the synthetic model.

The network sees the first click only, so that the others have to be searched for.
"""

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from ritm_model.clicks import Click
from ritm_model.inference import Predictor, PredictorOptions, TorchEngine, ZoomIn
from ritm_model.inference.brs import (
    BRS_MODES,
    BRSError,
    BRSPredictor,
    ReferenceBRSPredictor,
    open_brs_predictor,
)
from ritm_model.inference.brs.disagreement import click_masks

HRNET = str(Path(__file__).parents[3] / "models/h18s-synthetic.safetensors")
WHOLE = PredictorOptions(zoom_in=None, with_flip=False, net_clicks_limit=1)
ON_BEAR = Click(48, 60)
MISSED = Click(52, 30)
BESIDE = Click(60, 60, False)


@pytest.fixture(scope="module")
def small_bear(photo) -> np.ndarray:
    return np.ascontiguousarray(photo("bear")[::4, ::4])


def predictor_of(engine: TorchEngine, mode: str, options: PredictorOptions) -> BRSPredictor:
    return BRSPredictor(engine, BRS_MODES[mode].adaptation(engine.model), options)


def error(state) -> float:
    """Mean squared error on the pixels that the clicks claim."""
    masks = click_masks([state.clicks], state.frame)
    probability = state.probability
    total = 0.0
    for wanted, truth in zip(masks, (1, 0), strict=True):
        where = wanted[0, 0].numpy() > 0
        if where.any():
            total += float(((probability[where] - truth) ** 2).mean())
    return total


@pytest.fixture(scope="module")
def two_clicks(hrnet_engine, small_bear):
    """The states after one and after two clicks, by mode and flip."""

    @cache
    def made(mode: str, with_flip: bool = False):
        predictor = predictor_of(hrnet_engine, mode, replace(WHOLE, with_flip=with_flip))
        first = predictor.click(predictor.start(small_bear), ON_BEAR)
        return predictor, first, predictor.click(first, BESIDE)

    return made


@pytest.mark.parametrize(
    ("mode", "with_flip"), [*((mode, False) for mode in BRS_MODES), ("f-BRS-B", True), ("RGB-BRS", True)]
)
def test_the_answer_comes_closer_to_a_click_that_the_network_does_not_know(
    mode, with_flip, two_clicks, hrnet_engine, small_bear
):
    predictor, first, second = two_clicks(mode, with_flip)
    plain = Predictor(hrnet_engine, predictor.options)
    unaware = plain.click(plain.start(small_bear), ON_BEAR)
    np.testing.assert_allclose(first.probability, unaware.probability, atol=1e-5)
    assert not first.adapted.params.any()

    unaware = plain.click(unaware, BESIDE)
    assert second.adapted.params.any()
    assert error(second) < error(unaware)
    if mode.startswith("f-BRS"):
        # Scales and biases move the mask from the first step on; parameters per pixel go on in smaller ones.
        assert error(second) < 0.9 * error(unaware)


@pytest.mark.parametrize("mode", ["f-BRS-C", "DistMap-BRS"])
def test_to_undo_is_to_go_on_with_the_older_state(mode, two_clicks):
    predictor, first, second = two_clicks(mode)
    before = first.probability, first.adapted.params.copy(), first.adapted.prepared
    again = predictor.click(first, BESIDE)
    np.testing.assert_array_equal(again.probability, second.probability)
    np.testing.assert_array_equal(again.adapted.params, second.adapted.params)
    np.testing.assert_array_equal(first.probability, before[0])
    np.testing.assert_array_equal(first.adapted.params, before[1])
    assert first.adapted.prepared is before[2]


def test_the_search_goes_on_from_where_it_ended_one_click_before(two_clicks):
    predictor, _, second = two_clicks("f-BRS-C")
    params = second.adapted.params
    forgetful = replace(second, adapted=replace(second.adapted, params=np.zeros_like(params)))
    third = predictor.click(second, MISSED)
    assert np.abs(third.probability - predictor.click(forgetful, MISSED).probability).max() > 1e-4


def test_features_are_kept_once_the_network_learns_of_no_more_clicks(hrnet_engine, two_clicks):
    _, first, second = two_clicks("f-BRS-C")
    assert first.adapted.prepared is not None
    assert second.adapted.prepared is first.adapted.prepared
    assert second.nbytes > second.adapted.prepared[0].nbytes

    generous = predictor_of(hrnet_engine, "f-BRS-C", replace(WHOLE, net_clicks_limit=None))
    state = generous.replay(generous.start(first.image), (ON_BEAR, BESIDE))
    assert state.adapted.prepared is None
    assert state.nbytes < second.nbytes


@pytest.mark.parametrize(("mode", "survives"), [("f-BRS-C", True), ("DistMap-BRS", False)])
def test_in_another_crop_only_what_does_not_belong_to_pixels_goes_on(
    mode, survives, hrnet_engine, small_bear
):
    zoom_in = ZoomIn(skip_clicks=-1, target_size=(96, 96), min_crop_size=40)
    predictor = predictor_of(hrnet_engine, mode, replace(WHOLE, zoom_in=zoom_in))
    first = predictor.click(predictor.start(small_bear), ON_BEAR)
    params = np.full_like(first.adapted.params, 0.05)
    full_of_params = replace(first, adapted=replace(first.adapted, params=params))

    second, other = (predictor.click(state, BESIDE) for state in (first, full_of_params))
    assert second.roi != first.roi
    assert np.array_equal(second.probability, other.probability) is not survives
    if survives:
        assert second.adapted.prepared is not first.adapted.prepared


def test_a_click_at_the_first_row_counts_and_as_reference_it_does_not(hrnet_engine, small_bear):
    moved = {}
    adaptation = BRS_MODES["f-BRS-B"].adaptation(hrnet_engine.model)
    for kind in (BRSPredictor, ReferenceBRSPredictor):
        predictor = kind(hrnet_engine, adaptation, WHOLE)
        first = predictor.click(predictor.start(small_bear), ON_BEAR)
        second = predictor.click(first, Click(60, 0))
        moved[kind] = second.probability[0, 60] - first.probability[0, 60]
    assert moved[BRSPredictor] > 0.05
    assert moved[ReferenceBRSPredictor] == pytest.approx(0, abs=1e-5)


def test_a_mask_given_at_the_start_is_refined(hrnet_engine, small_bear):
    mask = np.zeros(small_bear.shape[:2], np.bool_)
    mask[40:80, 30:70] = True
    predictor = predictor_of(hrnet_engine, "f-BRS-C", WHOLE)
    start = predictor.start(small_bear, mask=mask)
    assert start.adapted is None
    assert start.nbytes > 0
    assert predictor.click(start, BESIDE).clicks == (BESIDE,)


def test_threads_share_a_predictor(two_clicks):
    predictor, first, second = two_clicks("f-BRS-C")
    answers = []
    threads = [Thread(target=lambda: answers.append(predictor.click(first, BESIDE))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 3
    for answer in answers:
        np.testing.assert_array_equal(answer.probability, second.probability)


def test_an_opened_predictor_has_the_limit_of_its_mode_unless_another_is_given():
    for mode, limit in {"RGB-BRS": 5, "DistMap-BRS": 5, "f-BRS-A": 8, "f-BRS-B": 8, "f-BRS-C": 8}.items():
        options = PredictorOptions(net_clicks_limit=None)
        predictor = open_brs_predictor(HRNET, device="cpu", options=options, mode=mode)
        assert predictor.options == replace(options, net_clicks_limit=limit)
    assert open_brs_predictor(HRNET, device="cpu", mode="f-BRS-A", options=WHOLE).options == WHOLE


def test_an_unknown_mode_is_answered_with_the_known_ones():
    with pytest.raises(BRSError, match="no mode 'BRS'; known ones are RGB-BRS, DistMap-BRS, f-BRS-A"):
        open_brs_predictor(mode="BRS")


def test_without_scipy_there_is_no_predictor(monkeypatch, hrnet_engine):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(BRSError, match="need SciPy"):
        predictor_of(hrnet_engine, "f-BRS-B", WHOLE)


@pytest.mark.parametrize(("seconds", "is_cut_short"), [(0, True), (3600, False), (None, False)])
def test_a_search_ends_when_its_time_is_over(hrnet_engine, small_bear, seconds, is_cut_short):
    adaptation = BRS_MODES["RGB-BRS"].adaptation(hrnet_engine.model)
    predictor = BRSPredictor(hrnet_engine, adaptation, WHOLE, evaluations=8, seconds=seconds)
    first = predictor.click(predictor.start(small_bear), ON_BEAR)
    assert not first.adapted.is_cut_short
    second = predictor.click(first, BESIDE)
    assert second.adapted.is_cut_short is is_cut_short
    assert error(second) <= error(Predictor(hrnet_engine, WHOLE).click(first, BESIDE)) + 1e-6
