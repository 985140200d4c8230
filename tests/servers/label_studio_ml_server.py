"""The published label-studio-ml server with our model class, in a process and environment of its own."""

from __future__ import annotations

import contextlib
import os
import sysconfig
from collections.abc import Iterator, Mapping
from pathlib import Path

from processes import ROOT, Server, free_port, require, serving

PYTHON = ROOT / ".venvs/label-studio-ml/bin/python"
SCRIPT = ROOT / "tests/label_studio_ml/server.py"


@contextlib.contextmanager
def label_studio_ml(folder: Path, extra: Mapping[str, str]) -> Iterator[Server]:
    require(PYTHON.exists(), "no label-studio-ml in .venvs/label-studio-ml (make test installs it)")
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "RITM_DEVICE": "cpu",
        "RITM_ENGINE": "torch",  # nothing to convert first
        **extra,
    }
    command = [PYTHON, SCRIPT, str(port), folder / "models", ROOT, sysconfig.get_path("purelib")]
    url = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    with serving(command, environment, log, url=url, health="/health", within_s=120) as server:
        yield server
