"""A server that takes messages as Slack's webhooks do, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATH = "/services/hidden-path"


class Webhook(ThreadingHTTPServer):
    """`answers` has the statuses to come, after which it is 200; 0 for silence until the end."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.texts: list[str] = []
        self.over = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}{PATH}"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, list(body)) == (PATH, ["text"])
        self.server.texts.append(body["text"])
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 0:
            self.server.over.wait()
        self.send_response(status or 200)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def webhook_server() -> Iterator[Webhook]:
    """One on a free port."""
    with Webhook() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()
