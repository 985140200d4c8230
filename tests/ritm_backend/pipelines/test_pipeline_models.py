"""`ritm serve --pipelines`: projects of two teams are answered by the live versions of two registries."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from backend import ritm_serve
from PIL import Image, ImageDraw
from processes import Server, wait_until

from ritm_model.checkpoints import bundled_model_path, load_model, save_model
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"

pytestmark = pytest.mark.slow


def picture_url() -> str:
    """A disc where the recorded click is."""
    image = Image.new("RGB", (800, 600), (90, 120, 80))
    ImageDraw.Draw(image).ellipse((160, 210, 340, 390), fill=(220, 60, 40))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def published(folder: Path, model: str, factor: float) -> tuple[Registry, str]:
    """A registry with one live version, of weights of its own."""
    weights = load_model(bundled_model_path())
    with torch.no_grad():
        next(weights.parameters()).mul_(factor)
    save_model(folder / "weights.safetensors", weights)
    registry = Registry(open_store(str(folder / "registry")))
    version = registry.publish(model, folder / "weights.safetensors", {})
    registry.promote(model, version, None)
    return registry, version


class Teams:
    """A server of two pipelines, of which it may hold one model at a time, and what is live of each."""

    def __init__(self, server: Server, live: dict[str, str], registries: dict[str, Registry]) -> None:
        self.server, self.live, self.registries = server, live, registries
        self.usual: str = requests.get(f"{server.url}/ready", timeout=30).json()["model_version"]
        self._body = json.loads(next(PAYLOADS.glob("18_*.json")).read_text())["json"]
        self._body["tasks"][0]["data"] = dict.fromkeys(self._body["tasks"][0]["data"], picture_url())

    def open_page(self, project: str, extra_params: object) -> None:
        body = {"project": project, "schema": "<View/>", "extra_params": extra_params}
        requests.post(f"{self.server.url}/setup", json=body, timeout=60).raise_for_status()

    def click(self, project: str) -> dict[str, Any]:
        body = copy.deepcopy(self._body) | {"project": project}
        answer = requests.post(f"{self.server.url}/predict", json=body, timeout=120)
        answer.raise_for_status()
        (result,) = answer.json()["results"]
        return dict(result)

    def held(self) -> set[str]:
        return set(requests.get(f"{self.server.url}/versions", timeout=30).json()["versions"])


@pytest.fixture(scope="module")
def teams(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Teams]:
    folder = tmp_path_factory.mktemp("teams")
    live, registries, lines = {}, {}, ["pipelines:"]
    for factor, name in ((1.001, "cells"), (1.002, "roads")):
        (folder / name).mkdir()
        registries[name], live[name] = published(folder / name, "team", factor)
        lines.append(f"  {name}: {{source: labels, model: team, registry: {registries[name].uri}}}")
    (folder / "pipelines.yaml").write_text("\n".join(lines))
    extra = {
        "RITM_PIPELINES": str(folder / "pipelines.yaml"),
        "RITM_PIPELINE_MODELS": "1",
        "RITM_REGISTRY_SECONDS": "0.2",
        "RITM_PROJECTS_FOLDER": str(folder / "projects"),
    }
    with ritm_serve(folder, extra) as server:
        yield Teams(server, live, registries)


def test_each_project_has_the_model_of_its_pipeline_and_few_are_held(teams: Teams) -> None:
    teams.open_page("1.1", {"pipeline": "cells"})
    teams.open_page("2.2", {"pipeline": "roads"})
    teams.open_page("3.3", None)
    answers = {project: teams.click(project) for project in ("1.1", "2.2", "3.3")}
    assert {project: answer["model_version"] for project, answer in answers.items()} == {
        "1.1": teams.live["cells"],
        "2.2": teams.live["roads"],
        "3.3": teams.usual,
    }
    assert all(answer["result"] for answer in answers.values())
    assert teams.held() == {teams.usual, teams.live["roads"]}, "of pipelines, the last one wanted is held"
    assert teams.click("1.1")["model_version"] == teams.live["cells"]
    assert teams.held() == {teams.usual, teams.live["cells"]}
    assert "model of a pipeline let go" in teams.server.text()


def test_a_pipeline_follows_its_own_registry(teams: Teams, tmp_path: Path) -> None:
    teams.open_page("1.1", {"pipeline": "cells"})
    assert teams.click("1.1")["model_version"] == teams.live["cells"]
    registry = teams.registries["cells"]
    newer = registry.publish("team", bundled_model_path(), {})
    registry.promote("team", newer, teams.live["cells"])
    wait_until(lambda: newer in teams.held(), "the swap", within_s=60, server=teams.server)
    registry.rollback("team")
    wait_until(lambda: newer not in teams.held(), "going back", within_s=60, server=teams.server)


def test_a_pipeline_that_is_not_there_answers_nothing_and_says_why(teams: Teams) -> None:
    teams.open_page("4.4", {"pipeline": "cels"})
    answer = teams.click("4.4")
    assert answer["result"] == []
    assert "no pipeline 'cels' (did you mean 'cells'?); known ones are cells, roads." in answer["message"]
    assert "click not answered" in teams.server.text()


def test_projects_are_known_after_a_restart(teams: Teams, tmp_path: Path) -> None:
    teams.open_page("1.1", {"pipeline": "cells"})
    folder = teams.server.log.parent
    extra = {
        "RITM_PIPELINES": str(folder / "pipelines.yaml"),
        "RITM_PROJECTS_FOLDER": str(folder / "projects"),
    }
    with ritm_serve(tmp_path, extra) as server:
        live = teams.registries["cells"].live("team")
        assert live is not None
        again = Teams(server, teams.live, teams.registries)
        assert again.click("1.1")["model_version"] == live.version
