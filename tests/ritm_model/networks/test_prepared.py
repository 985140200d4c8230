"""The copy that serves says what the network says."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from ritm_model.networks import build, prepared
from ritm_model.networks.prepared import FusedConv

DEEP_STEM = ("deeplab", {"backbone": "resnet50", "deeplab_ch": 8})
PLAIN_HEAD = ("hrnet", {"width": 4, "ocr_width": 0, "small": True})
RGB_CONV = ("deeplab", {"backbone": "resnet34", "deeplab_ch": 8, "use_rgb_conv": True})
MOBILE = ("mobile", {})
LITE = ("lite", {})


def inputs(model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    image_BCHW = torch.rand(2, 3 + model.with_prev_mask, 61, 83, generator=random)
    points_BP3 = torch.full((2, 4, 3), -1.0)
    points_BP3[:, 0] = torch.tensor([30.0, 41.5, 0])
    points_BP3[:, 2] = torch.tensor([5.5, 70.0, 1])
    return image_BCHW, points_BP3


def logits(model: nn.Module, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> dict[str, torch.Tensor]:
    with torch.inference_mode():
        return model(image_BCHW, points_BP3)


def test_logits_of_the_published_architectures_stay(seeded_model, model_name) -> None:
    model = seeded_model(model_name)
    given = inputs(model)
    expected, found = logits(model, *given), logits(prepared(model), *given)
    assert list(found) == list(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("architecture", "dtype"),
    [
        (DEEP_STEM, torch.float32),
        (RGB_CONV, torch.float32),
        (PLAIN_HEAD, torch.float32),
        (PLAIN_HEAD, torch.float64),
        (MOBILE, torch.float32),
        (MOBILE, torch.float64),
        (LITE, torch.float32),
        (LITE, torch.float64),
    ],
)
def test_logits_of_the_others_stay(architecture, dtype) -> None:
    """In float64, and on a GPU, the routines of oneDNN are not used."""
    model = _with_statistics(build(*architecture)).to(dtype)
    image, points = inputs(model)
    expected = logits(model, image.to(dtype), points)["instances"]
    found = logits(prepared(model), image.to(dtype), points)["instances"]
    tolerance = 1e-4 if dtype is torch.float32 else 1e-9
    torch.testing.assert_close(found, expected, atol=tolerance * float(expected.abs().max()), rtol=0)


def _with_statistics(model: nn.Module) -> nn.Module:
    """Normalisations that would be missed."""
    torch.manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(0.5, 1.5)
            module.weight.data.uniform_(0.5, 1.0)
            module.bias.data.normal_(std=0.1)
    return model.eval()


@pytest.mark.parametrize("name", ["h18s_itm", "r34_base"])
def test_no_normalisation_is_left_and_every_convolution_is_fused(name, seeded_model) -> None:
    copy = prepared(seeded_model(name))
    kinds = [type(module) for module in copy.modules()]
    assert nn.BatchNorm2d not in kinds
    assert kinds.count(FusedConv) == kinds.count(nn.Conv2d)


def test_the_network_itself_is_not_touched(seeded_model) -> None:
    model = deepcopy(seeded_model("h18s_itm")).requires_grad_(True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy = prepared(model)
    logits(copy, *inputs(copy))
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in copy.parameters())
