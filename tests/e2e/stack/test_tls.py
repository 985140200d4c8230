"""TLS as docker-compose.tls.yml puts it before Label Studio and the backend, by a private authority.

A real nginx has the stack's configuration, and Label Studio (by uWSGI, as its image runs it) and the backend
have the stack's variables; only names, ports and paths are others.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from backend import ritm_connect, ritm_serve
from demo_page import COINS, ON_A_COIN, Demo
from label_studio_editor import browser_page, open_task
from label_studio_server import (
    LEGACY_TOKEN,
    LOCAL_BACKENDS,
    PASSWORD,
    USERNAME,
    LabelStudio,
    label_studio_process,
    signed_in,
)
from processes import ROOT, Server, free_port
from stack_files import uwsgi_variables
from stack_nginx import NAME, certificates, stack_nginx

LOGIN = {"BASIC_AUTH_USER": "ritm", "BASIC_AUTH_PASS": "a-password"}
OVERLAY: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())["services"]


@dataclass(frozen=True)
class Site:
    """What stands behind the certificate.

    Attributes:
        studio: Label Studio, signed in over TLS at an address.
        inside: Label Studio without TLS, as services of the stack reach it.
        backend: as Label Studio reaches it.
        pages: ports by what nginx listens on in the stack.
        authority: the file with the certificate of the authority.
    """

    studio: LabelStudio
    inside: str
    backend: Server
    pages: Mapping[int, int]
    authority: Path

    def get(self, port: int, **arguments: Any) -> requests.Response:
        """Ask for the start page, and follow nothing."""
        scheme = "http" if port == 8080 else "https"
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(self.authority)
            url = f"{scheme}://127.0.0.1:{self.pages[port]}/"
            return session.get(url, allow_redirects=False, timeout=30, **arguments)


def variables(service: str, host: str) -> dict[str, str]:
    """What the stack sets for TLS, of one service."""
    texts = OVERLAY[service]["environment"].items()
    return {name: re.sub(r"\$\{PUBLIC_HOST[^}]*\}", host, str(value)) for name, value in texts}


@pytest.fixture(scope="module")
def site(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("tls")
    authority = certificates(folder / "certificates")
    pages = {port: free_port() for port in (8080, 8443, 9443, 9090)}
    with ExitStack() as stack:
        extra = {
            **LOCAL_BACKENDS,
            **uwsgi_variables(),
            **variables("label-studio", f"{NAME}:{pages[8443]}"),
        }
        process = stack.enter_context(label_studio_process(template, folder / "studio", extra, uwsgi=True))
        (folder / "backend").mkdir()
        url = f"https://127.0.0.1:{pages[8443]}"
        settings = {
            "LABEL_STUDIO_URL": url,
            "LABEL_STUDIO_API_KEY": LEGACY_TOKEN,
            "RITM_CA_FILE": str(authority),
            "RITM_DEMO_IMAGE": str(COINS),
            **variables("backend", NAME),
            **LOGIN,
        }
        backend = stack.enter_context(ritm_serve(folder / "backend", settings))
        names = {"label-studio:8000": process, "backend:9090": backend}
        servers = {name: server.url.removeprefix("http://") for name, server in names.items()}
        stack.enter_context(stack_nginx(folder, pages, servers))
        studio = stack.enter_context(
            signed_in(replace(process, url=url), folder / "studio/files", legacy=True, authority=authority)
        )
        yield Site(studio, process.url, backend, pages, authority)


def test_label_studio_says_that_it_ends_connections(site: Site) -> None:
    """Else clients that keep them find them reset: uWSGI ends each after its answer."""
    answer = requests.get(f"{site.inside}/health", timeout=30)
    assert answer.headers["Connection"] == "close"
    assert "Server" not in answer.headers, "Django's server for developers"


def test_what_asks_without_tls_is_sent_to_tls(site: Site) -> None:
    answer = site.get(8080, headers={"Host": NAME})
    assert (answer.status_code, answer.headers["Location"]) == (308, f"https://{NAME}/")


@pytest.mark.parametrize("port", [8443, 9443])
def test_whoever_does_not_know_the_authority_refuses_the_certificate(site: Site, port: int) -> None:
    with requests.Session() as stranger:
        stranger.trust_env = False
        with pytest.raises(requests.exceptions.SSLError):
            stranger.get(f"https://127.0.0.1:{site.pages[port]}/", timeout=30)
    assert site.get(port).headers["Strict-Transport-Security"]


def test_cookies_travel_over_tls_only(site: Site) -> None:
    cookies = {cookie.name: cookie.secure for cookie in site.studio.session.cookies}
    assert cookies == {"csrftoken": True, "sessionid": True}


@pytest.mark.parametrize(("origin", "status"), [(NAME, 302), ("unknown.example.com", 403)])
def test_logins_are_taken_from_pages_of_the_site_only(site: Site, origin: str, status: int) -> None:
    with requests.Session() as browser:
        browser.trust_env, browser.verify = False, str(site.authority)
        url = f"{site.studio.url}/user/login/"
        browser.get(url, timeout=30)
        form = {"email": USERNAME, "password": PASSWORD, "csrfmiddlewaretoken": browser.cookies["csrftoken"]}
        headers = {"Origin": f"https://{origin}:{site.pages[8443]}"}
        answer = browser.post(url, data=form, headers=headers, allow_redirects=False, timeout=30)
    assert answer.status_code == status


def test_a_service_user_is_made_from_within(site: Site) -> None:
    """Although Label Studio marks its cookies for TLS only."""
    done = ritm_connect(site.inside, LEGACY_TOKEN, "--service-user", "service@example.com")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_an_annotator_clicks_and_submits_over_tls(site: Site) -> None:
    connected = ritm_connect(
        site.studio.url,
        LEGACY_TOKEN,
        "--json",
        *("--create-project", "Coins", "--label", "Coin", "--backend", site.backend.url),
        extra={"RITM_CA_FILE": str(site.authority), **LOGIN},
    )
    assert connected.returncode == 0, connected.stdout + connected.stderr
    project = json.loads(connected.stdout)["project_id"]
    task = site.studio.upload(project, COINS)
    named = Server(f"https://{NAME}:{site.pages[8443]}", site.studio.server.process, site.studio.server.log)
    with browser_page(NAME, ignore_https_errors=True) as page:  # Chromium has authorities of its own
        editor = open_task(page, replace(site.studio, server=named), project, task, COINS)
        editor.click(*ON_A_COIN)
        editor.accept()
        editor.submit()
    (annotation,) = site.studio.call("GET", f"/api/tasks/{task['id']}/annotations/")
    assert [region["type"] for region in annotation["result"]] == ["brushlabels"]


def test_the_demo_works_over_tls(site: Site) -> None:
    port = site.pages[9443]
    assert site.get(9443).status_code == 401
    credentials = {"username": LOGIN["BASIC_AUTH_USER"], "password": LOGIN["BASIC_AUTH_PASS"]}
    with browser_page(NAME, ignore_https_errors=True, http_credentials=credentials) as page:
        demo = Demo(page)
        demo.go(f"https://{NAME}:{port}")
        demo.wait_open()
        demo.click(*ON_A_COIN)
        assert demo.mask().any()
        assert demo.hosts == {f"{NAME}:{port}"}
