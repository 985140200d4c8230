"""The search, on functions whose minimum is known."""

import sys

import numpy as np
import pytest
import torch

from ritm_model.clicks import Click
from ritm_model.inference.brs import BRSError
from ritm_model.inference.brs.disagreement import click_masks, disagreement
from ritm_model.inference.brs.optimise import EVALUATIONS, Search, l_bfgs, minimise

SIZE = (12, 12)
MASKS = click_masks([[Click(3, 3), Click(8, 8, False)]], SIZE)
THRESHOLD = 0.49


def per_pixel(start: float):
    """Each number is added to the logit of one pixel; every pixel starts at `start`."""

    def answer(params):
        logits = start + 30 * params.view(1, 1, *SIZE)
        return logits, 1e-3 * params.square().sum()

    return answer


def loss_of(logits) -> float:
    return float(disagreement(logits.sigmoid(), MASKS).loss)


@pytest.mark.parametrize("start", [-2.0, 2.0])
def test_clicks_that_can_be_met_are_met_and_nothing_else_is_changed(start):
    search = Search(per_pixel(start), MASKS, THRESHOLD)
    params = minimise(search, np.zeros(SIZE[0] * SIZE[1]))
    mask = search.best_logits_B1HW.sigmoid() > THRESHOLD
    assert mask[MASKS.positive_B1HW > 0].all()
    assert not mask[MASKS.negative_B1HW > 0].any()
    unclaimed = (MASKS.positive_B1HW + MASKS.negative_B1HW == 0).numpy().ravel()
    assert np.abs(params[unclaimed]).max() < 1e-6


def test_no_step_is_taken_when_every_claim_is_met_already():
    met = 3 * (MASKS.positive_B1HW - MASKS.negative_B1HW)
    calls = []

    def answer(params):
        calls.append(params)
        return met + params.view(1, 1, *SIZE), params.square().sum()

    found = minimise(Search(answer, MASKS, THRESHOLD), np.zeros(SIZE[0] * SIZE[1]))
    assert len(calls) == 1
    assert not found.any()


def test_the_search_ends_when_the_mask_has_settled():
    calls = []

    def answer(params):
        # The first step makes the loss smaller, but leaves the mask full.
        calls.append(params)
        return 2 + 0.1 * params.view(1, 1, *SIZE), 0 * params.sum()

    minimise(Search(answer, MASKS, THRESHOLD), np.zeros(SIZE[0] * SIZE[1]))
    assert len(calls) == 2


def test_an_empty_mask_does_not_count_as_settled():
    calls = []

    def answer(params):
        calls.append(params)
        return -9 + 1e-3 * params.view(1, 1, *SIZE), 0 * params.sum()

    minimise(Search(answer, MASKS, THRESHOLD), np.zeros(SIZE[0] * SIZE[1]))
    assert len(calls) > 2


def test_work_is_bounded_and_the_best_answer_seen_is_the_one_given():
    losses = []

    def answer(params):
        # A rugged function, so that steps go up as well as down.
        logits = -1 + 4 * torch.sin(40 * params.view(1, 1, *SIZE)) + 0.01 * params.view(1, 1, *SIZE)
        penalty = 1e-3 * params.square().sum()
        losses.append(loss_of(logits.detach()) + float(penalty.detach()))
        return logits, penalty

    search = Search(answer, MASKS, threshold=0.01)
    minimise(search, np.full(SIZE[0] * SIZE[1], 0.01))
    assert 1 < len(losses) <= EVALUATIONS + 20  # a line search may end its round
    assert loss_of(search.best_logits_B1HW) <= min(losses) + 1e-6


def test_fewer_evaluations_end_the_search_earlier():
    def work(evaluations):
        calls = []

        def answer(params):
            calls.append(params)
            return -9 + params.view(1, 1, *SIZE), 1e-3 * params.square().sum()

        minimise(Search(answer, MASKS, threshold=0.01), np.full(SIZE[0] * SIZE[1], 0.01), evaluations)
        return len(calls)

    assert work(1) < work(EVALUATIONS)


def test_scipy_is_asked_for_by_name_when_it_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(BRSError, match=r"need SciPy; install it with: pip install \"ritm\[benchmarks\]\""):
        l_bfgs()
