"""`ritm demo coins.jpg`, started once, and its page in a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import preloaded
import pytest
from backend import RITM
from demo_page import COINS, OTHER_MODEL, Demo, quiet_chromium
from playwright.sync_api import Browser
from processes import Server, free_port, serving

from ritm_model.images import decode_image
from ritm_model.inference import Predictor, open_predictor


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def environment(folder: Path) -> dict[str, str]:
    """That of `ritm`: a browser that only notes the address it was given, and a second model."""
    note = folder / "browser"
    note.write_text(f'#!/bin/sh\nprintf %s "$1" > {folder}/address\n')
    note.chmod(0o755)
    models = folder / "models"
    models.mkdir()
    for part in (OTHER_MODEL, OTHER_MODEL.with_suffix(".json")):
        shutil.copy(part, models)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
        "BROWSER": f"{note} %s",
        "RITM_MODELS": str(models),
        "RITM_ENGINE": "torch",  # as `ritm predict`
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def server(folder: Path, environment: dict[str, str]) -> Iterator[Server]:
    port = free_port()
    command = [RITM, "demo", COINS, "--cpu", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    log = folder / "demo.log"
    with serving(
        command, environment, log, url=url, health="/ready", within_s=120, start=preloaded.start
    ) as running:
        yield running


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return open_predictor("bundled", "cpu")


@pytest.fixture(scope="session")
def pixels() -> npt.NDArray[np.uint8]:
    return decode_image(COINS.read_bytes())


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_chromium() as browser:
        yield browser


@pytest.fixture
def demo(server: Server, browser: Browser) -> Iterator[Demo]:
    """The page with the coins open; nothing may go wrong on it, or come from another host."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    demo = Demo(context.new_page())
    demo.go(server.url)
    demo.wait_open()
    yield demo
    context.close()
    assert demo.troubles == []
    assert demo.hosts == {server.url.partition("://")[2]}, "nothing may come from other hosts"
