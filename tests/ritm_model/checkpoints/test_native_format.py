"""Our own format: written whole or not at all, read back equal, and every change found out."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ritm_model import files
from ritm_model.checkpoints import (
    CheckpointError,
    TrainingCard,
    bundled_model_path,
    convert_model,
    load_model,
    model_version,
    read_card,
    save_model,
)
from ritm_model.networks import InteractiveModel

Seeded = Callable[[str], InteractiveModel]
TRAINING = TrainingCard(
    summary="a test", trained_on="nothing", licence="MIT", recipe="none", metrics={"NoC": 2.5, "IoU": "n/a"}
)


@pytest.fixture
def path(tmp_path: Path, seeded_model: Seeded) -> Path:
    """A saved HRNet18s."""
    path = tmp_path / "mine.safetensors"
    save_model(path, seeded_model("h18s_itm"), TRAINING)
    return path


def change_card(path: Path, **changes: object) -> None:
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, **changes}))


def test_every_architecture_comes_back_equal(tmp_path: Path, seeded_model: Seeded, model_name: str) -> None:
    model = seeded_model(model_name)
    path = tmp_path / "deep" / "folder" / f"{model_name}.safetensors"
    card = save_model(path, model)
    again = load_model(path)
    assert (again.family, again.params) == (model.family, model.params)
    state, expected = again.state_dict(), model.state_dict()
    assert list(state) == list(expected)
    assert all(torch.equal(state[key], expected[key]) for key in expected)
    assert read_card(path) == card


def test_loaded_logits_are_those_of_the_saved_model(path: Path, seeded_model: Seeded) -> None:
    image = torch.rand(1, 4, 64, 96, generator=torch.Generator().manual_seed(0))
    points = torch.tensor([[[20.0, 30.0, 0.0], [-1.0, -1.0, -1.0]]])
    expected = seeded_model("h18s_itm")(image, points)["instances"]
    assert torch.equal(load_model(path)(image, points)["instances"], expected)


def test_half_precision_halves_the_file_and_loads_as_float32(path: Path, seeded_model: Seeded) -> None:
    half = path.with_name("half.safetensors")
    save_model(half, seeded_model("h18s_itm"), half=True)
    assert half.stat().st_size < 0.55 * path.stat().st_size
    weights = load_model(half).state_dict()
    for key, tensor in seeded_model("h18s_itm").state_dict().items():
        assert weights[key].dtype == tensor.dtype
        torch.testing.assert_close(weights[key], tensor, rtol=5e-4, atol=1e-6)


def test_weights_beyond_half_precision_are_not_written(tmp_path: Path, seeded_model: Seeded) -> None:
    model = copy.deepcopy(seeded_model("h18s_itm"))
    model.state_dict()["feature_extractor.bn1.running_var"][0] = 1e6
    with pytest.raises(CheckpointError, match="not finite in half precision"):
        save_model(tmp_path / "half.safetensors", model, half=True)
    assert list(tmp_path.iterdir()) == []


def test_the_card_says_what_it_was_given(path: Path) -> None:
    card = read_card(path)
    assert (card.name, card.family, card.training) == ("mine", "hrnet", TRAINING)
    assert model_version(path) == f"mine-{card.sha256[:8]}"


def test_one_changed_bit_is_found_out(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_model(path)


def test_a_truncated_file_is_found_out(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"surprise": 1}, "surprise: Extra inputs"),
        ({"training": {"surprise": 1}}, r"training\.surprise: Extra inputs"),
        ({"sha256": "abc"}, "sha256: "),
        ({"format_version": 2}, "format_version: "),
        ({"family": "resnext"}, "family resnext"),
        ({"params": {"width": 10**9}}, "width must be"),
        ({"params": {"wide": 18}}, "wide"),
        ({"params": {}}, "does not fit its architecture"),
    ],
)
def test_a_card_that_asks_for_something_else_is_refused(
    path: Path, changes: dict[str, object], why: str
) -> None:
    change_card(path, **changes)
    with pytest.raises(CheckpointError, match=why):
        load_model(path)


def test_weights_without_card_need_an_architecture(path: Path, seeded_model: Seeded) -> None:
    path.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError, match=r"has no card: put mine\.json"):
        load_model(path)
    model = load_model(path, architecture="hrnet18s-itm")
    assert torch.equal(
        model.state_dict()["feature_extractor.conv1.weight"],
        seeded_model("h18s_itm").state_dict()["feature_extractor.conv1.weight"],
    )


def test_missing_and_extra_tensors_are_listed(path: Path) -> None:
    state = safetensors.torch.load_file(path)
    del state["feature_extractor.conv1.weight"]
    state["surprise"] = torch.zeros(2)
    safetensors.torch.save_file(state, path)
    path.with_suffix(".json").unlink()
    with pytest.raises(CheckpointError) as caught:
        load_model(path, architecture="hrnet18s-itm")
    assert "1 missing (feature_extractor.conv1.weight)" in str(caught.value)
    assert "1 not expected (surprise)" in str(caught.value)


def test_a_failed_write_leaves_the_old_model_whole(
    path: Path, seeded_model: Seeded, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match="No space left"):
        save_model(path, seeded_model("h18s_itm"), half=True)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_others_may_read_what_was_written(path: Path) -> None:
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask


def test_another_suffix_is_refused(tmp_path: Path, seeded_model: Seeded) -> None:
    with pytest.raises(CheckpointError, match=r"must end in \.safetensors"):
        save_model(tmp_path / "mine.pth", seeded_model("h18s_itm"))


def test_the_bundled_model_loads_and_says_honestly_what_it_is() -> None:
    path = bundled_model_path()
    model = load_model(path)
    assert model.with_prev_mask
    assert path.stat().st_size < 8_000_000
    card = read_card(path)
    assert "3572 photographs" in card.training.trained_on
    assert "CC BY-NC" in card.training.licence  # as every model that learnt from COCO, and said
    assert "small" in card.training.summary
    assert model_version(path).startswith("starter-")


def test_conversion_keeps_the_card_and_names_the_first_source(path: Path, tmp_path: Path) -> None:
    second = convert_model(path, tmp_path / "second.safetensors", half=True, licence="CC0")
    assert second.training.source == "mine.safetensors"
    assert second.training.source_sha256 == read_card(path).sha256
    assert (second.training.licence, second.training.trained_on) == ("CC0", "nothing")
    third = convert_model(tmp_path / "second.safetensors", tmp_path / "third.safetensors")
    assert third.training == second.training
