"""What the client makes of answers that a Label Studio of the community edition does not give."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixed_answers import Answers, answering

from ritm_backend.connect.projects import ConnectError, Wish, connect, recommended_config
from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError

TOKEN = "0123456789abcdef0123456789abcdef01234567"


def test_a_redirect_is_named_and_not_followed() -> None:
    with answering({}) as (elsewhere, followed):
        moved: Answers = {"GET /api/projects/1": (301, {"Location": f"{elsewhere}/api/projects/1"}, "")}
        with (
            answering(moved) as (url, _),
            LabelStudioClient(url, TOKEN) as client,
            pytest.raises(LabelStudioError, match=f"{elsewhere}: give that address"),
        ):
            client.call("GET", "/api/projects/1")
        assert followed == []


@pytest.mark.parametrize("body", ["<html>A log-in page</html>", [1, 2], "null"])
def test_another_web_server_is_not_taken_for_label_studio(body: object) -> None:
    with (
        answering({"GET /api/projects/1": (200, {}, body)}) as (url, _),
        LabelStudioClient(url, TOKEN) as client,
        pytest.raises(LabelStudioError, match="does not answer like Label Studio"),
    ):
        connect(client, Wish(project="1"))


def test_a_sub_path_is_kept_and_the_token_sent() -> None:
    with (
        answering({"GET /tools/ls/api/projects/1": (200, {}, {"id": 1})}) as (url, seen),
        LabelStudioClient(f" {url}/tools/ls/ ", TOKEN) as client,
    ):
        assert client.call("GET", "/api/projects/1") == {"id": 1}
    assert seen == [("GET /tools/ls/api/projects/1", f"Token {TOKEN}")]


def test_a_login_of_netrc_does_not_replace_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with (
        answering({"GET /api/projects/1": (200, {}, {"id": 1})}) as (url, seen),
        LabelStudioClient(url, TOKEN) as client,
    ):
        client.call("GET", "/api/projects/1")
    assert seen == [("GET /api/projects/1", f"Token {TOKEN}")]


def test_several_projects_of_the_title_to_make_are_not_chosen_from() -> None:
    same = [{"id": number, "title": "Cats"} for number in (3, 5)]
    with (
        answering({"GET /api/projects": (200, {}, {"results": same})}) as (url, _),
        LabelStudioClient(url, TOKEN) as client,
        pytest.raises(ConnectError, match=r"Several projects are called 'Cats': .*\(3, 5\)"),
    ):
        connect(client, Wish(create="Cats", labels=("Cat",)))


def test_a_user_who_may_not_change_the_project() -> None:
    project = {"id": 1, "title": "Cats", "label_config": recommended_config(["Cat"])}
    refusal = {"detail": "You do not have permission to perform this action."}
    answers: Answers = {
        "GET /api/projects/1": (200, {}, project),
        "GET /api/ml": (200, {}, []),
        "POST /api/ml": (403, {}, refusal),
    }
    with answering(answers) as (url, _), LabelStudioClient(url, TOKEN) as client:
        report = connect(client, Wish(project="1"))
    assert not report.is_ready
    assert any("may not change" in finding.what for finding in report.findings)
    assert report.backend_id is None


def test_the_address_that_is_told_is_the_one_that_people_open() -> None:
    project = {"id": 1, "title": "Cats", "label_config": recommended_config(["Cat"])}
    answers: Answers = {"GET /api/projects/1": (200, {}, project), "GET /api/ml": (200, {}, [])}
    with answering(answers) as (url, _), LabelStudioClient(url, TOKEN) as client:
        for pages, told in (("", url), ("https://labels.example.com", "https://labels.example.com")):
            report = connect(client, Wish(project="1", pages=pages, dry_run=True))
            assert report.project_url == f"{told}/projects/1/data"


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://localhost", "http://", "http://user:pass@localhost"]
)
def test_an_address_has_to_be_one(url: str) -> None:
    with pytest.raises(LabelStudioError, match="is not an address of Label Studio"):
        LabelStudioClient(url, TOKEN)


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "ünïcode"])
def test_a_token_that_cannot_be_one_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(LabelStudioError) as refusal:
        LabelStudioClient("http://localhost:8080", token)
    assert not token or token not in str(refusal.value)
