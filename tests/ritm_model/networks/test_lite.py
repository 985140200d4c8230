"""The lite family: sizes of the published backbones, cost within the budget."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ritm_model.networks import build

MAX_PARAMETERS = 4_000_000  # 8 MB in half precision
MAX_FLOP = 3.5e9  # multiplication and addition counted as two


def test_size_and_cost_of_the_smallest_keep_within_the_budget() -> None:
    model = build("lite", {}).eval()
    assert sum(parameter.numel() for parameter in model.parameters()) < MAX_PARAMETERS
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(1, 4, 400, 400), torch.full((1, 2, 3), 100.0))
    assert 1e9 < counter.get_total_flops() <= MAX_FLOP


@pytest.mark.parametrize(
    ("variant", "blocks", "levels"),
    [
        ("lite0", 16, {3: 24, 5: 40, 11: 112, 16: 320}),
        ("lite1", 21, {4: 24, 7: 40, 15: 112, 21: 320}),
        ("lite2", 21, {4: 24, 7: 48, 15: 120, 21: 352}),
    ],
)
def test_every_variant_halves_the_image_at_its_levels(
    variant: str, blocks: int, levels: dict[int, int]
) -> None:
    backbone = build("lite", {"variant": variant, "head_width": 8}).feature_extractor.features
    assert len(backbone) == 1 + blocks
    x = torch.rand(1, 3, 64, 96)
    shapes = {}
    for place, block in enumerate(backbone.eval()):
        x = block(x)
        shapes[place] = tuple(x.shape[1:])
    strides = dict(zip(levels, (4, 8, 16, 32), strict=True))
    for place, channels in levels.items():
        assert shapes[place] == (channels, 64 // strides[place], 96 // strides[place])


def test_blocks_of_one_shape_add_their_input() -> None:
    block = build("lite", {"head_width": 8}).feature_extractor.features[3].eval()
    nn.init.zeros_(block.project[1].weight)
    x = torch.rand(1, 24, 8, 8)
    assert torch.equal(block(x), x)
