"""Wait with all modules loaded, and become the Python program that is asked for: `preloaded.py` asks.

Each program is a process of its own, forked from this one, in which no thread runs and torch has computed
nothing. What is left of its start is what it does itself.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import runpy
import socket
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MODULES = (
    "flask",
    "ritm_backend.server",
    "ritm_model.inference",
    "ritm_model.learning.loop.launch",
    "ritm_model.learning.loop.loop",
    "ritm_ops.redis_states",
    "torch._dynamo",  # which the first optimiser imports
    "training.job",
    "training.worker",
)
"""What takes long to import, but nothing that reads the environment then, as `prometheus_client` does."""


def serve(orders: socket.socket) -> dict[str, Any] | None:
    """Fork for each order. Returns that order in the new process, and None when nobody asks any more."""
    while True:
        message, files, _, _ = socket.recv_fds(orders, 1 << 20, 2)
        if not message:
            return None
        order: dict[str, Any] = json.loads(message)
        if "ended" in order:
            _, status = os.waitpid(order["ended"], 0)
            orders.send(str(os.waitstatus_to_exitcode(status)).encode())
            continue
        if os.fork() == 0:
            os.setsid()
            os.dup2(files[0], 1)
            os.dup2(files[1], 2)
            for file in files:
                os.close(file)
            orders.send(str(os.getpid()).encode())
            orders.close()
            return order
        for file in files:
            os.close(file)


def become(order: dict[str, Any]) -> None:
    """Run the program of an order as a command would, with its environment, folder and limits."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    for kind, most in order["limits"]:
        resource.setrlimit(kind, (most, most))
    sys.argv = order["command"]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    for module in MODULES:
        import_module(module)
    gc.freeze()  # what is loaded stays shared with the forks
    if (order := serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        become(order)
