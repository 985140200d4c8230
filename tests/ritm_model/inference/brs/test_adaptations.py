"""What may be changed in each family of networks, and by how much it changes the answer."""

from copy import deepcopy

import pytest
import torch

from ritm_model.inference.brs import BRS_MODES, BRSError
from ritm_model.inference.brs.adaptations import BIAS_PENALTY, PENALTY
from ritm_model.networks import build

SIZE = (48, 64)
FAMILIES = {
    "hrnet": {"width": 18, "ocr_width": 48, "small": True, "with_prev_mask": True, "with_aux_output": True},
    "hrnet without OCR": {"width": 18, "ocr_width": 0, "small": True, "use_rgb_conv": False},
    "deeplab": {"backbone": "resnet34", "deeplab_ch": 32},
    "mobile": {"with_prev_mask": True},
    "lite": {"with_prev_mask": True},
}
IMPOSSIBLE = [
    ("hrnet without OCR", "f-BRS-C"),
    *((family, f"f-BRS-{name}") for family in ("mobile", "lite") for name in "ABC"),
]
POSSIBLE = [(family, mode) for family in FAMILIES for mode in BRS_MODES if (family, mode) not in IMPOSSIBLE]


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    made = {}
    for family, params in FAMILIES.items():
        common = {"use_disks": True, "norm_radius": 5, "use_leaky_relu": True}
        made[family] = build(family.split()[0], {**common, **params}).eval().requires_grad_(False)
    return made


@pytest.fixture
def scene():
    """Image with mirror image and a click of each sign, for networks of 3 or 4 channels."""
    generator = torch.Generator().manual_seed(1)

    def make(model):
        image = torch.rand((1, 3 + model.with_prev_mask, *SIZE), generator=generator)
        points = torch.tensor([[[20.0, 30.0, 0.0], [8.0, 50.0, 1.0]]])
        mirrored = points * torch.tensor([1, -1, 1]) + torch.tensor([0, SIZE[1] - 1, 0])
        return torch.cat([image, image.flip(3)]), torch.cat([points, mirrored])

    return make


@pytest.mark.parametrize(("family", "mode"), POSSIBLE)
def test_params_of_zero_change_nothing(networks, scene, family, mode):
    model = networks[family]
    image, points = scene(model)
    adaptation = BRS_MODES[mode].adaptation(model)
    prepared = adaptation.prepare(image, points)
    logits, penalty = adaptation.answer(prepared, torch.zeros(adaptation.count(prepared)), SIZE)
    torch.testing.assert_close(logits, model(image, points)["instances"], atol=1e-5, rtol=1e-5)
    assert penalty == 0


@pytest.mark.parametrize(("family", "mode"), POSSIBLE)
def test_the_gradient_says_what_a_small_step_does(networks, scene, family, mode):
    model = deepcopy(networks[family]).double()
    image, points = scene(model)
    image = image.double()
    adaptation = BRS_MODES[mode].adaptation(model)
    prepared = adaptation.prepare(image, points)
    count = adaptation.count(prepared)
    generator = torch.Generator().manual_seed(2)
    at, direction = torch.randn((2, count), generator=generator, dtype=torch.float64)
    at, direction = 1e-3 * at, direction / direction.norm()

    def total(params):
        logits, penalty = adaptation.answer(prepared, params, SIZE)
        return logits.sigmoid().square().sum() + penalty

    (gradient,) = torch.autograd.grad(total(at.requires_grad_()), at)
    step = 1e-6 * direction
    with torch.no_grad():
        slope = (total(at + step) - total(at - step)) / 2e-6
    # Not closer: networks have kinks.
    assert float(gradient @ direction) == pytest.approx(float(slope), rel=1e-2, abs=3e-7)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("mode", ["RGB-BRS", "DistMap-BRS"])
def test_the_mirror_image_gets_its_params_mirrored(networks, scene, mode):
    model = networks["hrnet"]
    image, points = scene(model)
    adaptation = BRS_MODES[mode].adaptation(model)
    prepared = adaptation.prepare(image, points)
    params = torch.randn(adaptation.count(prepared), generator=torch.Generator().manual_seed(3))
    both, penalty = adaptation.answer(prepared, params, SIZE)
    mirrored = params.view(-1, *SIZE).flip(2).flatten()
    for i, own in enumerate((params, mirrored)):
        alone, _ = adaptation.answer(tuple(part[i : i + 1] for part in prepared), own, SIZE)
        torch.testing.assert_close(both[i : i + 1], alone, atol=1e-4, rtol=1e-4)
    assert float(penalty) == pytest.approx(2 * PENALTY * float(params.square().sum()), rel=1e-5)


def test_previous_mask_and_image_are_not_touched_by_changes_to_the_click_maps(networks, scene):
    model = networks["hrnet"]
    image, points = scene(model)
    adaptation = BRS_MODES["DistMap-BRS"].adaptation(model)
    colours, maps = adaptation.prepare(image, points)
    params = torch.full((2, *SIZE), 0.5)
    logits, _ = adaptation.answer((colours, maps), params.flatten(), SIZE)
    maps = torch.cat([maps[:, :1], maps[:, 1:] + 0.5], dim=1)
    torch.testing.assert_close(logits, model.segment(colours, maps)["instances"])


def test_scales_come_before_biases_and_the_latter_cost_more(networks, scene):
    model = networks["hrnet"]
    image, points = scene(model)
    adaptation = BRS_MODES["f-BRS-C"].adaptation(model)
    (features,) = adaptation.prepare(image, points)
    channels = features.shape[1]
    assert channels == 2 * 48
    assert adaptation.count((features,)) == 2 * channels
    scale, bias = torch.randn((2, channels), generator=torch.Generator().manual_seed(4))
    logits, penalty = adaptation.answer((features,), torch.cat([scale, bias]), SIZE)
    changed = features * (1 + scale.view(-1, 1, 1)) + bias.view(-1, 1, 1)
    expected, _ = adaptation.answer((changed,), torch.zeros(2 * channels), SIZE)
    torch.testing.assert_close(logits, expected)
    cost = PENALTY * float(scale.square().sum()) + BIAS_PENALTY * float(bias.square().sum())
    assert float(penalty) == pytest.approx(cost, rel=1e-5)


@pytest.mark.parametrize(
    ("family", "mode", "channels"),
    [
        ("hrnet", "f-BRS-A", 270),
        ("hrnet", "f-BRS-B", 270),
        ("deeplab", "f-BRS-A", 512),
        ("deeplab", "f-BRS-B", 64),
        ("deeplab", "f-BRS-C", 32),
    ],
)
def test_features_are_cut_where_the_paper_cuts_them(networks, scene, family, mode, channels):
    adaptation = BRS_MODES[mode].adaptation(networks[family])
    assert adaptation.prepare(*scene(networks[family]))[0].shape[1] == channels


@pytest.mark.parametrize(("family", "mode"), IMPOSSIBLE)
def test_a_network_without_such_features_is_refused_in_one_sentence(networks, family, mode):
    with pytest.raises(BRSError, match=mode):
        BRS_MODES[mode].adaptation(networks[family])
