"""No secret setting of a process stands in its log, or where `ps` shows it, however it was given."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pytest
import redis as redis_client
import requests
from annotators import request_of
from backend import RITM, ritm_serve
from processes import Server, running, start_command, wait_until
from redis_server import Redis

from cvat_serverless.settings import CvatSettings
from ritm_backend.settings import Settings
from ritm_ops.environment import EnvironmentSettings
from training.settings import TrainingSettings

ALL = (Settings, TrainingSettings, CvatSettings)
Way = Literal["variable", "file"]


def secrets_of(settings: type[EnvironmentSettings], redis: Redis) -> dict[str, tuple[str, str]]:
    """A value for each secret variable, and the part of it that nobody may see."""
    found = {}
    for field, (variable, text) in zip(settings.model_fields, settings.variables(), strict=True):
        if "SecretStr" in str(settings.model_fields[field].annotation):
            hidden = f"hidden-{variable.lower().replace('_', '-')}"
            value = f"https://127.0.0.1:9/{hidden}" if variable.endswith("_URL") else hidden
            value = f"unix://:{hidden}@{redis.socket}" if "Redis" in text else value
            found[variable] = value, hidden
    assert found
    return found


def environment(secrets: Mapping[str, tuple[str, str]], way: Way, folder: Path) -> dict[str, str]:
    if way == "variable":
        return {variable: value for variable, (value, _) in secrets.items()}
    given = {}
    for variable, (value, _) in secrets.items():
        (folder / variable).write_text(f"{value}\n")
        given[f"{variable}_FILE"] = str(folder / variable)
    return given


def command_lines(server: Server) -> str:
    """Of all processes of a server's group, as `ps` reads them."""
    group = server.process.pid
    listed = subprocess.run(["ps", "-eo", "pgid=,args="], capture_output=True, text=True, check=True)
    lines = [line for line in listed.stdout.splitlines() if int(line.split()[0]) == group]
    assert lines
    return "\n".join(lines)


@pytest.fixture
def guarded(redis: Redis) -> Redis:
    """A Redis whose password is that of the jobs."""
    password = secrets_of(TrainingSettings, redis)["RITM_REDIS_URL"][1]
    with redis_client.Redis(unix_socket_path=str(redis.socket)) as client:
        client.config_set("requirepass", password)
    return redis


@pytest.mark.parametrize("settings", ALL)
def test_what_is_called_like_a_secret_is_one(settings: type[EnvironmentSettings]) -> None:
    for field, info in settings.model_fields.items():
        if re.search(r"pass|secret|token|key|credential|redis|session_store|notify", field):
            assert "SecretStr" in str(info.annotation), f"{field} would be shown"


@pytest.mark.parametrize("way", ["variable", "file"])
def test_a_server_shows_no_secret(way: Way, guarded: Redis, tmp_path: Path) -> None:
    secrets = secrets_of(Settings, guarded)
    extra = environment(secrets, way, tmp_path) | {
        "BASIC_AUTH_USER": "anna",
        "LABEL_STUDIO_URL": "http://127.0.0.1:9",  # where nobody is
        "RITM_ALLOWED_HOSTS": "localhost",
        "RITM_LOG_LEVEL": "DEBUG",
    }
    with ritm_serve(tmp_path, extra, health="/live", start=start_command) as server:
        wait_until(
            lambda: requests.get(f"{server.url}/ready", timeout=30).ok, "ready", within_s=120, server=server
        )
        shown = command_lines(server)
        for password in (secrets["BASIC_AUTH_PASS"][1], "wrong"):
            auth = ("anna", password)
            headers = {"X-RITM-Secret": secrets["RITM_WEBHOOK_SECRET"][1]}
            for path in ("/metrics", "/", "/training/jobs", "/nowhere"):
                shown += requests.get(server.url + path, auth=auth, timeout=60).text
            event = {"action": "START_TRAINING", "project": {"id": 1}}
            shown += requests.post(f"{server.url}/webhook", json=event, headers=headers, timeout=60).text
            body = request_of(1, 1, "/data/upload/1.jpg")
            shown += requests.post(f"{server.url}/predict", json=body, auth=auth, timeout=60).text
    shown += server.text()
    assert '"path"' in shown, "requests were logged"
    for variable, (_, hidden) in secrets.items():
        assert hidden not in shown, f"{variable} is shown"


def of_training(secrets: Mapping[str, tuple[str, str]], way: Way, folder: Path) -> dict[str, str]:
    """The environment of `ritm worker` and `ritm schedule`."""
    return environment(secrets, way, folder) | {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "RITM_FINETUNE_SOURCE": str(folder),
        "RITM_REGISTRY": str(folder / "registry"),
        "RITM_FINETUNE_SCHEDULE": "* * * * *",
    }


@pytest.mark.parametrize("way", ["variable", "file"])
@pytest.mark.parametrize("command", ["worker", "schedule"])
def test_what_fine_tunes_shows_no_secret(command: str, way: Way, guarded: Redis, tmp_path: Path) -> None:
    secrets = secrets_of(TrainingSettings, guarded)
    name = "rq:workers" if command == "worker" else "rq:cron_schedulers"
    with (
        redis_client.Redis.from_url(secrets["RITM_REDIS_URL"][0]) as watching,
        running([RITM, command], of_training(secrets, way, tmp_path), tmp_path / "log") as server,
    ):
        wait_until(lambda: bool(watching.exists(name)), f"{command} at work", within_s=60, server=server)
        shown = command_lines(server)
    shown += server.text()
    for variable, (_, hidden) in secrets.items():
        assert hidden not in shown, f"{variable} is shown"


@pytest.mark.parametrize("way", ["variable", "file"])
@pytest.mark.parametrize("command", ["worker", "schedule"])
def test_whose_password_redis_refuses_says_so_at_once_and_does_not_repeat_it(
    command: str, way: Way, guarded: Redis, tmp_path: Path
) -> None:
    secrets = secrets_of(TrainingSettings, guarded)
    with redis_client.Redis.from_url(secrets["RITM_REDIS_URL"][0]) as client:
        client.config_set("requirepass", "another")
    refused = subprocess.run(
        [RITM, command],
        env=of_training(secrets, way, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert refused.returncode == 1
    assert refused.stderr == "Error: Redis refuses the user or password of RITM_REDIS_URL.\n"
    for variable, (_, hidden) in secrets.items():
        assert hidden not in refused.stdout + refused.stderr, f"{variable} is shown"
    with redis_client.Redis(unix_socket_path=str(guarded.socket), password="another") as client:
        stats = client.info("commandstats")
    failed = [stats.get(f"cmdstat_{name}", {}).get("failed_calls", 0) for name in ("auth", "hello")]
    assert sum(failed) == 1, "it was asked once"
