"""Every input variant runs; what may be skipped changes nothing; weights start as described."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ritm_model.networks import InteractiveModel, build, initialise
from ritm_model.networks.fusion import Scale
from ritm_model.networks.segmentation.ocr import ObjectContext

Make = Callable[[str], InteractiveModel]
TINY: dict[str, dict[str, object]] = {
    "hrnet": {"width": 4, "ocr_width": 8, "small": True, "with_aux_output": True},
    "deeplab": {"backbone": "resnet34", "deeplab_ch": 16},
    "mobile": {"head_width": 8},
    "lite": {"head_width": 8},
}
CONV1S = {"use_rgb_conv": False, "norm_radius": 5, "use_disks": True}
POINTS = torch.tensor([[[10.0, 12.5, 0.0], [30.0, 5.0, 1.0]]])


def inputs(
    model: InteractiveModel, height: int = 67, width: int = 45, batch: int = 1
) -> tuple[Tensor, Tensor]:
    channels = 3 + model.with_prev_mask
    image = torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    return image, POINTS.expand(batch, -1, -1)


@pytest.fixture
def tiny(request: pytest.FixtureRequest) -> InteractiveModel:
    """Build a small model from (family, params), its weights from a seed."""
    family, params = request.param
    model = build(family, {**TINY[family], **params})
    initialise(model, torch.Generator().manual_seed(0))
    return model.eval().requires_grad_(False)


@pytest.mark.parametrize(
    "tiny",
    [
        pytest.param((family, {**fusion, **maps, **mask}), id=f"{family}-{'-'.join([*fusion, *maps, *mask])}")
        for family in TINY
        for fusion in (
            {"use_rgb_conv": True},
            {"use_rgb_conv": False},
            {"use_rgb_conv": False, "conv_extend": True},
        )
        for maps in ({"use_disks": True, "norm_radius": 5}, {"use_leaky_relu": True})
        for mask in ({}, {"with_prev_mask": True})
    ],
    indirect=True,
)
def test_every_input_variant_answers_at_the_size_of_the_image_and_heeds_its_inputs(
    tiny: InteractiveModel,
) -> None:
    image, points = inputs(tiny)
    outputs = tiny(image, points)
    assert set(outputs) == ({"instances", "instances_aux"} if tiny.family == "hrnet" else {"instances"})
    assert all(logits.shape == (1, 1, 67, 45) for logits in outputs.values())

    moved = tiny(image, points + 3)["instances"]
    assert not torch.equal(moved, outputs["instances"])
    if tiny.with_prev_mask:
        other_mask = image.clone()
        other_mask[:, 3] = 1 - other_mask[:, 3]
        assert not torch.equal(tiny(other_mask, points)["instances"], outputs["instances"])


@pytest.mark.parametrize(
    ("family", "params", "keys"),
    [
        (
            "hrnet",
            {"use_rgb_conv": True},
            {"rgb_conv.0.weight", "rgb_conv.1.running_mean", "rgb_conv.3.bias"},
        ),
        (
            "hrnet",
            {"use_rgb_conv": False, "conv_extend": True},
            {"maps_transform.weight", "maps_transform.bias"},
        ),
        (
            "hrnet",
            {"ocr_width": 0, "with_aux_output": False},
            {f"feature_extractor.cls_head.{i}.weight" for i in "013"},
        ),
        (
            "deeplab",
            {"backbone": "resnet50"},
            {f"feature_extractor.backbone.conv1.{i}.weight" for i in "01346"},
        ),
    ],
)
def test_keys_of_variants_that_no_release_uses(
    family: str, params: dict[str, object], keys: set[str]
) -> None:
    state = build(family, {**TINY[family], **params}).state_dict()
    assert keys <= state.keys()
    assert not {"mean", "std"} & state.keys()


@pytest.mark.parametrize(
    "tiny", [("hrnet", {**CONV1S, "ocr_width": 0, "with_aux_output": False})], indirect=True
)
def test_hrnet_without_ocr_has_one_output(tiny: InteractiveModel) -> None:
    assert {name: logits.shape for name, logits in tiny(*inputs(tiny)).items()} == {
        "instances": (1, 1, 67, 45)
    }


@pytest.mark.parametrize("tiny", [("deeplab", {**CONV1S, "backbone": "resnet50"})], indirect=True)
def test_clicks_reach_the_first_channels_of_a_deep_stem(tiny: InteractiveModel) -> None:
    image, points = inputs(tiny)
    assert tiny(image, points)["instances"].shape == (1, 1, 67, 45)
    assert not torch.equal(tiny(image, points)["instances"], tiny(image, points + 3)["instances"])


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 64), (33, 31)])
@pytest.mark.parametrize("tiny", [("hrnet", CONV1S), ("deeplab", CONV1S)], indirect=True)
def test_odd_and_tiny_sizes_are_legal(tiny: InteractiveModel, size: tuple[int, int]) -> None:
    logits = tiny(*inputs(tiny, *size))["instances"]
    assert logits.shape == (1, 1, *size)
    assert torch.isfinite(logits).all()


@pytest.mark.parametrize(
    "tiny", [("hrnet", {**CONV1S, "with_prev_mask": True, "binary_prev_mask": True})], indirect=True
)
def test_a_binary_previous_mask_is_cut_at_one_half(tiny: InteractiveModel) -> None:
    image, points = inputs(tiny)
    cut = torch.cat([image[:, :3], (image[:, 3:] > 0.5).float()], dim=1)
    assert torch.equal(tiny(image, points)["instances"], tiny(cut, points)["instances"])


def test_rounding_of_clicks_can_be_switched_on_a_loaded_model(seeded_model: Make) -> None:
    model = copy.deepcopy(seeded_model("h18s_itm"))
    image, points = inputs(model)
    off = model(image, points)["instances"]
    model.cpu_dist_maps = True
    assert not torch.equal(model(image, points)["instances"], off)
    assert torch.equal(model(image, points)["instances"], model(image, points.round())["instances"])


def test_a_wrong_number_of_channels_is_told(seeded_model: Make) -> None:
    image = torch.zeros(1, 4, 32, 32)
    with pytest.raises(ValueError, match="with a previous mask takes 4 channels, not 3"):
        seeded_model("h18s_itm")(image[:, :3], POINTS)
    with pytest.raises(ValueError, match="without previous mask takes 3 channels, not 4"):
        seeded_model("h18_base")(image, POINTS)


def test_skipped_attention_changes_no_context(seeded_model: Make) -> None:
    block = seeded_model("h18s_itm").get_submodule("feature_extractor.ocr_distri_head.object_context_block")
    assert isinstance(block, ObjectContext)
    random = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 96, 11, 7, generator=random)
    proxy = torch.randn(2, 96, 1, 1, generator=random)
    torch.testing.assert_close(block(pixels, proxy), block.attend(pixels, proxy), rtol=0, atol=1e-5)


def test_skipped_attention_is_not_run_in_eval_mode_and_moves_its_statistics_in_training(
    seeded_model: Make,
) -> None:
    model = copy.deepcopy(seeded_model("h18s_itm")).requires_grad_(True)
    statistics = {
        key: value
        for key, value in model.state_dict().items()
        if ".f_pixel." in key or ".f_object." in key
        if "running" in key
    }
    assert len(statistics) == 8
    before = {key: value.clone() for key, value in statistics.items()}
    image, points = inputs(model, batch=2)

    model(image, points)
    assert all(torch.equal(statistics[key], before[key]) for key in statistics)

    sum(logits.mean() for logits in model.train()(image, points).values()).backward()
    assert not any(torch.equal(statistics[key], before[key]) for key in statistics)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    assert all(gradient is not None for gradient in gradients.values())
    assert not any(torch.any(g) for name, g in gradients.items() if g is not None and ".f_pixel." in name)
    assert any(torch.any(g) for name, g in gradients.items() if g is not None and ".f_down." in name)


def test_channels_last_gives_the_same_logits(seeded_model: Make, model_name: str) -> None:
    model = seeded_model(model_name)
    image, points = inputs(model)
    twin = copy.deepcopy(model).to(memory_format=torch.channels_last)
    there = twin(image.contiguous(memory_format=torch.channels_last), points)["instances"]
    torch.testing.assert_close(there, model(image, points)["instances"], rtol=0, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["h18s_itm", "r34_base"])
def test_one_exported_program_serves_every_size_and_number_of_clicks(seeded_model: Make, name: str) -> None:
    model = seeded_model(name)
    image, points = inputs(model, 64, 96)
    auto = torch.export.Dim.AUTO
    # The exporter takes a size of 1 for a constant, hence the pair of clicks of each sign.
    program = torch.export.export(
        model, (image, clicks_of_each_sign(points, 2)), dynamic_shapes=({2: auto, 3: auto}, {1: auto})
    ).module()
    image, points = inputs(model, 67, 45)
    clicks = clicks_of_each_sign(points, 5)
    torch.testing.assert_close(program(image, clicks), model(image, clicks), rtol=0, atol=1e-5)


def clicks_of_each_sign(points_B23: Tensor, count: int) -> Tensor:
    return torch.cat([points_B23[:, [half]] + 7 * i for half in (0, 1) for i in range(count)], dim=1)


def test_multipliers_of_the_other_fusions() -> None:
    extended = build("hrnet", {**TINY["hrnet"], "use_rgb_conv": False, "conv_extend": True}).lr_multipliers()
    mixed = build("deeplab", {**TINY["deeplab"], "backbone_lr_mult": 0.5}).lr_multipliers()
    assert extended["maps_transform.weight"] == 0.1
    assert extended["feature_extractor.conv3x3_ocr.0.weight"] == 1
    assert mixed["rgb_conv.0.weight"] == 1
    assert mixed["feature_extractor.backbone.conv1.weight"] == 0.5


def test_initial_weights_follow_their_fans_and_depend_on_the_seed_alone() -> None:
    def drawn(seed: int) -> InteractiveModel:
        model = build("hrnet", {"width": 18, "ocr_width": 48, "small": True, "use_rgb_conv": False})
        nn.init.constant_(model.get_parameter("feature_extractor.bn1.weight"), 7)
        initialise(model, torch.Generator().manual_seed(seed))
        return model

    model = drawn(1)
    same, other = drawn(1).state_dict(), drawn(2).state_dict()
    assert all(torch.equal(value, same[key]) for key, value in model.state_dict().items())
    assert not torch.equal(other["feature_extractor.conv1.weight"], same["feature_extractor.conv1.weight"])

    weight = model.get_parameter("feature_extractor.conv3x3_ocr.0.weight")  # 96 x 270 x 3 x 3
    assert weight.std().item() == pytest.approx((2 / ((96 + 270) * 9 / 2)) ** 0.5, rel=0.01)
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            assert not torch.any(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            assert torch.all(module.weight == 1)
            assert not torch.any(module.bias)
        elif isinstance(module, Scale):
            assert module.scale.item() == pytest.approx(0.05)
