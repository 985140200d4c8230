"""Three learning steps of the paper's HRNet18s, number by number."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ritm_model.learning.step.optimiser import make_optimiser
from ritm_model.learning.step.step import Batch, Interaction, Objective, interact, learn, predict
from ritm_model.networks import InteractiveModel

GRAD_TOLERANCE, CLICKS_GRAD_TOLERANCE = 1e-4, 5e-4
"""For the norms of gradients in the first step. Those of the layers that read the clicks are what is left of
large sums that cancel. Later on, normalisation over four samples amplifies rounding: among the kernels and
threads, with oneDNN, single norms differed by up to 20 %, sums of weights by 1.2e-4, losses by 2.1e-3."""
SUM_TOLERANCE = (1e-5, 2e-4, 2e-4)


class LegacyChooser:
    def __init__(self, seed: int) -> None:
        self._random = np.random.RandomState(seed)

    def integers(self, high: int, /) -> int:
        return int(self._random.randint(0, high))


@pytest.mark.slow
def test_three_steps_equal_the_golden_ones(
    golden: Path, seeded_model: Callable[[str], InteractiveModel]
) -> None:
    with np.load(golden / "train_step_h18s.npz") as arrays:
        recorded = {name: torch.from_numpy(arrays[name]) for name in arrays}
    expected = json.loads((golden / "train_step_h18s.json").read_text())
    model = copy.deepcopy(seeded_model("h18s_itm")).requires_grad_(True).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout2d):
            module.p = 0.0
    optimiser = make_optimiser(model, "adam", lr=5e-4)
    batch = Batch(recorded["image"], recorded["gt"], recorded["points"])
    chooser = LegacyChooser(5)

    for clicks, facts in enumerate(expected):
        close = {"rel": (1e-4, 1e-3, 5e-3)[clicks]}
        interaction = interact(model, batch, clicks, [chooser] * len(batch.image_B3HW))
        assert model.training
        assert torch.equal(interaction.points_BP3, recorded[f"points_{clicks}"]), clicks

        outcome = learn(model, batch, interaction, Objective())
        assert outcome.parts["instance_loss"].item() == pytest.approx(facts["instance_loss"], **close)
        assert outcome.parts["aux_loss"].item() == pytest.approx(facts["aux_loss"], **close)
        assert outcome.total.item() == pytest.approx(facts["total"], **close)

        optimiser.zero_grad()
        outcome.total.backward()
        parameters = dict(model.named_parameters())
        for name, norm in facts["grad_norms"].items() if clicks == 0 else ():
            grad = parameters[name].grad
            assert grad is not None
            tolerance = CLICKS_GRAD_TOLERANCE if name.startswith("maps_transform.") else GRAD_TOLERANCE
            assert float(grad.norm()) == pytest.approx(norm, rel=tolerance), name
        optimiser.step()
        for name, total in facts["param_abs_sums"].items():
            ours = parameters[name].detach().double().abs().sum()
            assert float(ours) == pytest.approx(total, rel=SUM_TOLERANCE[clicks]), (clicks, name)
        state = model.state_dict()
        for name, total in facts["bn_running"].items():
            assert float(state[name].double().sum()) == pytest.approx(total, **close), (clicks, name)

    model.eval()
    with torch.no_grad():
        start = Interaction(batch.points_BP3, torch.zeros_like(batch.truth_B1HW))
        logits = predict(model, batch.image_B3HW, start)["instances"]
    torch.testing.assert_close(logits, recorded["final_eval_instances"], rtol=1e-2, atol=1e-2)
