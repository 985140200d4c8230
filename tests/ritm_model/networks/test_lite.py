"""The lite family: sizes of the published backbones, cost within the budget."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ritm_model.networks import build, initialise
from ritm_model.networks.blocks import resize

MAX_PARAMETERS = 4_000_000  # 8 MB in half precision
MAX_FLOP = 3.6e9  # multiplication and addition counted as two; the fine head has 0.1e9 of them


@pytest.mark.parametrize("fine_width", [0, 32])
def test_size_and_cost_of_the_smallest_keep_within_the_budget(fine_width: int) -> None:
    model = build("lite", {"fine_width": fine_width}).eval()
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


def test_a_fine_head_adds_nothing_at_first_and_then_details_at_half_the_size() -> None:
    pyramid = build("lite", {"head_width": 8, "fine_width": 4}).feature_extractor.eval()
    image_B3HW, clicks_BCHW = torch.rand(1, 3, 67, 45), torch.rand(1, 32, 34, 23)
    with torch.no_grad():
        at_first = pyramid(image_B3HW, clicks_BCHW)
        nn.init.ones_(pyramid.fine.details.weight)
        later = pyramid(image_B3HW, clicks_BCHW)
        pyramid.fine = None
        coarse = pyramid(image_B3HW, clicks_BCHW)
    assert coarse.shape == (1, 1, 17, 12)
    assert torch.equal(at_first, resize(coarse, (34, 23)))
    details = later - at_first
    # Neighbours differ by more than what is between two pixels of the pyramid could.
    assert details.diff(dim=2).diff(dim=2).abs().mean() > at_first.diff(dim=2).diff(dim=2).abs().mean()


def test_random_weights_leave_the_details_at_zero() -> None:
    model = build("lite", {"head_width": 8, "fine_width": 4})
    initialise(model, torch.Generator().manual_seed(0))
    assert not model.feature_extractor.fine.details.weight.any()
    assert model.feature_extractor.fine.stem[0].weight.any()
