"""Our class in the real label-studio-ml 1.0.9 server, over HTTP."""

from __future__ import annotations

import base64
import importlib
import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from label_studio_ml_server import PYTHON, label_studio_ml
from processes import ROOT, Server

from ritm_model.masks.brush_rle import decode

PAYLOADS = ROOT / "tests/payloads/label_studio"
PICTURE = ROOT / "tests/samples/images/coins.jpg"
WIDTH, HEIGHT = 384, 303

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with label_studio_ml(tmp_path_factory.mktemp("label-studio-ml"), {}) as running:
        yield running


def payload(name: str) -> dict[str, Any]:
    """A recorded request, about a picture of ours that needs no Label Studio."""
    (path,) = PAYLOADS.glob(f"{name}_*.json")
    body: dict[str, Any] = json.loads(path.read_text())["json"]
    picture = base64.b64encode(PICTURE.read_bytes()).decode()
    for task in body["tasks"]:
        task["data"] = dict.fromkeys(task["data"], f"data:image/jpeg;base64,{picture}")
    return body


def set_up(server: Server, body: dict[str, Any]) -> None:
    """As Label Studio does whenever a page is opened; 1.0.9 predicts nothing before."""
    order = {"project": body["project"], "schema": body["label_config"], "hostname": "", "access_token": ""}
    answer = requests.post(f"{server.url}/setup", json=order, timeout=60)
    assert answer.status_code == 200
    assert answer.json()["model_version"]


def predict(server: Server, body: dict[str, Any]) -> list[Any]:
    answer = requests.post(f"{server.url}/predict", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    results: list[Any] = answer.json()["results"]
    return results


def test_clicks_become_a_brush_mask(server: Server) -> None:
    body = payload("15")
    places = [((101.5, 195.5), True), ((106.5, 179.5), True), ((69.5, 194.5), False)]
    clicks = body["params"]["context"]["result"]
    for click, ((x, y), is_positive) in zip(clicks, places, strict=True):
        click |= {"original_width": WIDTH, "original_height": HEIGHT, "is_positive": is_positive}
        click["value"] |= {"x": x / WIDTH * 100, "y": y / HEIGHT * 100}
    set_up(server, body)
    (prediction,) = predict(server, body)
    (region,) = prediction["result"]
    assert region["type"] == "brushlabels"
    assert region["value"]["brushlabels"] == ["Object"]
    mask = decode(region["value"]["rle"], WIDTH, HEIGHT)
    assert [bool(mask[int(y), int(x)]) for (x, y), _ in places] == [True, True, False]
    assert predict(server, body) == [prediction]


def test_without_clicks_there_is_no_prediction(server: Server) -> None:
    body = payload("06")
    set_up(server, body)
    assert predict(server, body) == [[] for _ in body["tasks"]]


def test_an_image_out_of_reach_gives_an_empty_answer(server: Server) -> None:
    body = payload("15")
    body["tasks"][0]["data"] = {"image": "ftp://example.com/cat.jpg"}
    set_up(server, body)
    (prediction,) = predict(server, body)
    assert prediction["result"] == []
    assert prediction["message"]


def test_threads_are_limited_although_the_server_has_loaded_torch(tmp_path: Path) -> None:
    script = """
import os, sys
sys.path.extend(sys.argv[1:])
import label_studio_ml.model
import torch
torch.set_num_threads(63)  # a server that sees more processors than it may use
import ritm_backend.label_studio_ml as ours
from ritm_model.cpus import usable_cpus
host, *_ = ours._service()
host.annotator(wait_seconds=120)  # a thread must not be loading it at the end
print(torch.get_num_threads() == usable_cpus(), os.environ["OMP_WAIT_POLICY"])
"""
    done = subprocess.run(
        [PYTHON, "-c", script, ROOT, sysconfig.get_path("purelib")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "RITM_ENGINE": "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "passive"]


def test_without_the_server_the_import_says_what_is_missing() -> None:
    with pytest.raises(ImportError, match="needs the label-studio-ml server"):
        importlib.import_module("ritm_backend.label_studio_ml")
