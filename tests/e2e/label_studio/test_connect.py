"""`ritm connect` against real Label Studios: what it sets up, and what it says about what is in the way."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from backend import connected, ritm_connect, ritm_serve
from label_studio_server import LEGACY_TOKEN, SAMPLES, LabelStudio, label_studio
from processes import Server, free_port
from pydantic import SecretStr

from ritm_backend.connect.config import recommended_config
from ritm_backend.connect.projects import Checklist, ConnectError, connect
from ritm_backend.connect.wish import Wish
from ritm_ops.label_studio.client import LabelStudioClient, LabelStudioError
from ritm_ops.pictures import PictureAccess, PictureFetcher

_numbers = itertools.count(1)


def make_project(studio: LabelStudio, config: str | None = None) -> dict[str, Any]:
    body = {"title": f"Connect {next(_numbers)}", "label_config": config or recommended_config(["Cat"])}
    project: dict[str, Any] = studio.call("POST", "/api/projects", json=body)
    return project


def backends(studio: LabelStudio, project: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = studio.call("GET", f"/api/ml?project={project}")
    return found


def webhooks(studio: LabelStudio, project: int) -> list[str]:
    return [hook["url"] for hook in studio.call("GET", f"/api/webhooks/?project={project}")]


def run(studio: LabelStudio, wish: Wish, token: str = LEGACY_TOKEN) -> Checklist:
    with LabelStudioClient(studio.url, token) as client:
        return connect(client, wish)


def problems(report: Checklist) -> list[tuple[str, str]]:
    return [(finding.what, finding.fix) for finding in report.findings if finding.level == "problem"]


@pytest.fixture(scope="module")
def half_open_studio(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """Label Studio with one of the two switches for local backends only."""
    extra = {"ML_BLOCK_LOCAL_IP": "false"}
    with label_studio(template, tmp_path_factory.mktemp("half"), extra, legacy=True) as running:
        yield running


@pytest.fixture(scope="module")
def guarded_backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A backend that asks for a user and password."""
    extra = {"BASIC_AUTH_USER": "annotation", "BASIC_AUTH_PASS": "open sesame"}
    with ritm_serve(tmp_path_factory.mktemp("guarded"), extra, health="/health") as running:
        yield running


def test_a_new_project_is_made_and_connected_once(studio: LabelStudio, backend: Server) -> None:
    order = ["--create-project", "Pets", "--label", "Cat", "--label", "Dog", "--backend", backend.url]
    first = connected(studio.url, LEGACY_TOKEN, *order)
    second = connected(studio.url, LEGACY_TOKEN, *order)
    assert first["is_ready"]
    assert first["project_url"] == f"{studio.url}/projects/{first['project_id']}/data"
    assert second["project_id"] == first["project_id"]
    (there,) = backends(studio, first["project_id"])
    assert there["id"] == first["backend_id"] == second["backend_id"]
    assert there["is_interactive"]
    assert there["readable_state"] == "Connected"
    assert webhooks(studio, first["project_id"]) == [f"{backend.url}/webhook"]
    stored = studio.call("GET", f"/api/projects/{first['project_id']}")["label_config"]
    assert stored == recommended_config(["Cat", "Dog"])


def test_only_a_project_of_exactly_that_title_is_taken_for_the_new_one(
    studio: LabelStudio, backend: Server
) -> None:
    birds, lower, again = (
        run(studio, Wish(create=title, labels=(label,), backend=backend.url))
        for title, label in [("Birds", "Owl"), ("birds", "Owl"), ("Birds", "Tit")]
    )
    assert lower.project_id != birds.project_id == again.project_id
    assert not any("not used" in finding.what for finding in (*birds.findings, *lower.findings))
    (advice,) = [finding for finding in again.findings if "not used: Tit" in finding.what]
    assert advice.level == "advice"


def test_a_login_that_was_set_up_is_kept(studio: LabelStudio, backend: Server) -> None:
    wish = Wish(project=str(make_project(studio)["id"]), backend=backend.url)
    run(studio, replace(wish, basic_auth_user="annotation", basic_auth_pass=SecretStr("open sesame")))
    run(studio, wish)
    (there,) = backends(studio, int(wish.project))
    assert (there["auth_method"], there["basic_auth_user"]) == ("BASIC_AUTH", "annotation")


def test_without_a_task_there_is_no_trial_click(studio: LabelStudio, backend: Server) -> None:
    report = run(studio, Wish(project=str(make_project(studio)["id"]), backend=backend.url))
    assert report.is_ready
    assert any("no task yet" in finding.what for finding in report.findings)


