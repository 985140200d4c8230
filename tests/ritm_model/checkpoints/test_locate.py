"""From what a person types to a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ritm_model.checkpoints import CheckpointError, bundled_model_path, resolve_model


@pytest.mark.parametrize("name", ["bundled", "starter"])
def test_the_bundled_model(name: str) -> None:
    assert resolve_model(name) == bundled_model_path()


def test_a_model_in_the_models_folder(models_dir: Path) -> None:
    models_dir.mkdir()
    (models_dir / "ours.safetensors").touch()
    assert resolve_model("ours") == models_dir / "ours.safetensors"


@pytest.mark.parametrize("name", ["model.pth", "model.safetensors", "folder/model"])
def test_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match=f"no model file {name}"):
        resolve_model(name)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert resolve_model(name) == Path(name)


def test_a_name_that_nobody_knows(models_dir: Path) -> None:
    models_dir.mkdir()
    (models_dir / "ours.safetensors").touch()
    with pytest.raises(CheckpointError) as caught:
        resolve_model("theirs")
    for known in ("bundled", "coco_lvis_h18_itermask", "sbd_h18_itermask", "ours", "or give a path"):
        assert known in str(caught.value)
