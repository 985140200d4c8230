"""The real backend, started as the README says: `ritm serve` in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import preloaded
from processes import Server, Starter, free_port, serving

RITM = Path(sys.executable).with_name("ritm")


@contextlib.contextmanager
def ritm_serve(
    folder: Path,
    extra: Mapping[str, str],
    *,
    health: str = "/ready",
    workers: int = 1,
    host: str = "127.0.0.1",
    port: int | None = None,
    start: Starter = preloaded.start,
) -> Iterator[Server]:
    """Serve the bundled model on the CPU until the block ends; yields when `health` answers."""
    port = port or free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "RITM_DEVICE": "cpu",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
        "RITM_LIGHT_AFTER_SECONDS": "0",  # masks are compared, also on a machine with other things to do
        "RITM_ENGINE": "torch",  # the same in all processes, and nothing to convert first
        **extra,
    }
    place = ["--host", host, "--port", str(port)]
    command: list[str | Path] = [RITM, "serve", *place, "--workers", str(workers)]
    url = f"http://{host}:{port}"
    log = folder / "backend.log"
    with serving(command, environment, log, url=url, health=health, within_s=400, start=start) as server:
        yield server


def serving_pids(server: Server) -> list[int]:
    """The processes of `ritm serve` that answer."""
    parent = server.process.pid
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]


def ritm_connect(
    studio_url: str, token: str, *arguments: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `ritm connect` as a person would; the token goes through the environment and is never shown."""
    done = subprocess.run(
        [RITM, "connect", "--url", studio_url, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
            "LABEL_STUDIO_API_KEY": token,
            **(extra or {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert not token or token not in done.stdout + done.stderr
    return done


def connected(studio_url: str, token: str, *arguments: str) -> dict[str, Any]:
    """The report of `ritm connect --json`, which has to find nothing to complain of."""
    # Label Studio waits one second for a health check and three for a setup: not enough on a busy machine.
    done = ritm_connect(studio_url, token, "--json", "--wait", "120", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report
