"""The containers of deploy/kubernetes as processes: with the variables, files and commands of the manifests.

Only paths, addresses and ports are others, since this is one machine and no cluster.
"""

from __future__ import annotations

import base64
import io
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
import requests
from annotators import request_of
from backend import RITM, ritm_serve
from kustomized import Manifests, container_of, environment_of, kustomized
from PIL import Image, ImageDraw
from processes import Server, free_port, running, wait_until

PASSWORD = "a-password-of-redis"
NAME = "ritm-backend.ritm.svc.cluster.local:9090"


@dataclass(frozen=True)
class Cluster:
    """The manifests, the folder in which their paths lie here, and the port of Redis."""

    manifests: Manifests
    root: Path
    port: int

    def here(self, text: str) -> str:
        """What a manifest says, for this machine."""
        for path in ("/run/secrets", "/shared", "/data"):
            text = text.replace(path, f"{self.root}{path}")
        return text.replace("redis-cli", f"redis-cli -p {self.port}")

    def environment(self, name: str) -> dict[str, str]:
        given = environment_of(self.manifests, name)
        return {
            **{variable: self.here(value) for variable, value in given.items()},
            "PATH": os.environ["PATH"],
            "HOME": str(self.root),
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        }

    def probed(self, probe: dict[str, Any]) -> bool:
        """Whether a probe that runs a command is content."""
        command = [self.here(part) for part in probe["exec"]["command"]]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def picture() -> bytes:
    """Of the size that the recorded request names."""
    with Image.new("RGB", (800, 600), "grey") as image, io.BytesIO() as file:
        ImageDraw.Draw(image).ellipse((100, 100, 400, 400), fill="orange")
        image.save(file, "PNG")
        return file.getvalue()


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    manifests = kustomized("cpu, folder", tmp_path)
    port = free_port()
    secrets = {
        "redis-password": PASSWORD,
        "redis-url": f"redis://:{PASSWORD}@127.0.0.1:{port}/0",
        "session-store": f"redis://:{PASSWORD}@127.0.0.1:{port}/1",
    }
    for folder in ("run/secrets/ritm", "shared/labels", "shared/models", "data"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("backend-password", "label-studio-token", "webhook-secret"):
        secrets[name] = f"the-{name}"
    for name, value in secrets.items():
        (tmp_path / "run/secrets/ritm" / name).write_text(value)
    return Cluster(manifests, tmp_path, port)


@pytest.fixture
def redis(cluster: Cluster) -> Iterator[Server]:
    container = container_of(cluster.manifests, "ritm-redis")
    command = [*container["command"], cluster.here(container["args"][0])]
    command[-1] = command[-1].replace("appendonly", f"port {cluster.port}\nappendonly")
    with running(command, {"PATH": os.environ["PATH"]}, cluster.root / "redis.log") as server:
        probe = container["readinessProbe"]
        wait_until(lambda: cluster.probed(probe), "Redis", within_s=30, server=server)
        yield server


def test_redis_asks_for_its_password_and_shows_it_to_nobody(cluster: Cluster, redis: Server) -> None:
    with redis_client.Redis(port=cluster.port) as stranger, pytest.raises(redis_client.AuthenticationError):
        stranger.ping()
    assert PASSWORD not in Path(f"/proc/{redis.process.pid}/cmdline").read_text()
    assert Path(f"/proc/{redis.process.pid}/comm").read_text() == "redis-server\n", "signals reach it"
    with redis_client.Redis(port=cluster.port, password=PASSWORD) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    password = cluster.root / "run/secrets/ritm/redis-password"
    password.write_text("another")
    probe = container_of(cluster.manifests, "ritm-redis")["livenessProbe"]
    assert not cluster.probed(probe), "a probe that is never discontent would tell nothing"


def test_the_backend_answers_its_probes_and_clicks(cluster: Cluster, redis: Server) -> None:
    container = container_of(cluster.manifests, "ritm-backend")
    environment = cluster.environment("ritm-backend") | {"RITM_ENGINE": "torch"}  # nothing to convert first
    with ritm_serve(cluster.root, environment) as server:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = requests.get(server.url + container[probe]["httpGet"]["path"], timeout=10)
            assert asked.status_code == 200, probe
        image = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
        answer = requests.post(
            f"{server.url}/predict",
            json=request_of(1, 1, image),
            auth=("ritm", "the-backend-password"),
            headers={"Host": NAME},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        assert answer.json()["results"][0]["result"]
        assert requests.post(f"{server.url}/predict", json={}, timeout=10).status_code == 401
    with redis_client.Redis(port=cluster.port, password=PASSWORD, db=1) as client:
        assert client.dbsize() > 0, "replicas share what was clicked"


def test_the_scheduler_and_the_worker_start(cluster: Cluster, redis: Server) -> None:
    environment = cluster.environment("ritm-scheduler")
    scheduler = container_of(cluster.manifests, "ritm-scheduler")["args"]
    with (
        redis_client.Redis(port=cluster.port, password=PASSWORD) as client,
        running([RITM, *scheduler], environment, cluster.root / "scheduler.log") as server,
    ):
        wait_until(
            lambda: bool(client.exists("rq:cron_schedulers")), "a schedule", within_s=60, server=server
        )
    worker = container_of(cluster.manifests, "ritm-worker")["args"]
    environment = cluster.environment("ritm-worker")
    with running([RITM, *worker, "--burst"], environment, cluster.root / "worker.log") as server:
        assert server.process.wait(60) == 0, server.text()
