"""Requests that no annotator makes, to a real server: each is answered with a sentence, others go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
import requests
from annotators import click, request_of
from backend import ritm_serve
from processes import Server

IMAGE = "/data/upload/hostile/1.jpg"
JSON = {"Content-Type": "application/json"}
MANY = 20_000
CONFIG: str = request_of(1, 1, IMAGE)["label_config"]
DEEP = b"[" * 200_000 + b"]" * 200_000
ODD = {
    "deep lists": DEEP,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "no numbers": b'{"project": NaN, "tasks": [1e400], "annotation": -Infinity, "action": "START_TRAINING"}',
    "a number of 5000 digits": b'{"project": {"id": 1' + b"0" * 5000 + b"}}",
    "halves of characters": b'{"project": "\\ud800", "action": "\\udfff", "extra_params": "\\ud800"}',
    "other types": b'{"project": [1], "action": {"a": 1}, "annotation": [1, {"result": [{"id": {}}]}]}',
    "keys twice": b'{"tasks": [], "tasks": 5, "label_config": "", "label_config": null}',
    "bytes": bytes(range(256)),
}
ROUTES = ("/predict", "/setup", "/webhook", "/demo/files", "/training/models")


@pytest.fixture(scope="module")
def server(image_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with ritm_serve(tmp_path_factory.mktemp("requests"), image_settings) as running:
        yield running


def posted(server: Server, path: str, body: bytes) -> requests.Response:
    return requests.post(server.url + path, data=body, headers=JSON, timeout=60)


@pytest.mark.parametrize("kind", ODD)
def test_odd_json_is_refused_with_a_sentence_on_every_route(server: Server, kind: str) -> None:
    for path in ROUTES:
        answer = posted(server, path, ODD[kind])
        assert answer.status_code in (200, 400), (path, answer.text)
        assert answer.ok or answer.json()["error"].endswith(".")
    assert '"fault"' not in server.text()


@pytest.mark.parametrize("path", ["/predict", "/setup", "/webhook"])
def test_more_values_than_a_task_has_are_not_read(server: Server, path: str) -> None:
    answer = posted(server, path, b'{"tasks": [' + b"[]," * 2_000_000 + b"0]}")
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "The request holds more than 2,000,000 values beside masks.",
    )


def boxes_of_as_many_labels(task: dict[str, Any]) -> None:
    place = {"x": 1, "y": 1, "width": 1, "height": 1}
    about = {"type": "rectanglelabels", "from_name": "box", "to_name": "image"}
    boxes = [about | {"value": place | {"rectanglelabels": [str(number)]}} for number in range(MANY)]
    task |= {"predictions": [{"result": boxes}], "data": {}}  # without an image no network is needed


def drafts_of_as_many_annotations(task: dict[str, Any]) -> None:
    task["drafts"] = [{"annotation": number} for number in range(MANY)]
    task["annotations"] = [{"id": -1 - number} for number in range(MANY)]


@pytest.mark.parametrize("fill", [drafts_of_as_many_annotations, boxes_of_as_many_labels])
def test_work_grows_with_what_a_task_holds_and_no_faster(
    server: Server, fill: Callable[[dict[str, Any]], None]
) -> None:
    opened = request_of(1, 1, IMAGE)
    opened["params"]["context"] = None
    fill(opened["tasks"][0])
    assert posted(server, "/predict", json.dumps(opened).encode()).status_code == 200


def test_a_polygon_that_runs_to_and_fro_costs_a_click_nothing(server: Server) -> None:
    asked = request_of(3, 1, IMAGE)
    (point,) = asked["params"]["context"]["result"]
    zigzag = [[100 * (number % 2), 100 * number / MANY] for number in range(MANY)]
    value = {
        "points": zigzag,
        "polygonlabels": point["value"].get("keypointlabels", point["value"]["labels"]),
    }
    polygon = {"id": "zigzag", "type": "polygonlabels", "to_name": point["to_name"], "value": value}
    asked["tasks"][0] |= {"drafts": [], "predictions": [{"id": 1, "result": [polygon]}]}
    (prediction,) = posted(server, "/predict", json.dumps(asked).encode()).json()["results"]
    assert (prediction.get("message", ""), len(prediction["result"])) == ("", 1)


def test_a_request_of_very_many_tasks_is_logged_in_short(server: Server) -> None:
    opened = {"tasks": [{"id": 10**4000}] + [{"id": 2**62}] * (MANY - 1), "label_config": CONFIG}
    before = len(server.text())
    assert posted(server, "/predict", json.dumps(opened).encode()).json() == {"results": [[]] * MANY}
    assert len(server.text()) - before < 2000


def test_afterwards_clicks_are_answered(server: Server) -> None:
    assert click(server.url, 2, 1, IMAGE).is_well
