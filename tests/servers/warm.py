"""`ritm` in processes that need not load torch first.

Loading torch and all that comes with it takes seconds of processor time, and the tests start `ritm` more than
a hundred times. Here one process loads it all once, and each `ritm` is forked from that one: a process of its
own with its own environment, folder, group, log and exit status, which runs the same `main` and can be killed
like any other. Its command line, as the system shows it, and the memory that it shares are those of the one
process; tests that look at these, and some of each kind, start `ritm` cold.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

LOADED = (
    "torchvision.transforms.v2",
    "boto3.session",
    "flask",
    "ritm_backend.app",
    "ritm_backend.server",
    "ritm_model.api",
    "training.job",
    "training.worker",
)
LARGEST_REQUEST = 1 << 17


class WarmProcess:
    """A process of `ritm` that was forked: what `subprocess.Popen` has, as far as tests use it."""

    def __init__(
        self, command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, sink: BinaryIO
    ) -> None:
        self.args = [str(word) for word in command]
        self.returncode: int | None = None
        assert env.get("PYTHONPATH", "") == os.environ.get("PYTHONPATH", ""), "modules are loaded already"
        ours, theirs = os.pipe()
        asked = json.dumps({"words": self.args, "env": dict(env), "cwd": str(cwd)})
        socket.send_fds(_nursery(), [asked.encode()], [sink.fileno(), theirs])
        os.close(theirs)
        self._told = os.fdopen(ours)
        self.pid = int(self._told.readline() or "0")
        assert self.pid, "the process that forks has ended"

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit status, once it has ended.

        Raises:
            subprocess.TimeoutExpired: it still runs after so many seconds.
        """
        if self.returncode is None:
            select.select([self._told], [], [], timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> WarmProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait()


@functools.cache
def _nursery() -> socket.socket:
    """The way to the process that loads everything and forks; it ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),  # the same code as in this process
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
    }
    process = subprocess.Popen([sys.executable, __file__], stdin=theirs.fileno(), env=environment)
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait(30)

    atexit.register(end)
    return ours


def _serve(requests: socket.socket) -> list[str] | None:
    """Fork for each request; returns in the process that is to be `ritm`, with its words, or at the end."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes that watch
    while True:
        asked, (*fds,), _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 2)
        if not asked:
            return None
        if os.fork() == 0:
            break
        for fd in fds:
            os.close(fd)
    requests.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    sink, told = fds
    if pid := os.fork():
        _watch(pid, told)
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for fd, standard in ((null, 0), (sink, 1), (sink, 2)):
        os.dup2(fd, standard)
    os.close(null)
    os.close(sink)
    found = json.loads(asked)
    os.chdir(found["cwd"])
    os.environ.clear()
    os.environ.update(found["env"])
    time.tzset()
    os.write(told, f"{os.getpid()}\n".encode())  # only now: its group can be signalled
    os.close(told)
    words: list[str] = found["words"]
    return words


def _watch(pid: int, told: int) -> None:
    """Tell the exit status of a child when it has ended."""
    os.setsid()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.write(told, f"{status}\n".encode())
    os._exit(0)


def main() -> None:
    del sys.path[0]  # this folder: `ritm` does not see the modules of tests
    with socket.socket(fileno=os.dup(0)) as requests:
        for name in LOADED:
            import_module(name)
        threads = len(list(Path("/proc/self/task").iterdir()))
        assert threads == 1, "a thread would not live on in what is forked"
        gc.collect()
        gc.freeze()
        words = _serve(requests)
    if words is not None:
        from ritm_model.cli.main import main as ritm

        sys.argv = words
        sys.exit(ritm())  # type: ignore[func-returns-value]  # as the installed script has it


if __name__ == "__main__":
    main()
