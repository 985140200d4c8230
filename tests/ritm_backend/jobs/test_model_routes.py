"""Models, their candidates and what people decide on them, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry
from ritm_ops.registry.filmstrips import write_filmstrips
from ritm_ops.registry.tallies import Counts, Tally
from ritm_ops.registry.trials import Trials


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(open_store(str(tmp_path / "registry")))


@pytest.fixture
def client(tmp_path: Path, registry: Registry, client_with: Callable[..., FlaskClient]) -> FlaskClient:
    file = tmp_path / "pipelines.yaml"
    file.write_text(f"pipelines: {{cells: {{source: labels, registry: {registry.uri}}}}}")
    return client_with(pipelines=file)


@pytest.fixture
def versions(registry: Registry, tmp_path: Path) -> tuple[str, str]:
    """The live version of the model cells, and a candidate."""
    published = []
    for weights in (b"old", b"new"):
        path = tmp_path / f"{weights.decode()}.safetensors"
        path.write_bytes(weights)
        path.with_suffix(".json").write_text(json.dumps({"sha256": sha256(weights).hexdigest()}))
        report = {"noc_before": 6.5, "noc_after": 4.25, "decision": "NoC@90 fell."}
        published.append(registry.publish("cells", path, report))
    registry.promote("cells", published[0], None)
    return published[0], published[1]


def decide(client: FlaskClient, action: str, version: str, **more: Any) -> tuple[int, Any]:
    body = {"pipeline": "cells", "action": action, "version": version, **more}
    answer = client.post("/training/models", json=body)
    return answer.status_code, answer.json


def test_models_are_shown_with_candidates_trials_and_accepted_objects(
    client: FlaskClient, registry: Registry, versions: tuple[str, str]
) -> None:
    trials = Trials(open_store(registry.uri))
    trials.begin("cells", versions[1], "canary", share=0.5, objects=40)
    for day, clicks in ((date(2026, 1, 1), 4), (date(2026, 1, 2), 3)):
        trials.count("cells", Counts(by_day={day: {versions[0]: Tally.of_one(clicks)}}))
    (model,) = client.get("/training/models").json["models"]
    assert (model["pipeline"], model["model"], model["live"]) == ("cells", "cells", versions[0])
    assert model["can_roll_back"] is False
    (candidate,) = model["candidates"]
    assert (candidate["version"], candidate["noc_before"], candidate["noc_after"]) == (versions[1], 6.5, 4.25)
    assert candidate["trial"] == "canary: 0.00 clicks on 0 of 40 objects, live 0.00 on 0"
    assert [(line["day"], line["objects"], line["clicks"]) for line in model["accepted"]] == [
        ("2026-01-02", 1, 3),
        ("2026-01-01", 1, 4),
    ]


def test_people_decide(client: FlaskClient, registry: Registry, versions: tuple[str, str]) -> None:
    old, new = versions
    status, model = decide(client, "approve", new)
    assert (status, model["live"], model["can_roll_back"]) == (200, new, True)
    assert registry.history("cells")[-1].by == "somebody on the page"
    assert decide(client, "roll back", old)[0] == 409, "another version is live than the page has shown"
    status, model = decide(client, "roll back", new)
    assert (status, model["live"], model["candidates"]) == (200, old, [])
    assert decide(client, "roll back", old)[0] == 409, "nothing was live before"


def test_what_is_rejected_is_no_candidate_any_more(client: FlaskClient, versions: tuple[str, str]) -> None:
    status, model = decide(client, "reject", versions[1])
    assert (status, model["candidates"]) == (200, [])
    status, refused = decide(client, "approve", versions[1])
    assert status == 409
    assert "was rejected by somebody on the page" in refused["error"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"pipeline": "roads"}, 404),
        ({"pipeline": None}, 404),
        ({"version": "cells-00000000"}, 409),
        ({"version": ""}, 400),
        ({"action": "delete"}, 400),
        ({"colour": 1}, 400),
    ],
)
def test_what_cannot_be_decided(
    client: FlaskClient, versions: tuple[str, str], more: dict[str, Any], status: int
) -> None:
    found, answer = decide(client, **{"action": "approve", "version": versions[1], **more})
    assert found == status
    assert answer["error"]


def test_filmstrips_are_those_of_the_version(
    client: FlaskClient, registry: Registry, versions: tuple[str, str]
) -> None:
    old, new = versions
    write_filmstrips(open_store(registry.uri), "cells", new, {"objects": []})
    query = {"pipeline": "cells", "version": new}
    assert client.get("/training/models/filmstrips", query_string=query).json == {"objects": []}
    for missing in ({"version": old}, {"pipeline": "roads"}, {"version": "../.."}, {"version": ""}):
        answer = client.get("/training/models/filmstrips", query_string={**query, **missing})
        assert answer.status_code in (404, 409)
        assert answer.json["error"]


def test_a_server_of_no_registry_has_no_models(client_with: Callable[..., FlaskClient]) -> None:
    client = client_with()
    nothing = {"model": None, "live": None, "can_roll_back": False, "candidates": [], "accepted": []}
    assert client.get("/training/models").json == {"models": [{"pipeline": None, "learns": False, **nothing}]}
    assert decide(client, "approve", "cells-1", pipeline=None)[0] == 404
