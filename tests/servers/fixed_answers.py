"""A server with fixed answers, in the place of a Label Studio."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answers = dict[str, tuple[int, dict[str, str], object]]


@contextmanager
def answering(answers: Answers) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """A server with fixed answers by "METHOD /path"; yields its address and (request, token) as they come."""
    seen: list[tuple[str, str | None]] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            request = f"{self.command} {self.path.partition('?')[0]}"
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            seen.append((request, self.headers.get("Authorization")))
            status, headers, body = answers[request]
            data = body if isinstance(body, bytes) else _text(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = answer

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def project_answers(config: str, task: dict[str, object], click: dict[str, object]) -> Answers:
    """Of a Label Studio with project 1 and one task, on which a backend answers a click."""
    return {
        "GET /api/projects/1": (200, {}, {"id": 1, "title": "Cats", "label_config": config}),
        "GET /api/ml": (200, {}, []),
        "POST /api/ml": (201, {}, {"id": 5}),
        "GET /api/webhooks/": (200, {}, []),
        "POST /api/webhooks/": (201, {}, {"id": 6}),
        "GET /api/tasks": (200, {}, {"tasks": [task]}),
        "POST /api/ml/5/interactive-annotating": (200, {}, click),
    }


def _text(body: object) -> str:
    return body if isinstance(body, str) else json.dumps(body)
