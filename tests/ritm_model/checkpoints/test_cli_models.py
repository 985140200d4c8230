"""`ritm models` as a person types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ritm_model.cli.models import models
from ritm_model.errors import RitmError

NAME = "coco_lvis_h18s_itermask"


def ritm_models(*arguments: object, ok: bool = True) -> Result:
    result = CliRunner().invoke(models, [str(argument) for argument in arguments])
    if ok and result.exception:
        raise result.exception
    return result


@pytest.fixture
def pth(tmp_path: Path, pth_bytes: bytes) -> Path:
    path = tmp_path / "published.pth"
    path.write_bytes(pth_bytes)
    return path


def test_list_shows_what_there_is(models_dir: Path, pth: Path) -> None:
    ritm_models("convert", pth, models_dir / "ours.safetensors", "--licence", "CC0", "--trained-on", "cats")
    (models_dir / "broken.safetensors").write_bytes(b"")
    lines = {line.split()[0]: line for line in ritm_models("list").output.splitlines() if line}
    assert lines["bundled"].split()[1] == "efficientnet-lite0"
    assert lines["bundled"].endswith("bundled")
    assert lines[NAME].split() == [
        *(NAME, "hrnet18s-itm", "16.5", "MB", "COCO", "+", "LVIS", "MIT"),
        *("1.68", "2.60", "6.48", "5.98", "no"),
    ]
    assert lines["ours"].split() == [
        *("ours", "hrnet18s-itm", "17.1", "MB", "cats", "CC0", "-", "-", "-", "-", "own")
    ]
    assert lines["broken"].endswith("damaged")


def test_list_in_json(models_dir: Path) -> None:
    rows = {row["name"]: row for row in json.loads(ritm_models("list", "--json").output)}
    assert len(rows) == 6
    assert rows["bundled"]["here"] == "bundled"
    assert rows["coco_lvis_h32_itermask"]["noc"]["SBD@90"] == 5.71
    assert rows["coco_lvis_h32_itermask"]["here"] == "no"
    assert rows["coco_lvis_h32_itermask"]["url"].endswith("/coco_lvis_h32_itermask.pth")


def test_pull_once_then_it_is_here(site: Any, models_dir: Path, pth_bytes: bytes) -> None:
    site.body = pth_bytes
    assert f"{NAME} is ready" in ritm_models("pull", NAME, "--url", site.url).output
    assert f"{NAME} is here already" in ritm_models("pull", NAME, "--url", site.url).output
    assert len(site.requests) == 1
    ritm_models("pull", NAME, "--url", site.url, "--force")
    assert len(site.requests) == 2
    rows = json.loads(ritm_models("list", "--json").output)
    assert [row["name"] for row in rows if row["here"] == "pulled"] == [NAME]


def test_pull_from_the_mirror_of_the_environment_in_json(
    site: Any, models_dir: Path, pth_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RITM_MODEL_MIRROR", f"{site.url}/models")
    site.body = pth_bytes
    answer = json.loads(ritm_models("pull", NAME, "--json").output)
    assert site.paths == [f"/models/{NAME}.pth"]
    assert answer["path"] == str(models_dir / f"{NAME}.safetensors")
    assert answer["name"] == NAME


def test_pull_tells_what_went_wrong(site: Any, models_dir: Path) -> None:
    with pytest.raises(RitmError, match="known ones are coco_lvis_h18s_itermask, coco_lvis_h18_itermask"):
        ritm_models("pull", "resnet")
    site.statuses = [404]
    with pytest.raises(RitmError, match="the server answers 404"):
        ritm_models("pull", NAME, "--url", site.url)


def test_convert_then_info(pth: Path, tmp_path: Path) -> None:
    destination = tmp_path / "ours.safetensors"
    assert "ours is ready" in ritm_models("convert", pth, destination, "--half").output
    about = json.loads(ritm_models("info", destination, "--json").output)
    assert about["architecture"] == "hrnet18s-itm"
    assert about["parameters"] == 4_220_047
    assert about["version"] == f"ours-{about['sha256'][:8]}"
    assert about["training"]["source"] == "published.pth"
    text = ritm_models("info", destination).output
    assert "4,220,047" in text
    assert about["sha256"] in text


def test_convert_a_plain_state_dict(save: Callable[..., Path], official: Any, tmp_path: Path) -> None:
    plain = save(official("h18s_itm")["state_dict"], "plain.pth")
    destination = tmp_path / "ours.safetensors"
    with pytest.raises(RitmError, match="say which architecture"):
        ritm_models("convert", plain, destination)
    assert not destination.exists()
    ritm_models("convert", plain, destination, "--architecture", "hrnet18s-itm")
    assert "hrnet18s-itm" in ritm_models("info", destination).output


def test_info_of_the_bundled_model() -> None:
    output = ritm_models("info", "bundled").output
    assert "starter-" in output
    assert "3572 photographs" in output


def test_info_of_a_released_model_that_is_not_here(models_dir: Path) -> None:
    text = ritm_models("info", NAME).output
    lines = dict(line.split("  ", 1) for line in text.splitlines())
    about = {name.strip(): value.strip() for name, value in lines.items()}
    assert about["file"] == f"not on this machine; ritm models pull {NAME}"
    assert about["architecture"] == "hrnet18s-itm"
    assert about["size"] == "16.5 MB"
    assert about["source"].endswith(f"/{NAME}.pth")
    assert about["licence"] == "MIT"
    assert "non-commercial" in about["licence_note"]
    assert about["NoC DAVIS@90"] == "5.98"
    answer = json.loads(ritm_models("info", NAME, "--json").output)
    assert (answer["here"], answer["noc"]["DAVIS@90"]) == ("no", 5.98)


def test_info_finds_damage(pth: Path, tmp_path: Path) -> None:
    destination = tmp_path / "ours.safetensors"
    ritm_models("convert", pth, destination)
    destination.write_bytes(destination.read_bytes()[:-1])
    with pytest.raises(RitmError, match="SHA-256"):
        ritm_models("info", destination)


def test_errors_are_one_sentence_and_status_1() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ritm_model", "models", "info", "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Error: There is no model 'nothing'; known ones are bundled, ")
    assert done.stderr.count("\n") == 1
