"""Constructor parameters: frozen names, defaults, and refusals that say what is wrong."""

from __future__ import annotations

import dataclasses
import json

import pytest

from ritm_model.networks import (
    DeeplabConfig,
    Family,
    HRNetConfig,
    LiteConfig,
    MobileConfig,
    build,
    families,
    register_family,
)
from ritm_model.networks.families import FAMILIES

SHARED = {
    "use_rgb_conv": True,
    "conv_extend": False,
    "use_leaky_relu": False,
    "use_disks": False,
    "norm_radius": 260.0,
    "cpu_dist_maps": False,
    "with_prev_mask": False,
    "binary_prev_mask": False,
    "with_aux_output": False,
    "norm_mean_std": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "backbone_lr_mult": 0.1,
}
TINY = {"width": 2, "ocr_width": 4, "small": True}


def test_names_and_defaults_are_those_of_released_checkpoints() -> None:
    hrnet = {**SHARED, "width": 48, "ocr_width": 256, "small": False}
    deeplab = {**SHARED, "backbone": "resnet50", "deeplab_ch": 256, "aspp_dropout": 0.5}
    assert dataclasses.asdict(HRNetConfig()) == hrnet
    assert dataclasses.asdict(DeeplabConfig()) == deeplab
    light = {
        **SHARED,
        "use_rgb_conv": False,
        "use_leaky_relu": True,
        "use_disks": True,
        "norm_radius": 5.0,
        "with_prev_mask": True,
        "head_width": 96,
    }
    assert dataclasses.asdict(MobileConfig()) == {**light, "backbone_lr_mult": 1.0}
    lite = {
        "variant": "lite0",
        "fine_width": 0,
        "backbone_lr_mult": 0.2,
        "norm_mean_std": ((127 / 255,) * 3, (128 / 255,) * 3),
    }
    assert dataclasses.asdict(LiteConfig()) == {**light, **lite}


def test_params_survive_json_and_rebuild_the_same_model() -> None:
    model = build("hrnet", {**TINY, "norm_radius": 5, "norm_mean_std": [[0.5, 0.5, 0.5], [1, 1, 0.25]]})
    params = json.loads(json.dumps(model.params))
    assert params == model.params
    assert set(params) == {field.name for field in dataclasses.fields(HRNetConfig)}
    twin = build(model.family, params)
    assert twin.params == params
    assert twin.state_dict().keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ("family", "params", "sentence"),
    [
        ("unet", {}, "Unknown model family unet; the known ones are hrnet, deeplab, mobile, lite."),
        ("hrnet", {"deeplab_ch": 8}, "Unknown model parameter deeplab_ch; the known ones are"),
        ("hrnet", {"width": "18"}, "Model parameter width must be int, not str."),
        ("hrnet", {"width": True}, "Model parameter width must be int, not bool."),
        ("hrnet", {"small": 1}, "Model parameter small must be bool, not int."),
        ("hrnet", {"width": 10**9}, "Model parameter width must be 1 to 128."),
        ("hrnet", {"ocr_width": -1}, "Model parameter ocr_width must be 0 to 512."),
        ("hrnet", {"norm_radius": 0}, "Model parameter norm_radius must be above 0 and at most 1000."),
        (
            "hrnet",
            {"norm_radius": float("nan")},
            "Model parameter norm_radius must be a number below a million.",
        ),
        ("hrnet", {"norm_mean_std": [[0, 0, 0]]}, "norm_mean_std must be two lists of three numbers."),
        ("hrnet", {"norm_radius": 10**400}, "Model parameter norm_radius must be a number below a million."),
        ("hrnet", {"norm_radius": "5"}, "Model parameter norm_radius must be a number below a million."),
        ("hrnet", {"norm_mean_std": 0.5}, "norm_mean_std must be two lists of three numbers."),
        (
            "hrnet",
            {"norm_mean_std": [[0, 0, 0], [1, 1, "1"]]},
            "norm_mean_std must be a number below a million.",
        ),
        ("hrnet", {"norm_mean_std": [[0, 0, 0], [1, 1, 0]]}, "must have standard deviations above 0."),
        ("hrnet", {"ocr_width": 0, "with_aux_output": True}, "with_aux_output must be false."),
        ("deeplab", {"with_aux_output": True}, "with_aux_output must be false."),
        ("mobile", {"with_aux_output": True}, "with_aux_output must be false."),
        ("lite", {"with_aux_output": True}, "with_aux_output must be false."),
        ("lite", {"fine_width": 1000}, "Model parameter fine_width must be 0 to 128."),
        ("lite", {"variant": "lite9"}, "Model parameter variant must be one of lite0, lite1, lite2."),
        ("mobile", {"head_width": 1000}, "Model parameter head_width must be 4 to 256."),
        ("deeplab", {"backbone": "vgg"}, "Model parameter backbone must be one of resnet34, resnet50"),
        ("deeplab", {"deeplab_ch": 7}, "Model parameter deeplab_ch must be even, 2 to 1024."),
        ("deeplab", {"aspp_dropout": 1.0}, "Model parameter aspp_dropout must be 0 or more and below 1."),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(
    family: str, params: dict[str, object], sentence: str
) -> None:
    with pytest.raises(ValueError) as refusal:  # noqa: PT011 (the whole sentence is compared below)
        build(family, params)
    assert sentence in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_family_can_be_registered_once(monkeypatch) -> None:
    monkeypatch.setattr(families, "FAMILIES", dict(FAMILIES))
    small = Family(MobileConfig, lambda config: build("mobile", {"head_width": 4}))
    register_family("small", small)
    assert build("small", {}).params["head_width"] == 4
    register_family("small", small)  # a module may be imported again
    with pytest.raises(ValueError, match="There is a model family small already"):
        register_family("small", FAMILIES["lite"])


def test_an_installed_package_can_offer_a_family(tmp_path, monkeypatch) -> None:
    (tmp_path / "others.py").write_text(
        "from ritm_model.networks import Family, MobileConfig, build\n"
        "ROUND = Family(MobileConfig, lambda config: build('mobile', {'head_width': 8}))\n"
    )
    about = tmp_path / "others-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[ritm.families]\nround = others:ROUND\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(families, "FAMILIES", dict(FAMILIES))
    assert build("round", {}).params["head_width"] == 8