def test_a_project_is_found_by_number_and_title(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    for name in (str(project["id"]), project["title"], project["title"].upper()):
        assert run(studio, Wish(project=name, backend=backend.url)).project_id == project["id"]
    assert len(backends(studio, project["id"])) == 1


def test_a_personal_access_token_will_do(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    report = run(studio, Wish(project=str(project["id"]), backend=backend.url), studio.personal_token)
    assert report.is_ready
    assert backends(studio, project["id"])[0]["id"] == report.backend_id


def test_the_backend_moves_instead_of_doubling(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    elsewhere = backend.url.replace("127.0.0.1", "localhost")
    for url in (backend.url, elsewhere):
        run(studio, Wish(project=str(project["id"]), backend=url))
    (there,) = backends(studio, project["id"])
    assert there["url"] == elsewhere
    assert webhooks(studio, project["id"]) == [f"{elsewhere}/webhook"]


def test_the_checklist_is_for_people(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio, '<View><Image name="image" value="$image"/></View>')
    done = ritm_connect(studio.url, LEGACY_TOKEN, "--project", project["title"], "--backend", backend.url)
    assert done.returncode == 1
    assert f"{studio.url}/projects/{project['id']}/data" in done.stdout
    assert "✗ There is no brush" in done.stdout
    assert 'Add <KeyPoint name="click" toName="image" smart="true"/>' in done.stdout
    assert "✓ The backend" in done.stdout
    assert "Ready" not in done.stdout


def test_a_trial_click_goes_the_whole_way(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    task = studio.upload(project["id"], SAMPLES / "coins.jpg")
    report = run(studio, Wish(project=str(project["id"]), backend=backend.url))
    assert report.is_ready
    assert any(f"trial click on task {task['id']} came back" in finding.what for finding in report.findings)
    assert studio.call("GET", f"/api/tasks/{task['id']}")["predictions"] == []


def test_a_trial_click_tells_of_an_image_out_of_reach(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    missing = [{"data": {"image": "/data/upload/1/not-there.jpg"}}]
    studio.call("POST", f"/api/projects/{project['id']}/import", json=missing)
    wish = Wish(project=str(project["id"]), backend=backend.url)
    access = PictureAccess(label_studio_url=studio.url, label_studio_token=SecretStr(LEGACY_TOKEN))
    with LabelStudioClient(studio.url, LEGACY_TOKEN) as client:
        ((what, fix),) = problems(connect(client, wish, PictureFetcher(access)))
    assert "trial click" in what
    assert "an upload that it does not have" in fix


def test_an_earlier_interactive_backend_gets_the_clicks(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    elsewhere = backend.url.replace("127.0.0.1", "localhost")
    other = {"project": project["id"], "url": elsewhere, "title": "SAM", "is_interactive": True}
    studio.call("POST", "/api/ml", json=other)
    report = run(studio, Wish(project=str(project["id"]), backend=backend.url))
    ((what, fix),) = problems(report)
    assert "SAM" in what
    assert "interactive preannotations" in fix


def test_an_unknown_project_lists_some(studio: LabelStudio) -> None:
    known = make_project(studio)
    for name in ("No such project", "999999"):
        with pytest.raises(ConnectError, match=known["title"]):
            run(studio, Wish(project=name))


def test_local_backends_have_to_be_allowed(default_studio: LabelStudio, backend: Server) -> None:
    project = make_project(default_studio)
    wish = Wish(project=str(project["id"]), backend=backend.url)
    report = run(default_studio, wish, default_studio.personal_token)
    ((what, fix),) = problems(report)
    assert backend.url in what
    assert "ML_BLOCK_LOCAL_IP=false" in fix
    assert "SSRF_PROTECTION_ENABLED=false" in fix
    assert report.backend_id is None


def test_one_of_the_two_switches_is_not_enough(half_open_studio: LabelStudio, backend: Server) -> None:
    project = make_project(half_open_studio)
    for _ in range(2):  # Label Studio keeps a half-made backend the first time
        report = run(half_open_studio, Wish(project=str(project["id"]), backend=backend.url))
        assert any("SSRF_PROTECTION_ENABLED=false" in fix for _, fix in problems(report)), report
    assert len(backends(half_open_studio, project["id"])) <= 1


def test_a_lost_webhook_is_made_again(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio)
    wish = Wish(project=str(project["id"]), backend=backend.url)
    run(studio, wish)
    (hook,) = studio.call("GET", f"/api/webhooks/?project={project['id']}")
    studio.call("DELETE", f"/api/webhooks/{hook['id']}/")
    assert run(studio, wish).is_ready
    assert webhooks(studio, project["id"]) == [f"{backend.url}/webhook"]


def test_a_backend_that_is_not_there(studio: LabelStudio) -> None:
    project = make_project(studio)
    nowhere = f"http://127.0.0.1:{free_port()}"
    report = run(studio, Wish(project=str(project["id"]), backend=nowhere))
    ((what, fix),) = problems(report)
    assert "cannot reach" in what
    assert "ritm serve" in fix


def test_something_else_at_the_backends_address(studio: LabelStudio) -> None:
    project = make_project(studio)
    report = run(studio, Wish(project=str(project["id"]), backend=studio.url))
    ((what, _),) = problems(report)
    assert "no RITM backend" in what


def test_secrets_may_stand_in_files(studio: LabelStudio, guarded_backend: Server, tmp_path: Path) -> None:
    for name, secret in (("LABEL_STUDIO_API_KEY", LEGACY_TOKEN), ("BASIC_AUTH_PASS", "open sesame")):
        (tmp_path / name).write_text(f"{secret}\n")
    project = make_project(studio)
    done = ritm_connect(
        studio.url,
        "",
        *("--project", str(project["id"]), "--backend", guarded_backend.url),
        extra={
            "LABEL_STUDIO_API_KEY_FILE": str(tmp_path / "LABEL_STUDIO_API_KEY"),
            "BASIC_AUTH_USER": "annotation",
            "BASIC_AUTH_PASS_FILE": str(tmp_path / "BASIC_AUTH_PASS"),
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert backends(studio, project["id"])[0]["auth_method"] == "BASIC_AUTH"
    missing = ritm_connect(
        studio.url, "", "--project", "1", extra={"LABEL_STUDIO_API_KEY_FILE": str(tmp_path / "nowhere")}
    )
    assert "LABEL_STUDIO_API_KEY_FILE names a file that cannot be read." in missing.stderr


def test_a_guarded_backend(studio: LabelStudio, guarded_backend: Server) -> None:
    project = make_project(studio)
    name = str(project["id"])
    ((what, fix),) = problems(run(studio, Wish(project=name, backend=guarded_backend.url)))
    assert "user and password" in what
    assert "--basic-auth-user" in fix
    wrong = Wish(
        project=name,
        backend=guarded_backend.url,
        basic_auth_user="annotation",
        basic_auth_pass=SecretStr("x"),
    )
    ((_, fix),) = problems(run(studio, wrong))
    assert "BASIC_AUTH_PASS" in fix
    done = ritm_connect(
        studio.url,
        LEGACY_TOKEN,
        *("--project", name, "--backend", guarded_backend.url),
        extra={"BASIC_AUTH_USER": "annotation", "BASIC_AUTH_PASS": "open sesame"},
    )
    assert done.returncode == 0, done.stdout
    assert "open sesame" not in done.stdout + done.stderr
    assert backends(studio, project["id"])[0]["auth_method"] == "BASIC_AUTH"


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (LEGACY_TOKEN, "legacy token, which your organization does not accept"),
        ("f" * 40, "does not accept the token"),
        ("header.eyJ0b2tlbl90eXBlIjoicmVmcmVzaCJ9.signature", "does not accept the token"),
    ],
)
def test_tokens_that_are_refused(default_studio: LabelStudio, token: str, sentence: str) -> None:
    done = ritm_connect(default_studio.url, token, "--project", "1")
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "personal access token" in done.stderr.lower()
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", ["/elsewhere", ""])
def test_an_address_that_is_not_label_studio(backend: Server, path: str) -> None:
    with LabelStudioClient(backend.url + path, LEGACY_TOKEN) as client, pytest.raises(LabelStudioError):
        connect(client, Wish(project="1"))


def test_no_label_studio_there() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = ritm_connect(url, LEGACY_TOKEN, "--project", "1")
    assert done.returncode == 1
    assert done.stderr == f"Error: Label Studio cannot be reached at {url}.\n"


def test_json_for_scripts(studio: LabelStudio, backend: Server) -> None:
    project = make_project(studio, "<View></View>")
    done = ritm_connect(
        studio.url, LEGACY_TOKEN, "--json", "--project", str(project["id"]), "--backend", backend.url
    )
    assert done.returncode == 1
    report = json.loads(done.stdout)
    assert report["is_ready"] is False
    assert {finding["level"] for finding in report["findings"]} == {"ok", "problem"}
