"""What every request gets: an id, a place in the counts, and a limit."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.settings import Settings
from ritm_ops.pictures import PictureFetcher

OPERATIONS = Path(__file__).parents[3] / "docs/operations.md"


def samples(client: FlaskClient) -> dict[tuple[str, ...], float]:
    """Values by name and labels, as Prometheus reads them."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_a_click_is_counted_by_stage(client: FlaskClient, recorded: Callable[[str], Any]) -> None:
    before = samples(client)
    assert ("ritm_clicks_total",) in before
    assert client.post("/predict", json=recorded("04")).status_code == 200
    after = samples(client)
    assert after["ritm_clicks_total",] == before["ritm_clicks_total",] + 2  # as in the recorded request
    assert after["ritm_requests_total", "/predict", "200"] == 1
    assert after["ritm_request_seconds_count", "/predict"] == 1
    stages = {
        labels[1]
        for name, *labels in after
        if name == "ritm_stage_seconds_count"
        for labels in [[name, *labels]]
    }
    assert {"receive", "parse", "encode", "respond"} <= stages
    assert after["ritm_ready",] == 1
    assert after["ritm_sessions",] >= 1
    assert after["ritm_cached_images",] >= 1
    assert after["ritm_cache_bytes",] > 0


def test_the_documented_metrics_are_the_real_ones(client: FlaskClient) -> None:
    documented = dict(re.findall(r"^\| `(ritm_\w+)` \| (\w+) \|", OPERATIONS.read_text(), flags=re.MULTILINE))
    families = text_string_to_metric_families(client.get("/metrics").text)
    real = {family.name: family.type for family in families if not family.name.endswith("_created")}
    assert documented == real


def test_a_model_that_is_not_there_is_told(settings: Settings) -> None:
    def load() -> Any:
        raise ModelUnavailableError("It is gone.")

    host = ModelHost(load, "gone")
    assert (
        samples(create_app(settings, host, PictureFetcher(settings.picture_access)).test_client())[
            "ritm_ready",
        ]
        == 0
    )


def test_paths_that_nobody_serves_do_not_become_metrics(client: FlaskClient) -> None:
    client.get("/some/secret/path")
    assert "secret" not in client.get("/metrics").text
    assert samples(client)["ritm_requests_total", "other", "404"] == 1


def test_metrics_need_the_password(settings: Settings, host: ModelHost) -> None:
    guarded = settings.model_copy(
        update={"basic_auth_user": "anna", "basic_auth_pass": settings.label_studio_api_key}
    )
    client = create_app(guarded, host, PictureFetcher(guarded.picture_access)).test_client()
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", auth=("anna", "a" * 40)).status_code == 200


class TestRequestIds:
    def test_a_given_one_comes_back_and_is_logged(self, client: FlaskClient, caplog: Any) -> None:
        caplog.set_level("INFO", logger="ritm_backend")
        answer = client.get("/versions", headers={"X-Request-ID": "from-the-proxy.1"})
        assert answer.headers["X-Request-ID"] == "from-the-proxy.1"
        assert [record.fields["request_id"] for record in caplog.records] == ["from-the-proxy.1"]

    @pytest.mark.parametrize("given", ["", "a" * 65, 'a"b', "a b", "é"])
    def test_others_get_a_new_one_each(self, client: FlaskClient, given: str) -> None:
        ids = {client.get("/versions", headers={"X-Request-ID": given}).headers["X-Request-ID"] for _ in "ab"}
        assert len(ids) == 2
        assert all(re.fullmatch("[0-9a-f]{16}", each) for each in ids)


def test_a_flood_is_told_when_to_come_back_and_health_is_not_counted(
    settings: Settings, host: ModelHost
) -> None:
    limited = settings.model_copy(update={"rate_per_minute": 3})
    client = create_app(limited, host, PictureFetcher(limited.picture_access)).test_client()
    for _ in range(5):
        assert client.get("/health").status_code == 200
    codes = [client.get("/versions").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    answer = client.get("/versions")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "wait a moment" in answer.json["error"]
