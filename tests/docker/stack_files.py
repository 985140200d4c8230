"""The files that Docker reads, for the tests of this folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TLS = yaml.safe_load((ROOT / "docker-compose.tls.yml").read_text())["services"]
CVAT = yaml.safe_load((ROOT / "docker-compose.cvat.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"] | {"tls": TLS["tls"]} | CVAT["services"]
GPU = ("backend-gpu", "backend-gpu-2", "worker-gpu")
OURS = ("setup", "backend", "worker", *GPU, "scheduler", "cvat-agent")


def env_of(path: Path) -> dict[str, str]:
    lines = (line for line in path.read_text().splitlines() if line and not line.startswith("#"))
    return dict(line.split("=", 1) for line in lines)


def files_in(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


def uwsgi_variables() -> dict[str, str]:
    """What the stack sets for uWSGI, with one process: each loads all of Label Studio."""
    texts = SERVICES["label-studio"]["environment"].items()
    found = {
        name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", str(text))
        for name, text in texts
        if name.startswith("UWSGI_")
    }
    assert int(found["UWSGI_PROCESSES"]) > 1
    return {**found, "UWSGI_PROCESSES": "1"}
