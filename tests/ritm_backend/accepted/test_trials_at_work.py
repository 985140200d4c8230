"""`ritm serve` with candidates on trial: a canary that is closed, one that is published, and a shadow."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import torch
from backend import ritm_serve
from PIL import Image, ImageDraw
from processes import Server, wait_until

from ritm_model.checkpoints import bundled_model_path, load_model, save_model
from ritm_ops.object_store import ObjectStore, open_store
from ritm_ops.registry import Registry
from ritm_ops.registry.tallies import Agreement, Tally
from ritm_ops.registry.trials import Counted, Kind, Trial, Trials

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"
MODELS = ("closed", "published", "shadowed")

pytestmark = pytest.mark.slow

Region = dict[str, Any]


def tally(*clicks: int) -> Tally:
    return sum((Tally.of_one(each) for each in clicks), Tally())


class Annotators:
    """Clicks of a project whose model is called like its pipeline, and what is accepted there."""

    def __init__(self, server: Server, model: str) -> None:
        self._url, self._model, self._objects = server.url, model, 0
        body = {"project": model, "schema": "<View/>", "extra_params": {"pipeline": model}}
        requests.post(f"{server.url}/setup", json=body, timeout=60).raise_for_status()
        self._body = json.loads(next(PAYLOADS.glob("18_*.json")).read_text())["json"]
        self._point = self._body["params"]["context"]["result"][:2]  # a keypoint and its label
        assert self.click(1)[0]  # the model is loaded from now on

    def versions(self) -> list[str]:
        found: list[str] = requests.get(f"{self._url}/versions", timeout=30).json()["versions"]
        return found

    def click(self, clicks: int) -> tuple[str, list[Region]]:
        """Click so often on a new object: the version that answers all clicks, and the last regions."""
        self._objects += 1
        points: list[Region] = []
        versions = set()
        for number in range(clicks):
            for part in copy.deepcopy(self._point):
                part["id"] = f"{self._model}-{self._objects}-{number}"
                part["value"]["x"] += number
                points.append(part)
            body = self._body | {"project": self._model, "params": {"context": {"result": points}}}
            answer = requests.post(f"{self._url}/predict", json=body, timeout=120)
            answer.raise_for_status()
            (result,) = answer.json()["results"]
            versions.add(result["model_version"])
        (version,) = versions
        return version, result["result"]

    def object_of(self, version: str, clicks: int) -> list[Region]:
        """The regions of a new object that this version answers."""
        for _ in range(60):
            found, regions = self.click(clicks)
            if found == version:
                return regions
        raise AssertionError(f"{version} never answers")

    def accept(self, regions: list[Region], action: str = "ANNOTATION_CREATED") -> None:
        event = {"action": action, "annotation": {"result": regions}, "project": {"id": 8}}
        requests.post(f"{self._url}/webhook", json=event, timeout=30).raise_for_status()


class Site:
    """A server of three models with a live version and a candidate each, none of them on trial yet."""

    def __init__(self, server: Server, store: ObjectStore, live: str, candidate: str) -> None:
        self.server, self.trials, self.registry = server, Trials(store), Registry(store)
        self._versions = live, candidate

    def versions(self, model: str) -> tuple[str, str]:
        return tuple(f"{model}-{each}" for each in self._versions)  # type: ignore[return-value]

    def begin(self, model: str, kind: Kind, share: float) -> Annotators:
        """Put the candidate on trial; when this returns, the server takes part."""
        annotators = Annotators(self.server, model)
        candidate = self.versions(model)[1]
        self.trials.begin(model, candidate, kind, share=share, objects=30)
        wait_until(lambda: candidate in annotators.versions(), "the trial", within_s=120, server=self.server)
        return annotators

    def trial(self, model: str) -> Trial:
        found = self.trials.last(model)
        assert found is not None
        return found

    def ended(self, model: str) -> str:
        wait_until(lambda: not self.trial(model).is_running, "the end", within_s=120, server=self.server)
        return self.trial(model).outcome


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    store = open_store(str(folder / "registry"))
    registry, lines, hashes = Registry(store), ["pipelines:"], []
    weights = load_model(bundled_model_path())
    with torch.no_grad():
        next(weights.parameters()).mul_(1.001)
    save_model(folder / "candidate.safetensors", weights)
    for model in MODELS:
        live = registry.publish(model, bundled_model_path(), {})
        candidate = registry.publish(model, folder / "candidate.safetensors", {})
        registry.promote(model, live, None)
        hashes = [live.rpartition("-")[2], candidate.rpartition("-")[2]]
        lines.append(f"  {model}: {{source: labels, registry: {folder / 'registry'}}}")
    (folder / "pipelines.yaml").write_text("\n".join(lines))
    picture = Image.new("RGB", (800, 600), (90, 120, 80))
    ImageDraw.Draw(picture).ellipse((110, 200, 310, 400), fill=(220, 60, 40))
    (folder / "pictures").mkdir()
    picture.save(folder / "pictures/48c7c85b-t.jpg")
    extra = {
        "RITM_PIPELINES": str(folder / "pipelines.yaml"),
        "RITM_PIPELINE_MODELS": "3",
        "RITM_REGISTRY_SECONDS": "0.2",
        "RITM_IMAGES_FROM": str(folder / "pictures"),
        "RITM_RATE_PER_MINUTE": "0",
    }
    with ritm_serve(folder, extra) as server:
        yield Site(server, store, *hashes)


def test_a_canary_that_takes_more_clicks_is_closed(site: Site) -> None:
    live, candidate = site.versions("closed")
    annotators = site.begin("closed", "canary", 0.5)
    # As if other servers had counted most of it.
    others = Counted(candidate=tally(*[5, 6] * 14, 5), live=tally(*[2, 3] * 15))
    site.trials.add("closed", candidate, others)

    annotators.accept(annotators.object_of(live, 1))
    regions = annotators.object_of(candidate, 2)
    annotators.accept(regions)
    annotators.accept(regions, "ANNOTATION_UPDATED")  # the same object, which counts once
    assert site.ended("closed") == "closed: it takes more clicks"
    trial = site.trial("closed")
    assert trial.candidate == others.candidate + tally(2)
    assert trial.live in (others.live, others.live + tally(1)), "told at the same time, or before"
    assert site.registry.live("closed").version == live  # type: ignore[union-attr]
    assert site.registry.candidates("closed") == ()
    wait_until(
        lambda: {annotators.click(1)[0] for _ in range(10)} == {live},
        "the gate",
        within_s=120,
        server=site.server,
    )


def test_a_canary_that_takes_no_more_is_published(site: Site) -> None:
    live, candidate = site.versions("published")
    annotators = site.begin("published", "canary", 0.5)
    site.trials.add(
        "published", candidate, Counted(candidate=tally(*[1, 2] * 14, 1), live=tally(*[2, 3] * 15))
    )
    annotators.accept(annotators.object_of(candidate, 1))
    assert site.ended("published") == "published"
    change = site.registry.history("published")[-1]
    assert (change.version, change.previous, change.by) == (candidate, live, "canary")
    assert "canary: 1.47 clicks on 30 of 30 objects, live 2.50 on 30" in change.why
    assert site.trials.counts("published").of_version(candidate) == tally(1)
    wait_until(
        lambda: {annotators.click(1)[0] for _ in range(5)} == {candidate},
        "the new live version",
        within_s=60,
        server=site.server,
    )


def test_a_shadow_is_seen_by_nobody_and_measured(site: Site) -> None:
    live, _ = site.versions("shadowed")
    annotators = site.begin("shadowed", "shadow", 1.0)
    version, regions = annotators.click(1)
    assert version == live
    annotators.accept(regions)

    def agreement() -> Agreement:
        return site.trial("shadowed").agreement

    wait_until(lambda: agreement().objects == 1, "the measure", within_s=120, server=site.server)
    assert agreement().iou > 0.9, "its weights are almost those of the live version"
    (_, (region, *_)) = annotators.click(1)
    corner = {"points": [[90, 90], [99, 90], [99, 99]], "closed": True, "polygonlabels": ["Object"]}
    annotators.accept([{**region, "type": "polygonlabels", "value": corner}])
    wait_until(lambda: agreement().objects == 2, "the measure", within_s=120, server=site.server)
    assert agreement().iou < 1.1, "what was accepted is compared, not what was answered"
    assert {annotators.click(1)[0] for _ in range(5)} == {live}
    assert "shadow: IoU 0." in site.trial("shadowed").sentence
