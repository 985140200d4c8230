"""The adaptive IoU follows the paper's, update by update."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ritm_model.learning.step.metrics import AdaptiveIoU


def test_thirty_updates_equal_the_golden_ones(golden: Path) -> None:
    expected = json.loads((golden / "unit.json").read_text())["adaptive_iou"]
    assert len(expected) == 30
    metric = AdaptiveIoU()
    for t, state in enumerate(expected):
        random = np.random.RandomState(4000 + t)
        truth = (random.random_sample((3, 1, 20, 20)) > 0.5).astype(np.float32)
        truth[0, 0, :3] = -1
        if t == 4:
            truth[:] = 0
        logits = (2 * (truth > 0.5) - 1 + 1.5 * random.standard_normal(truth.shape)).astype(np.float32)
        metric = metric.updated(torch.from_numpy(logits), torch.from_numpy(truth))
        assert [metric.threshold, metric.running, metric.mean] == pytest.approx(state, rel=1e-5), t


def test_a_new_epoch_begins_a_new_mean_only() -> None:
    logits, truth = torch.full((1, 1, 4, 4), 5.0), torch.ones(1, 1, 4, 4)
    seen = AdaptiveIoU().updated(logits, truth)
    fresh = seen.new_epoch()
    assert (fresh.mean, fresh.batches) == (0.0, 0)
    assert (fresh.threshold, fresh.running) == (seen.threshold, seen.running)


def test_samples_with_neither_object_nor_mask_are_left_out() -> None:
    truth = torch.zeros(2, 1, 2, 2)
    truth[0, 0, 0] = 1
    logits = torch.full((2, 1, 2, 2), -9.0)
    logits[0, 0, 0, 0] = 9
    assert AdaptiveIoU().updated(logits, truth).mean == 0.5
