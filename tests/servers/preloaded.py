"""Python programs that start without importing torch anew, which takes seconds of a processor each time."""

from __future__ import annotations

import atexit
import functools
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from threading import Lock
from typing import IO, Any

from processes import Process

PROGRAM = Path(__file__).with_name("preloading.py")
READ_AT_START = ("PYTHON", "OMP_", "GOMP_", "LD_", "MALLOC_")
"""How variables begin that Python, OpenMP and the C library read once, when they start."""
THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "OMP_NUM_THREADS": "1"}


def start(
    command: Sequence[str | Path],
    env: Mapping[str, str],
    folder: Path,
    sink: IO[bytes],
    errors: IO[bytes] | None = None,
    *,
    largest_file: int | None = None,
) -> Process:
    """Start a program in a session of its own, as a fork of a process that has imported what it needs.

    It has as many threads of OpenMP as this process, unless its environment has another number. Where that is
    not one, or other things are asked for that are read before a program begins, Python is started for it.

    Args:
        command: the file of the program, which is in Python, and its arguments.
        env: its variables.
        folder: that it works in.
        sink: takes what it prints.
        errors: takes what it complains about; without it, `sink` does.
        largest_file: in bytes, that it may write.
    """
    words = [str(word) for word in command]
    env = {name: os.environ[name] for name in os.environ if name == "OMP_NUM_THREADS"} | dict(env)
    limits = {} if largest_file is None else {resource.RLIMIT_FSIZE: largest_file}
    at_start = {name: env[name] for name in env if name.startswith(READ_AT_START)}
    own = os.environ | THREADS
    if "OMP_NUM_THREADS" in at_start and all(own.get(name, "") == at_start[name] for name in at_start):
        order = {"command": words, "environment": env, "folder": str(folder)}
        return _Forked(_preloaded(), order | {"limits": [*limits.items()]}, sink, errors or sink)

    def limit() -> None:
        for kind, most in limits.items():
            resource.setrlimit(kind, (most, most))

    return subprocess.Popen(
        [sys.executable, *words],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=sink,
        stderr=errors or subprocess.STDOUT,
        cwd=folder,
        start_new_session=True,
        preexec_fn=limit,
    )


def run(command: Sequence[str | Path], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program as `start` does, to its end, and keep what it has said."""
    with TemporaryFile() as sink, TemporaryFile() as errors:
        status = start(command, env, Path.cwd(), sink, errors).wait()
        said = []
        for file in (sink, errors):
            file.seek(0)
            said.append(file.read().decode())
    return subprocess.CompletedProcess(command, status, *said)


class _Preloaded:
    """The process that forks; it ends with this one."""

    def __init__(self) -> None:
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, PROGRAM, str(theirs.fileno())],
                env=os.environ | THREADS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def ask(self, order: Mapping[str, Any], *files: int) -> int:
        with self._lock:
            socket.send_fds(self._orders, [json.dumps(order).encode()], files)
            answer = self._orders.recv(100)
        assert answer, "the process that forks has ended"
        return int(answer)

    def close(self) -> None:
        self._orders.close()
        self._process.wait()


@functools.cache
def _preloaded() -> _Preloaded:
    """The one of this process, made when the first program is started."""
    made = _Preloaded()
    atexit.register(made.close)
    return made


class _Forked:
    """A process that the preloaded one has forked, and waits for when its end is seen from here."""

    def __init__(self, parent: _Preloaded, order: Mapping[str, Any], *sinks: IO[bytes]) -> None:
        self.pid = parent.ask(order, *(sink.fileno() for sink in sinks))
        self._parent = parent
        self._status: int | None = None
        self._handle = os.pidfd_open(self.pid)

    def poll(self) -> int | None:
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        status = self._ended_within(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        return status

    def _ended_within(self, seconds: float | None) -> int | None:
        if self._status is None and select.select([self._handle], [], [], seconds)[0]:
            self._status = self._parent.ask({"ended": self.pid})
            os.close(self._handle)
        return self._status

    def send_signal(self, sig: int, /) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
