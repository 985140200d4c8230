"""The light family keeps within its budget."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from ritm_model.networks import build, initialise
from ritm_model.networks.fusion import Scale

MAX_PARAMETERS = 4_000_000
MAX_FLOP = 3e9  # multiplication and addition counted as two


def test_size_and_cost_keep_within_the_budget() -> None:
    model = build("mobile", {}).eval()
    assert sum(parameter.numel() for parameter in model.parameters()) < MAX_PARAMETERS
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 4, 400, 400), torch.full((1, 2, 3), 100.0))
    assert 1e9 < counter.get_total_flops() <= MAX_FLOP


def test_backbone_has_the_names_that_torchvision_gives_its_weights() -> None:
    from torchvision.models import mobilenet_v3_large

    theirs = mobilenet_v3_large(weights=None).features.state_dict()
    prefix = "feature_extractor.features."
    ours = {
        key.removeprefix(prefix): value.shape
        for key, value in build("mobile", {}).state_dict().items()
        if key.startswith(prefix)
    }
    assert ours
    assert ours == {key: value.shape for key, value in theirs.items() if key in ours}
    assert {key for key in theirs if not key.startswith("16.")} == ours.keys()


def test_click_scale_is_chosen_at_the_start() -> None:
    model = build("mobile", {"head_width": 8})
    for wanted, expected in ((None, 0.05), (1.0, 1.0)):
        initialise(model, torch.Generator().manual_seed(0), click_scale=wanted)
        (scale,) = (module.scale for module in model.modules() if isinstance(module, Scale))
        torch.testing.assert_close(scale.detach(), torch.tensor([expected]))
