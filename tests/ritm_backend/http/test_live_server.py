"""`ritm serve` with a registry: a new version is taken up while annotators click, and no click is lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import torch
from backend import ritm_serve
from PIL import Image
from processes import Server, wait_until

from ritm_model.checkpoints import bundled_model_path, load_model, save_model
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry

ANNOTATORS = 3
Click = tuple[float, float, bool]

pytestmark = pytest.mark.slow


class Page:
    """Clicks on a picture as the demo's page does."""

    def __init__(self, url: str, picture: Path) -> None:
        self._url = url
        self._session = requests.Session()
        self._options = self._session.get(f"{url}/demo/config", timeout=30).json()["options"]
        self._image = self._session.post(f"{url}/demo/images", picture.read_bytes(), timeout=30).json()["id"]

    def click(self, clicks: list[Click]) -> str:
        """The version that answers; raises for any status but 200."""
        prompt = {"image": self._image, "clicks": clicks, "threshold": 0.5, "options": self._options}
        answer = self._session.post(
            f"{self._url}/demo/click", files={"prompt": (None, json.dumps(prompt))}, timeout=60
        )
        answer.raise_for_status()
        version: str = answer.json()["model_version"]
        return version


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels_HW3 = np.full((90, 120, 3), 80, np.uint8)
    pixels_HW3[30:60, 40:80] = (220, 60, 40)
    path = tmp_path_factory.mktemp("picture") / "square.png"
    Image.fromarray(pixels_HW3).save(path)
    return path


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return Registry(open_store(str(tmp_path_factory.mktemp("registry"))))


@pytest.fixture(scope="module")
def versions(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two published versions, whose weights differ a little; the first one is live."""
    changed = load_model(bundled_model_path())
    with torch.no_grad():
        next(changed.parameters()).mul_(1.001)
    path = tmp_path_factory.mktemp("changed") / "model.safetensors"
    save_model(path, changed)
    first = registry.publish("team", bundled_model_path(), {})
    registry.promote("team", first, None)
    return first, registry.publish("team", path, {})


@pytest.fixture(scope="module")
def server(
    registry: Registry, versions: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    environment = {
        "RITM_MODEL": "registry:team",
        "RITM_REGISTRY": registry.uri,
        "RITM_REGISTRY_SECONDS": "0.2",
        "RITM_RATE_PER_MINUTE": "0",
        "RITM_ENGINE": "torch",
    }
    with ritm_serve(folder, environment) as running:
        yield running


def held(server: Server) -> list[str]:
    answer: dict[str, Any] = requests.get(f"{server.url}/versions", timeout=30).json()
    found: list[str] = answer["versions"]
    return found


@contextmanager
def working(steps: list[Callable[[], None]]) -> Iterator[Callable[[], bool]]:
    """Run each step again and again in a thread of its own; yields whether all go on, and raises if not."""
    stopped = threading.Event()

    def work(step: Callable[[], None]) -> None:
        while not stopped.is_set():
            step()

    with ThreadPoolExecutor(len(steps)) as pool:
        running = [pool.submit(work, step) for step in steps]
        try:
            yield lambda: not any(one.done() for one in running)
        finally:
            stopped.set()
    for one in running:
        one.result()


def test_a_promotion_in_the_middle_of_clicks(
    server: Server, registry: Registry, versions: tuple[str, str], picture: Path
) -> None:
    first, second = versions
    new_objects: list[list[str]] = [[] for _ in range(ANNOTATORS)]
    one_object: list[str] = []
    long_clicks: list[Click] = [(60.5, 45.5, True)]

    def annotator(number: int) -> Callable[[], None]:
        page = Page(server.url, picture)

        def begin_an_object() -> None:
            place = 40.0 + number + len(new_objects[number]) / 1000
            new_objects[number].append(page.click([(place, 40.0, True)]))

        return begin_an_object

    page = Page(server.url, picture)

    def go_on_with_one_object() -> None:
        one_object.append(page.click(long_clicks))
        long_clicks.append((1.0 + len(long_clicks) % 100, 5.0, False))
        del long_clicks[40:]

    with working([go_on_with_one_object, *(annotator(n) for n in range(ANNOTATORS))]) as is_well:
        everybody = [one_object, *new_objects]
        wait_until(lambda: not is_well() or all(len(a) > 2 for a in everybody), "clicks", within_s=60)
        registry.promote("team", second, first)
        wait_until(lambda: not is_well() or held(server)[0] == second, "the swap", within_s=60)
        after = len(one_object)
        wait_until(
            lambda: (
                not is_well() or (len(one_object) > after + 2 and all(a[-1] == second for a in new_objects))
            ),
            "clicks on the new version",
            within_s=60,
        )
        assert held(server) == [second, first]

    assert set(one_object) == {first}, "an object is finished on the version it was begun on"
    for answers in new_objects:
        swapped = answers.index(second)
        assert answers == [first] * swapped + [second] * (len(answers) - swapped)
    ready = requests.get(f"{server.url}/ready", timeout=30).json()
    setup = requests.post(f"{server.url}/setup", json={}, timeout=30).json()
    assert ready["model_version"] == setup["model_version"] == second


def test_a_broken_version_leaves_the_old_one_serving(
    server: Server, registry: Registry, versions: tuple[str, str], picture: Path, tmp_path: Path
) -> None:
    live = registry.live("team")
    assert live is not None
    if live.version == versions[0]:  # run alone
        live = registry.promote("team", versions[1], versions[0])
    wait_until(lambda: held(server)[0] == versions[1], "the swap", within_s=60)
    broken = tmp_path / "model.safetensors"
    broken.write_bytes(b"no weights")
    card = json.loads(bundled_model_path().with_suffix(".json").read_text())
    broken.with_suffix(".json").write_text(json.dumps(card | {"sha256": sha256(b"no weights").hexdigest()}))
    registry.promote("team", registry.publish("team", broken, {}), live.version)
    wait_until(lambda: "A newer model could not be loaded" in server.text(), "the log", within_s=60)
    assert "not a safetensors file" in server.text()
    assert requests.get(f"{server.url}/health", timeout=30).status_code == 200
    assert Page(server.url, picture).click([(70.25, 50.0, True)]) == live.version

    back = registry.rollback("team")
    assert back.version == live.version
    registry.promote("team", versions[0], back.version)
    wait_until(lambda: held(server)[0] == versions[0], "the next version", within_s=60)
