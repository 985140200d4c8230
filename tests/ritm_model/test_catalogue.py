"""The catalogue as data: complete, true to the networks, and quick to read."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from ritm_model.catalogue import Catalogue, bundled_model_path, catalogue, models_folder
from ritm_model.networks import build

RELEASED = [
    "coco_lvis_h18s_itermask",
    "coco_lvis_h18_itermask",
    "coco_lvis_h32_itermask",
    "coco_lvis_h18_baseline",
    "sbd_h18_itermask",
]


def test_the_five_released_models_are_there() -> None:
    assert [release.name for release in catalogue().models] == RELEASED
    for release in catalogue().models:
        assert release.file_name == f"{release.name}.pth"
        assert release.url.startswith(
            "https://github.com/saic-vul/ritm_interactive_segmentation/releases/download/v1.0/"
        )
        assert release.licence == "MIT"
        assert len(release.noc) == 9
        assert catalogue().release(release.name) is release
    assert catalogue().release("nothing") is None


def test_their_architectures_have_the_published_number_of_parameters() -> None:
    for release in catalogue().models:
        architecture = catalogue().architectures[release.architecture]
        model = build(architecture.family, architecture.params)
        assert sum(parameter.numel() for parameter in model.parameters()) == release.parameters


def test_published_figures_of_the_best_known_model() -> None:
    release = catalogue().release("coco_lvis_h32_itermask")
    assert release is not None
    assert release.noc["Berkeley@90"] == 2.10
    assert release.noc["DAVIS@90"] == 5.34


def test_mistakes_in_the_data_are_found() -> None:
    data = json.loads(catalogue().model_dump_json())
    with pytest.raises(ValidationError, match="two models have the same name"):
        Catalogue.model_validate({**data, "models": data["models"] + data["models"][:1]})
    known = {k: v for k, v in data["architectures"].items() if k != "hrnet18-itm"}
    with pytest.raises(ValidationError, match="unknown architectures: hrnet18-itm"):
        Catalogue.model_validate({**data, "architectures": known})
    with pytest.raises(ValidationError, match="Extra inputs"):
        Catalogue.model_validate({**data, "surprise": 1})


def test_where_pulled_models_lie(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RITM_MODELS", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert models_folder() == tmp_path / ".cache" / "ritm" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/invalid")
    assert models_folder() == tmp_path / ".cache" / "ritm" / "models"
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert models_folder() == Path("/cache/ritm/models")
    monkeypatch.setenv("RITM_MODELS", "~/mine")
    assert models_folder() == tmp_path / "mine"


def test_the_bundled_model_and_its_card_ship_with_the_package() -> None:
    assert bundled_model_path().is_file()
    assert bundled_model_path().with_suffix(".json").is_file()


def test_the_catalogue_needs_no_torch() -> None:
    code = "import sys, ritm_model.catalogue as c; c.catalogue(); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
