"""`ritm datasets`, as it is typed."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def ritm(run_ritm):
    """Run `ritm datasets …`."""
    return partial(run_ritm, "datasets")


@pytest.fixture
def davis(tmp_path):
    root = tmp_path / "DAVIS"
    for folder in ("img", "gt"):
        (root / folder).mkdir(parents=True)
    for name in ("a", "b"):
        cv2.imwrite(str(root / f"img/{name}.jpg"), np.zeros((20, 30, 3), np.uint8))
        cv2.imwrite(str(root / f"gt/{name}.png"), np.ones((20, 30), np.uint8))
    return root


def test_the_list_says_what_is_missing_and_how_to_get_it(ritm, davis, tmp_path):
    config = tmp_path / "config.yml"
    config.write_text("DAVIS_PATH: ./DAVIS\nSBD_PATH: ./SBD\nEXPS_PATH: x\nmystery: here\n")
    away = tmp_path / "away"
    roots = ("--root", f"cells=labels:{davis}", "--root", f"gone=labels:{away}")
    status, out, err = ritm("--config", config, *roots)
    assert (status, err) == (0, "")
    blocks = {block.split(":")[0]: block for block in out.strip().split("\n\n")}
    assert list(blocks)[:3] == ["GrabCut", "Berkeley", "DAVIS"]
    assert "--root GrabCut=PATH" in blocks["GrabCut"]
    assert "GrabCut.zip on" in blocks["GrabCut"]
    assert f"lies in   {davis}" in blocks["DAVIS"]
    assert "missing" not in blocks["DAVIS"]
    assert f"missing   {tmp_path / 'SBD'}" in blocks["SBD"]
    assert "needs     images or ., masks or ." in blocks["cells"]
    assert "missing" not in blocks["cells"]
    assert f"missing   {away}" in blocks["gone"]
    assert "layout of 'mystery' is not known" in out


def test_the_list_as_json(ritm, davis):
    status, out, _ = ritm("--root", f"DAVIS={davis}", "--json")
    assert status == 0
    rows = {row["name"]: row for row in json.loads(out)}
    assert {"GrabCut", "Berkeley", "DAVIS", "SBD", "PascalVOC", "COCO_MVal", "LVIS", "labels"} <= set(rows)
    assert rows["DAVIS"] | {"about": ""} == {
        "name": "DAVIS",
        "about": "",
        "layout": ["img", "gt"],
        "root": str(davis),
        "missing": [],
        "source": "",
    }
    assert rows["GrabCut"]["root"] is None


def test_the_place_of_the_configuration_can_be_in_the_environment(ritm, davis, monkeypatch, tmp_path):
    config = tmp_path / "config.yml"
    config.write_text("DAVIS_PATH: DAVIS")
    monkeypatch.setenv("RITM_DATASETS", str(config))
    status, out, _ = ritm("check", "DAVIS")
    assert (status, out.splitlines()[0]) == (0, "DAVIS: 2 samples of 2 images")


def test_a_sound_data_set_passes_the_check(ritm, davis):
    place = ["--root", f"DAVIS={davis}"]
    for arguments in (["check", "DAVIS", *place], [*place, "check", "DAVIS"]):
        status, out, err = ritm(*arguments)
        assert (status, err) == (0, "")
        assert out == "DAVIS: 2 samples of 2 images\nleft out by rule: 0\nbroken: 0\n"


def test_a_broken_file_fails_the_check_and_is_named(ritm, davis):
    (davis / "img/b.jpg").write_bytes(b"x")
    status, out, err = ritm("check", "DAVIS", "--root", f"DAVIS={davis}")
    assert status == 1
    assert f"broken: 1\n  {davis / 'img/b.jpg'}: The file is not an image" in out
    assert err == "Error: DAVIS has 1 broken parts, which evaluation leaves out.\n"
    status, out, _ = ritm("check", "DAVIS", "--root", f"DAVIS={davis}", "--json")
    assert status == 1
    answer = json.loads(out)
    assert (answer["samples"], answer["images"], answer["left_out_by_rule"]) == (1, 1, [])
    assert Path(answer["broken"][0]["file"]).name == "b.jpg"


def test_unknown_and_empty_data_sets_end_in_a_sentence(ritm, davis):
    status, out, err = ritm("check", "Graabcut")
    assert (status, out) == (1, "")
    assert err.startswith("Error: There is no data set 'Graabcut'; known ones are GrabCut,")
    for path in [*davis.glob("*/*")]:
        path.unlink()
    status, _, err = ritm("check", "DAVIS", "--root", f"DAVIS={davis}")
    assert (status, err) == (1, f"Error: DAVIS has no usable samples in {davis}: it is empty.\n")


def test_data_sets_are_listed_and_checked_without_torch(davis) -> None:
    """It would take most of the time."""
    program = (
        "import sys\n"
        "from ritm_model.cli.datasets import datasets\n"
        "datasets([], standalone_mode=False)\n"
        f"datasets(['check', 'DAVIS', '--root', 'DAVIS={davis}'], standalone_mode=False)\n"
        "assert not {'torch', 'torchvision', 'scipy'} & set(sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
