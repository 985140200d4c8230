"""Who is turned away by the head of his request, on every route that there is."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from flask import Flask

from ritm_backend.admission.hosts import AllowedHosts
from ritm_backend.app import create_app
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_ops.pictures import PictureFetcher

HOST = {"Host": "localhost:9090"}
JSON = {"Content-Type": "application/json"}


def app_with(**settings: object) -> Flask:
    chosen = Settings(**settings)
    host = ModelHost(lambda: pytest.fail("no model is needed"), "none")
    return create_app(chosen, host, PictureFetcher(chosen.picture_access))


@pytest.fixture(scope="module")
def app() -> Flask:
    return app_with(public_hosts=("ritm.example.org",))


def routes(app: Flask, method: str) -> list[str]:
    rules = (rule for rule in app.url_map.iter_rules() if method in (rule.methods or ()))
    return [re.sub("<.*?>", "a", rule.rule) for rule in rules]


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:9",
        "127.0.0.1:9090",
        "[::1]:9090",
        "10.1.2.3",
        "a.localhost",
        "ritm.example.org",
    ],
)
def test_own_names_and_all_addresses_are_answered_to(app: Flask, host: str) -> None:
    assert app.test_client().get("/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example",
        "attacker.example:9090",
        "localhost.attacker.example",
        "a@127.0.0.1.x",
        "attacker@localhost",
        "[::1].attacker.example",
        "localhost/attacker.example",
        "",
        "[",
        "x",
    ],
)
def test_a_name_that_leads_here_by_rebinding_is_refused_on_every_route(app: Flask, host: str) -> None:
    client = app.test_client()
    for method in ("GET", "POST"):
        for path in routes(app, method):
            answer = client.open(path, method=method, headers={"Host": host})
            assert answer.status_code == 421, path
    assert "RITM_PUBLIC_HOSTS" in answer.json["error"]


def test_beyond_this_machine_containers_are_known_by_names_of_one_word() -> None:
    beyond = AllowedHosts("0.0.0.0", (), is_local=False)
    assert "backend:9090" in beyond
    assert "backend.internal:9090" in beyond
    assert "ritm.team.svc.cluster.local" in beyond
    assert "attacker.example" not in beyond
    for name in ("backend", "backend.internal"):
        assert name not in AllowedHosts("127.0.0.1", (), is_local=True)


@pytest.mark.parametrize(
    "from_elsewhere",
    [
        {"Origin": "http://attacker.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9091"},
        {"Referer": "http://attacker.example/page"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://localhost:9090", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://["},
    ],
)
def test_a_page_of_another_site_may_not_ask_on_any_route(
    app: Flask, from_elsewhere: Mapping[str, str]
) -> None:
    client = app.test_client()
    for path in routes(app, "POST"):
        answer = client.post(path, data=b"{}", headers={**HOST, **JSON, **from_elsewhere})
        assert answer.status_code == 403, path


@pytest.mark.parametrize(
    "from_here",
    [
        {},
        {"Origin": "http://localhost:9090"},
        {"Origin": "https://ritm.example.org"},  # behind a proxy that gives us another Host
        {"Referer": "http://localhost:9090/"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_own_pages_and_programs_may(app: Flask, from_here: Mapping[str, str]) -> None:
    answer = app.test_client().post("/setup", data=b"{}", headers={**HOST, **JSON, **from_here})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", None]
)
def test_what_a_form_can_send_is_no_json(app: Flask, kind: str | None) -> None:
    client = app.test_client()
    for path in routes(app, "POST"):
        if not path.startswith("/demo/"):
            assert client.post(path, data=b"{}", content_type=kind).status_code == 415, path
    if kind:
        for path in ("/demo/images", "/demo/masks"):
            assert client.post(path, data=b"{}", content_type=kind).status_code == 415, path


def test_probes_need_no_password_and_tell_nothing() -> None:
    client = app_with(basic_auth_user="anna", basic_auth_pass="x").test_client()
    assert client.get("/live").json == {"status": "LIVE"}
    assert client.get("/health").status_code == 200
    told = client.get("/ready")
    assert (told.status_code, told.json) == (503, {"error": "The model is not ready."})
    assert "none" in client.get("/ready", auth=("anna", "x")).json["error"]
