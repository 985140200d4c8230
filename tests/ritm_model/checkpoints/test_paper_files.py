"""The paper's `.pth` layout and plain state dicts, read as they should be."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ritm_model.checkpoints import Architecture, CheckpointError, load_model, model_version, read_card
from ritm_model.networks import InteractiveModel

Official = Callable[[str], dict[str, Any]]
Save = Callable[..., Path]


def assert_same_weights(model: InteractiveModel, state: dict[str, torch.Tensor]) -> None:
    loaded = model.state_dict()
    assert list(loaded) == list(state)
    assert all(torch.equal(loaded[key], state[key]) for key in state)


def test_every_architecture_is_read_with_all_its_weights(
    official: Official, save: Save, model_name: str
) -> None:
    content = official(model_name)
    model = load_model(save(content))
    assert_same_weights(model, content["state_dict"])
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    specified = {name: p["value"] for name, p in content["config"]["params"].items() if p["specified"]}
    assert specified.items() <= model.params.items()


def test_files_older_than_pytorch_1_6_are_read(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    path = save(content, _use_new_zipfile_serialization=False)
    assert_same_weights(load_model(path), content["state_dict"])


def test_the_class_and_parameters_come_from_the_file(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["norm_radius"]["value"] = 7
    model = load_model(save(content))
    assert model.family == "hrnet"
    assert model.params["norm_radius"] == 7


def test_values_that_were_defaults_in_the_day_of_the_file_still_count(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["cpu_dist_maps"] = {"type": "builtin", "value": True, "specified": False}
    assert load_model(save(content)).cpu_dist_maps


def test_tuples_are_as_good_as_lists(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["norm_mean_std"]["value"] = ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert load_model(save(content)).params["norm_mean_std"] == [[0.5, 0.4, 0.3], [0.2, 0.2, 0.1]]


def test_an_unknown_parameter_that_was_only_a_default_is_skipped(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["new_idea"] = {"type": "builtin", "value": 3, "specified": False}
    assert "new_idea" not in load_model(save(content)).params


def test_an_unknown_parameter_that_was_specified_is_an_error(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["new_idea"] = {"type": "builtin", "value": 3, "specified": True}
    with pytest.raises(CheckpointError, match="'new_idea' that is unknown"):
        load_model(save(content))


@pytest.mark.parametrize(
    "norm",
    [
        {"type": "class", "value": "torch.nn.SyncBatchNorm", "specified": True},
        {"type": "builtin", "value": "torch.nn.modules.batchnorm.BatchNorm2d", "specified": True},
    ],
)
def test_only_plain_batch_normalisation_is_accepted(
    official: Official, save: Save, norm: dict[str, object]
) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["norm_layer"] = norm
    with pytest.raises(CheckpointError, match="norm_layer"):
        load_model(save(content))


def test_a_class_where_a_value_belongs_is_an_error(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["config"]["params"]["width"] = {"type": "class", "value": "builtins.int", "specified": True}
    with pytest.raises(CheckpointError, match="'width' that is a class"):
        load_model(save(content))


def test_missing_and_extra_keys_are_listed(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    state = content["state_dict"]
    for key in list(state)[:5]:
        del state[key]
    state["surprise"] = torch.zeros(1)
    with pytest.raises(CheckpointError) as caught:
        load_model(save(content))
    assert "5 missing (maps_transform.0.weight, maps_transform.0.bias, " in str(caught.value)
    assert "… 2 more" in str(caught.value)
    assert "1 not expected (surprise)" in str(caught.value)


def test_a_baseline_in_place_of_an_iterative_model_is_told_by_its_shape(
    official: Official, save: Save
) -> None:
    content = official("h18_base")
    content["config"] = official("h18_itm")["config"]
    with pytest.raises(CheckpointError, match=r"maps_transform\.0\.weight 16x2x1x1 instead of 16x3x1x1"):
        load_model(save(content))


def test_a_list_of_models_is_not_supported(official: Official, save: Save) -> None:
    with pytest.raises(CheckpointError, match="multi-stage"):
        load_model(save([official("h18s_itm")]))


@pytest.mark.parametrize("wrap", [dict, OrderedDict, lambda state: {"state_dict": state, "epoch": 3}])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_plain_state_dict_is_read_with_its_architecture_given(
    official: Official, save: Save, wrap: Callable[[object], object], prefix: str
) -> None:
    state = official("h18s_itm")["state_dict"]
    path = save(wrap({prefix + key: tensor for key, tensor in state.items()}))
    for name in ("hrnet18s-itm", "coco_lvis_h18s_itermask"):
        assert_same_weights(load_model(path, architecture=name), state)
    with pytest.raises(CheckpointError, match="say which architecture"):
        load_model(path)
    with pytest.raises(CheckpointError, match="does not fit its architecture"):
        load_model(path, architecture="hrnet18-itm")
    with pytest.raises(CheckpointError, match=r"no architecture 'resnet'; known ones are hrnet18s-itm"):
        load_model(path, architecture="resnet")


def test_an_architecture_can_be_spelt_out(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    params = {"width": 18, "ocr_width": 48, "small": True, "with_prev_mask": True, "use_rgb_conv": False}
    model = load_model(save(content["state_dict"]), architecture=Architecture(family="hrnet", params=params))
    assert model.params["norm_radius"] == 260  # the paper's default, as it is not given
    assert model.params["with_aux_output"] is False


def test_a_file_that_names_its_architecture_takes_no_other(official: Official, save: Save) -> None:
    with pytest.raises(CheckpointError, match="says itself"):
        load_model(save(official("h18s_itm")), architecture="hrnet18s-itm")


def test_half_precision_weights_become_float32(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    state = content["state_dict"]
    content["state_dict"] = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
    model = load_model(save(content))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_card_and_version_of_a_pth_file(official: Official, save: Save) -> None:
    path = save(official("h18s_itm"), "mine.pth")
    card = read_card(path)
    assert (card.name, card.family, card.params["width"]) == ("mine", "hrnet", 18)
    assert model_version(path) == f"mine-{card.sha256[:8]}"


def test_golden_configs_are_those_of_the_catalogue(golden: Path, official: Official, save: Save) -> None:
    from ritm_model.checkpoints import architecture_name

    names = {
        "h18s_itm": "hrnet18s-itm",
        "h18_itm": "hrnet18-itm",
        "h18_base": "hrnet18-baseline",
        "h32_itm": "hrnet32-itm",
        "r34_base": "resnet34-baseline",
    }
    for golden_name, name in names.items():
        params = json.loads((golden / f"keys_{golden_name}.json").read_text())["config"]["params"]
        family = "deeplab" if golden_name == "r34_base" else "hrnet"
        assert architecture_name(family, {key: param["value"] for key, param in params.items()}) == name
