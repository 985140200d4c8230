"""Real server processes for the end-to-end tests: free ports, readiness, a clean end."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import randrange
from typing import IO, Protocol

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABEL_STUDIO = ROOT / ".venvs/label-studio/bin/label-studio"
FIRST_POLL_S, POLL_S = 0.01, 0.2
_PORTS = range(15_000, 32_000)  # outgoing connections have those from 32,768 on
_COUNT = count(randrange(len(_PORTS)))  # two runs side by side hardly meet


def require(present: bool, reason: str) -> None:
    """Skip the test where a component is missing; in CI everything must be there."""
    if not present:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def chromium() -> Path:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    require(found is not None, "no Chromium on this machine")
    return Path(str(found))


def free_port() -> int:
    """A port for a server that is about to start.

    Not one of the kernel's choice: before the server listens, it could go to one of the thousands of outgoing
    connections. Workers of pytest-xdist take every so many-th port each, so that no two get the same.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    while True:
        port = _PORTS[(next(_COUNT) * workers + worker) % len(_PORTS)]
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


class Process(Protocol):
    """What tests need of a process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int, /) -> None: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


@dataclass(frozen=True)
class Server:
    """A server process of ours, its address and where it logs."""

    url: str
    process: Process
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until(
    probe: Callable[[], bool], what: str, *, within_s: float, server: Server | None = None
) -> None:
    """Ask `probe` until it says yes; fail after `within_s`, or at once when the process has ended."""
    deadline, pause = time.monotonic() + within_s, FIRST_POLL_S
    while not probe():
        ended = None
        if server is None:
            time.sleep(pause)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                ended = server.process.wait(pause)
        if ended is not None or time.monotonic() > deadline:
            log = "" if server is None else server.text()[-3000:]
            raise AssertionError(f"{what} did not happen (exit status {ended}). {log}")
        pause = min(2 * pause, POLL_S)  # what is there at once costs no wait, what takes long no work


class Starter(Protocol):
    """What starts a command in a folder and a session of its own; `sink` takes what it says."""

    def __call__(
        self, command: Sequence[str | Path], env: Mapping[str, str], folder: Path, sink: IO[bytes]
    ) -> Process: ...


def start_command(
    command: Sequence[str | Path], env: Mapping[str, str], folder: Path, sink: IO[bytes]
) -> Process:
    """As a shell does."""
    return subprocess.Popen(
        [str(part) for part in command],
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,
    )


@contextlib.contextmanager
def running(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    log: Path,
    url: str = "",
    start: Starter = start_command,
) -> Iterator[Server]:
    """Run a process beside its log until the block ends; its whole group is ended with it."""
    with log.open("wb") as sink:
        process = start(command, env, log.parent, sink)
        try:
            yield Server(url, process, log)
        finally:
            end(process)


@contextlib.contextmanager
def serving(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    log: Path,
    *,
    url: str,
    health: str,
    within_s: float,
    start: Starter = start_command,
) -> Iterator[Server]:
    """Run a server until the block ends; yields when it answers at `health`."""
    with running(command, env, log, url, start) as server:
        wait_until(lambda: _answers(url + health), f"{url} ready", within_s=within_s, server=server)
        yield server


def end(process: Process) -> None:
    """End a process and all of its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
            break
    with contextlib.suppress(ProcessLookupError):  # children that outlived their parent
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
