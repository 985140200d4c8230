"""The copy that serves says what the network says."""

from __future__ import annotations

import logging
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ritm_model.networks import InteractiveModel, build, prepared
from ritm_model.networks.config import InputConfig
from ritm_model.networks.prepared import FusedConv

DEEP_STEM = ("deeplab", {"backbone": "resnet50", "deeplab_ch": 8})
PLAIN_HEAD = ("hrnet", {"width": 4, "ocr_width": 0, "small": True})
RGB_CONV = ("deeplab", {"backbone": "resnet34", "deeplab_ch": 8, "use_rgb_conv": True})
MOBILE = ("mobile", {})
LITE = ("lite", {})
FINE_LITE = ("lite", {"fine_width": 16})


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
        (FINE_LITE, torch.float32),
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


class Own(InteractiveModel):
    """A network of somebody else: convolutions in a module of their own."""

    family = "own"
    click_channels = 8

    def __init__(self, body: nn.Module) -> None:
        super().__init__(InputConfig(use_rgb_conv=False, use_disks=True, norm_radius=5))
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.body = body
        self.head = nn.Conv2d(8, 1, 1)

    def logits(self, image_B3HW, clicks_BCHW):
        return [self.head(self.body(self.stem(image_B3HW) + clicks_BCHW))]


class PreActivation(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)
        self.bn2, self.conv2 = nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x_BCHW):
        y = self.conv1(self.bn1(x_BCHW).relu())
        return x_BCHW + self.conv2(self.bn2(y).relu())


class Backwards(nn.Sequential):
    """A sequence in name only."""

    def forward(self, x_BCHW):
        for step in reversed(self):
            x_BCHW = step(x_BCHW)
        return x_BCHW


class LooksAtItsParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)

    def forward(self, x_BCHW):
        return self.bn1(self.conv1(x_BCHW)) * self.conv1.weight.mean()


class Random(nn.Module):
    def forward(self, x_BCHW):
        return x_BCHW + torch.rand_like(x_BCHW)


class SixtyFour(nn.Module):
    def forward(self, x_BCHW):
        return x_BCHW.unflatten(3, (-1, 64)).flatten(3)


def sequence(**conv: object) -> nn.Module:
    return nn.Sequential(nn.Conv2d(8, 8, 3, **conv), nn.BatchNorm2d(8), nn.ReLU())


BODIES = {
    "pre-activation": PreActivation,
    "reflect": lambda: sequence(padding=1, padding_mode="reflect"),
    "circular": lambda: sequence(padding=1, padding_mode="circular"),
    "same": lambda: sequence(padding="same"),
    "grouped and dilated": lambda: sequence(padding=2, dilation=2, groups=4),
    "clipped": lambda: nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.ReLU6()),
    "leaky": lambda: nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.LeakyReLU(0.3)),
    "backwards": lambda: Backwards(nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)),
}


def own(body: nn.Module) -> Own:
    torch.manual_seed(2)
    return _with_statistics(Own(body))


def assert_answers_alike(found: nn.Module, model: nn.Module) -> None:
    given = inputs(model)
    expected = logits(model, *given)["instances"]
    allowed = 1e-3 * max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(logits(found, *given)["instances"], expected, atol=allowed, rtol=0)


@pytest.mark.parametrize("body", BODIES)
def test_networks_of_others_answer_as_they_are(body, caplog) -> None:
    model = own(BODIES[body]())
    assert_answers_alike(prepared(model), model)
    assert not caplog.records  # a faster copy was found for all of them


def test_only_what_is_wrong_is_left_out() -> None:
    copy = prepared(own(nn.Sequential(PreActivation(), sequence(padding=1))))
    normalisations = [name for name, part in copy.named_modules() if isinstance(part, nn.BatchNorm2d)]
    assert normalisations == ["body.0.bn1", "body.0.bn2"]


@pytest.mark.parametrize(
    ("body", "words"),
    [(LooksAtItsParts, "no faster copy"), (Random, "no faster copy"), (SixtyFour, "cannot be probed")],
)
def test_what_cannot_be_compared_runs_as_it_is_with_a_note(body, words, caplog) -> None:
    model = own(nn.Sequential(sequence(padding=1), body()))
    copy = prepared(model)
    assert any(isinstance(part, nn.BatchNorm2d) for part in copy.modules())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert words in caplog.text


def test_without_the_private_routines_of_pytorch_the_answers_are_the_same(monkeypatch) -> None:
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    model = own(sequence(padding=1))
    copy = prepared(model)
    assert_answers_alike(copy, model)
    assert any(isinstance(part, FusedConv) for part in copy.modules())


def test_a_network_in_training_is_copied_as_if_it_were_not() -> None:
    model = own(sequence(padding=1)).train()
    copy = prepared(model)
    assert model.training
    assert_answers_alike(copy, model.eval())
