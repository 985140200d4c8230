"""A real Label Studio for tests: its own folder, SQLite, a free port, nothing leaves the machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from processes import LABEL_STUDIO, ROOT, Server, free_port, require, serving

USERNAME = "annotator@example.com"
PASSWORD = "a-password-for-tests"
LEGACY_TOKEN = "0123456789abcdef0123456789abcdef01234567"

# What an administrator sets so that Label Studio accepts a backend on a local address.
LOCAL_BACKENDS = {"ML_BLOCK_LOCAL_IP": "false", "SSRF_PROTECTION_ENABLED": "false"}


@dataclass(frozen=True)
class LabelStudio:
    """A running Label Studio with one user, who is logged in with `session`."""

    server: Server
    files: Path
    session: requests.Session
    personal_token: str

    @property
    def url(self) -> str:
        return self.server.url

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        answer = self.session.request(method, self.url + path, timeout=60, **arguments)
        assert answer.ok, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def upload(self, project: int, image: Path) -> dict[str, Any]:
        """Import one image file; returns the task made of it."""
        before = {task["id"] for task in self.tasks(project)}
        with image.open("rb") as stream:
            self.call("POST", f"/api/projects/{project}/import", files={"file": (image.name, stream)})
        return next(task for task in self.tasks(project) if task["id"] not in before)

    def tasks(self, project: int) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.call("GET", f"/api/tasks?project={project}&fields=all")["tasks"]
        return tasks


def log_in(session: requests.Session, url: str) -> None:
    page = session.get(f"{url}/user/login/", timeout=30)
    csrf = session.cookies["csrftoken"]
    assert page.ok
    form = {"email": USERNAME, "password": PASSWORD, "csrfmiddlewaretoken": csrf}
    answer = session.post(f"{url}/user/login/", data=form, headers={"Referer": url}, timeout=30)
    assert "/user/login" not in answer.url, "log-in refused"
    session.headers["X-CSRFToken"] = session.cookies["csrftoken"]
    session.headers["Referer"] = url


def _environment(folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "SECRET_KEY": "only-for-tests-only-for-tests-only-for-tests",
        # Nothing calls home.
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "COLLECT_ANALYTICS": "false",
        "LATEST_VERSION_CHECK": "false",
        "LOCAL_FILES_SERVING_ENABLED": "true",
        "LOCAL_FILES_DOCUMENT_ROOT": str(folder / "files"),
        **extra,
    }


def prepare_template(template: Path) -> None:
    """Make a migrated database with one user, once: migrations take most of a start.

    Other test processes that want it meanwhile wait for it.
    """
    require(LABEL_STUDIO.exists(), "no Label Studio in .venvs/label-studio (make test installs it)")
    with template.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not template.exists():
            _make_template(template)


def _make_template(template: Path) -> None:
    draft = template.with_name(f"{template.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # what an interrupted run has left
    draft.mkdir(parents=True)
    user = ["--username", USERNAME, "--password", PASSWORD, "--user-token", LEGACY_TOKEN]
    done = subprocess.run(
        [LABEL_STUDIO, "init", "--no-browser", *user, "First"],
        env=_environment(draft, {}),
        cwd=draft,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    draft.rename(template)


@contextlib.contextmanager
def label_studio(
    template: Path, folder: Path, extra: Mapping[str, str], *, legacy: bool
) -> Iterator[LabelStudio]:
    """Run Label Studio on a copy of the template until the block ends."""
    with (
        label_studio_process(template, folder, extra) as server,
        signed_in(server, folder / "files", legacy=legacy) as studio,
    ):
        yield studio


@contextlib.contextmanager
def label_studio_process(
    template: Path, folder: Path, extra: Mapping[str, str], *, uwsgi: bool = False
) -> Iterator[Server]:
    """The process alone, in which nobody has signed in yet; by `uwsgi` as its image runs it."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    (folder / "files/pictures").mkdir(parents=True)
    place = f"127.0.0.1:{free_port()}"
    url = f"http://{place}"
    environment = _environment(folder, {"LABEL_STUDIO_HOST": url, **extra})
    environment |= {"DJANGO_SETTINGS_MODULE": "core.settings.label_studio"}  # as its image has it
    command = _uwsgi(place) if uwsgi else _for_developers(place)
    log = folder / "label-studio.log"
    with serving(command, environment, log, url=url, health="/health", within_s=400) as server:
        yield server


def _for_developers(place: str) -> list[str | Path]:
    host, _, port = place.partition(":")
    return [LABEL_STUDIO, "start", "--no-browser", "--internal-host", host, "--port", port]


def _uwsgi(place: str) -> list[str | Path]:
    """As `label-studio-uwsgi` of the image does; numbers and headers come from variables."""
    (package,) = LABEL_STUDIO.parents[1].glob("lib/python3*/site-packages/label_studio")
    named = {
        "http": place,
        "chdir": package,
        "module": "core.wsgi:application",
        "buffer-size": 65535,
        "post-buffering": 4096,
        "threads": "$(UWSGI_NUMBER_OF_THREADS)",
        "harakiri": 120,
    }
    switches = "master cheaper single-interpreter need-app die-on-term lazy-apps enable-threads thunder-lock"
    return [
        LABEL_STUDIO.with_name("uwsgi"),
        *(f"--{name}={value}" for name, value in named.items()),
        *(f"--{name}" for name in [*switches.split(), "disable-logging", "ignore-sigpipe"]),
    ]


@contextlib.contextmanager
def signed_in(
    server: Server, files: Path, *, legacy: bool, authority: Path | None = None
) -> Iterator[LabelStudio]:
    """Sign in where the server is reached, over TLS by a certificate of `authority` and no other."""
    with requests.Session() as session:
        if authority is not None:
            session.trust_env, session.verify = False, str(authority)
        log_in(session, server.url)
        settings = {"legacy_api_tokens_enabled": legacy}
        session.post(f"{server.url}/api/jwt/settings", json=settings, timeout=30).raise_for_status()
        token = session.post(f"{server.url}/api/token/", timeout=30).json()["token"]
        yield LabelStudio(server, files, session, token)


SAMPLES = ROOT / "tests/samples/images"
