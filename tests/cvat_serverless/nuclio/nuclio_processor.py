"""Nuclio's side of a function: the processor that starts it and feeds it events, and the dashboard.

Docker is all that is missing: events travel over the same sockets in the same packets to a process of
their own, and the dashboard's three routes answer CVAT's calls from the same `function.yaml`.
"""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgpack
import yaml

WRAPPER = Path(__file__).with_name("nuclio_wrapper.py")
PATIENCE_SECONDS = 120
DEFAULT_MAX_BODY = 4 * 2**20


@dataclass(frozen=True)
class Reply:
    """What the function's caller gets, and what its log got meanwhile."""

    status: int
    content_type: str
    body: str
    logs: list[dict[str, Any]]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class StartError(Exception):
    """The function's process ended before it was ready; holds its status, log and output."""


class Processor:
    """One worker of a function, in its own process."""

    def __init__(self, main: Path, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        shutil.copy(main, folder / "main.py")
        self._listeners = [_listen(folder / "events"), _listen(folder / "control")]
        output = (folder / "output.txt").open("w+")
        paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]  # our code as in this process
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-u", WRAPPER, "--handler", "main:handler"),
                *("--event-socket-path", folder / "events", "--control-socket-path", folder / "control"),
                *("--platform-kind", "local", "--namespace", "nuclio", "--worker-id", "0"),
                *("--trigger-kind", "http", "--trigger-name", "myHttpTrigger"),
            ],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(environment or {})},
            cwd=folder,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            self._events, self._control = (self._accept(listener) for listener in self._listeners)
            self._lines = self._events.makefile("r")
            self.start_logs = self._read_until("s")[1]
        except StartError as error:
            status = self._process.wait(PATIENCE_SECONDS)
            self.stop()
            output.seek(0)
            raise StartError(f"{error} with status {status}: {output.read()}") from None
        finally:
            output.close()

    def _accept(self, listener: socket.socket) -> socket.socket:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            # Looked at first: a process that has ended may have connected before.
            is_over = time.monotonic() > deadline or self._process.poll() is not None
            if select.select([listener], [], [], 0.05)[0]:
                connection = listener.accept()[0]
                connection.settimeout(PATIENCE_SECONDS)
                return connection
            if is_over:
                raise StartError("ended")

    def _read_until(self, kind: str) -> tuple[str, list[dict[str, Any]]]:
        logs: list[dict[str, Any]] = []
        for line in self._lines:
            if line[0] == kind:
                return line[1:], logs
            if line[0] == "l":
                logs.append(json.loads(line[1:]))
        raise StartError(f"ended after {logs}")

    def invoke(
        self, body: bytes, content_type: str = "application/json", received: float | None = None
    ) -> Reply:
        """Have an event answered, which Nuclio received just now, or then."""
        event = {
            "body": body,
            "content_type": content_type,
            "content-type": content_type,
            "trigger": {"kind": "http", "name": "myHttpTrigger"},
            "fields": {},
            "headers": {"Content-Type": content_type},
            "id": "1",
            "method": "POST",
            "path": "/",
            "size": len(body),
            "timestamp": int(time.time() if received is None else received),
            "url": "/",
            "shard_id": 0,
            "num_shards": 0,
            "type": "",
            "type_version": "",
            "version": "",
            "offset": 0,
            "topic": "",
        }
        message = msgpack.packb(event)
        self._events.sendall(struct.pack(">i", len(message)) + message)
        line, logs = self._read_until("r")
        reply = json.loads(line)
        if isinstance(reply, list):
            return Reply(500, "text/plain", "The handler answered a single event with a batch.", logs)
        body_text = reply["body"]
        if reply["body_encoding"] == "base64":
            body_text = base64.b64decode(body_text).decode()
        return Reply(reply["status_code"], reply["content_type"], body_text, logs)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        for name in ("_lines", "_events", "_control"):
            if name in vars(self):
                getattr(self, name).close()
        for listener in self._listeners:
            listener.close()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(1)
    return listener


@contextmanager
def running(main: Path, environment: Mapping[str, str] | None = None) -> Iterator[Processor]:
    """Start a function from its `main.py`, which is copied to a folder of its own as Nuclio does."""
    with tempfile.TemporaryDirectory(prefix="nuclio-") as folder:
        processor = Processor(main, Path(folder), environment)
        try:
            yield processor
        finally:
            processor.stop()


@contextmanager
def dashboard(functions: Mapping[str, tuple[dict[str, Any], Processor]]) -> Iterator[str]:
    """Play the dashboard for functions given as name -> (definition, worker); yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            project = self.headers.get("x-nuclio-project-name")
            listed = {
                name: definition
                for name, (definition, _) in functions.items()
                if definition["metadata"]["labels"]["nuclio.io/project-name"] == project
            }
            name = self.path.removeprefix("/api/functions").strip("/")
            if not self.path.startswith("/api/functions") or (name and name not in listed):
                self.send(404, "application/json", '{"error":"Not found"}')
            else:
                self.send(200, "application/json", json.dumps(listed[name] if name else listed))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            definition, worker = functions[self.headers["x-nuclio-function-name"]]
            (trigger,) = definition["spec"]["triggers"].values()
            if len(body) > trigger.get("attributes", {}).get("maxRequestBodySize", DEFAULT_MAX_BODY):
                self.send(400, "text/plain", "body size exceeds the given limit")
                return
            reply = worker.invoke(body, self.headers["Content-Type"])
            self.send(reply.status, reply.content_type, reply.body)

        def send(self, status: int, content_type: str, text: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def deployed(definition: Path) -> dict[str, Any]:
    """A function's definition as the dashboard shows it once it runs."""
    function: dict[str, Any] = yaml.safe_load(definition.read_text())
    return {**function, "status": {"state": "ready", "httpPort": 32768, "logs": []}}
