"""Losses equal the paper's, with their gradients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ritm_model.learning.step.losses import (
    BinaryCrossEntropy,
    FocalLoss,
    FocalMonitor,
    Loss,
    NormalizedFocalLoss,
    SoftIoU,
)

LOSSES: dict[str, Loss] = {
    "nfl_a05_g2": NormalizedFocalLoss(alpha=0.5, gamma=2),
    "nfl_default_max_mult3": NormalizedFocalLoss(alpha=0.25, gamma=2, max_mult=3),
    "nfl_nodetach": NormalizedFocalLoss(alpha=0.5, gamma=2, detach=False),
    "focal_a05_g2": FocalLoss(alpha=0.5, gamma=2),
    "softiou": SoftIoU(),
    "bce": BinaryCrossEntropy(),
}


@pytest.fixture(scope="module")
def recorded(golden: Path) -> dict[str, torch.Tensor]:
    with np.load(golden / "unit_losses.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.mark.parametrize("name", LOSSES)
def test_loss_and_gradient_equal_the_golden_ones(recorded: dict[str, torch.Tensor], name: str) -> None:
    logits = recorded["pred"].clone().requires_grad_()
    loss = LOSSES[name](logits, recorded["label"])
    loss.mean().backward()
    torch.testing.assert_close(loss, recorded[name], rtol=1e-5, atol=1e-7)
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, recorded[f"{name}_grad"], rtol=1e-4, atol=1e-9)


def test_ignored_pixels_give_no_gradient(recorded: dict[str, torch.Tensor]) -> None:
    ignored = recorded["label"] == -1
    assert ignored.any()
    for name, loss in LOSSES.items():
        logits = recorded["pred"].clone().requires_grad_()
        loss(logits, recorded["label"]).sum().backward()
        assert logits.grad is not None
        assert logits.grad[ignored].eq(0).all(), name
        assert not logits.grad[~ignored].eq(0).all(), name


def test_monitor_has_the_golden_states(golden: Path, recorded: dict[str, torch.Tensor]) -> None:
    monitor = FocalMonitor()
    for _ in range(3):
        monitor = monitor.updated(NormalizedFocalLoss().scales(recorded["pred"], recorded["label"]))
    expected = json.loads((golden / "unit.json").read_text())["nfl_states_after_3"]
    assert [monitor.k, monitor.m] == pytest.approx(expected, rel=1e-5)
