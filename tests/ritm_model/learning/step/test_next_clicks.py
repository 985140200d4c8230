"""The simulated user of training clicks where the paper's does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ritm_model.learning.step.next_clicks import candidates, next_points


class LegacyChooser:
    """Draws as the paper's code does, from numpy's legacy generator."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed)

    def integers(self, high: int, /) -> int:
        return int(self._random.randint(0, high))


def test_two_rounds_equal_the_golden_ones(golden: Path) -> None:
    with np.load(golden / "unit_next_points.npz") as arrays:
        recorded = {name: torch.from_numpy(arrays[name]) for name in arrays}
    chooser = LegacyChooser(321)
    points = recorded["points0"]
    for order in (1, 2):
        points = next_points(recorded["pred"], recorded["gt"], points, order, [chooser] * len(points))
        assert torch.equal(points, recorded[f"points{order}"]), order


def test_own_generator_stays_in_the_candidate_set_and_in_the_slot(golden: Path) -> None:
    with np.load(golden / "unit_next_points.npz") as arrays:
        truth, probability, points = (arrays[name] for name in ("gt", "pred", "points0"))
    randoms = [np.random.default_rng(0)] * len(points)
    added = next_points(*map(torch.from_numpy, (probability, truth, points)), 1, randoms)
    for sample in range(len(points)):
        is_positive, allowed = candidates(probability[sample, 0], truth[sample, 0] > 0.5)
        changed = np.flatnonzero((added.numpy()[sample] != points[sample]).any(1))
        if not len(allowed):
            assert not len(changed)
            continue
        assert changed.tolist() == [23 if is_positive else 47]
        assert added[sample, changed[0], :2].tolist() in allowed.tolist()


def test_a_perfect_mask_gets_no_click_and_the_input_is_left_alone() -> None:
    truth = torch.zeros(2, 1, 20, 20)
    truth[:, :, 5:15, 5:15] = 1
    probability = truth.clone()
    probability[1] = 0
    points = torch.full((2, 8, 3), -1.0)
    added = next_points(probability, truth, points, 1, [np.random.default_rng(0)] * 2)
    assert points.eq(-1).all()
    assert added[0].eq(-1).all()
    row, column, order = added[1, 3].tolist()
    assert 5 <= row < 15
    assert 5 <= column < 15
    assert order == 1
