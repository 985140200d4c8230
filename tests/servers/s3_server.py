"""A real S3 server in a process of its own, and a proxy before it that fails on demand."""

from __future__ import annotations

import contextlib
import http.client
import sys
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from processes import Server, free_port, serving

ACCESS = {
    "AWS_ACCESS_KEY_ID": "an-access-key",
    "AWS_SECRET_ACCESS_KEY": "a-secret-key",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What tests set in the environment, with AWS_ENDPOINT_URL."""

Fault = Literal["none", "500", "403", "truncated", "silent", "lost answer"]


@contextlib.contextmanager
def s3_server(folder: Path) -> Iterator[Server]:
    """Moto's server until the block ends; it keeps everything in its memory and starts empty."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    log = folder / "s3.log"
    with serving(command, environment, log, url=url, health="/moto-api/", within_s=60) as server:
        yield server


class FaultyProxy:
    """Passes requests on to `target`, except for those that meet a fault; one request takes one of them.

    "truncated" closes the connection in the middle of the body, "silent" does not answer before `close`,
    "lost answer" passes the request on and closes the connection instead of answering. Headers in `without`
    (in lower case) are not passed on.
    """

    def __init__(self, target: str) -> None:
        self.faults: deque[Fault] = deque()
        self.requests = 0
        self.without: set[str] = set()
        self._target = urlsplit(target).netloc
        self._closed = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are sent one by one: 40 ms for each answer

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def do_GET(self) -> None:
                proxy._serve(self)

            do_PUT = do_HEAD = do_POST = do_DELETE = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        self.requests += 1
        body = _body(request)
        fault = self.faults.popleft() if self.faults else None
        if fault == "silent":
            self._closed.wait()
            request.close_connection = True
            return
        if fault in ("500", "403"):
            request.send_response(int(fault))
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        connection = http.client.HTTPConnection(self._target, timeout=30)
        with contextlib.closing(connection):
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in (*_OF_ONE_CONNECTION, *self.without)
            }
            connection.request(request.command, request.path, body, headers)
            answer = connection.getresponse()
            data = answer.read()
        if fault == "lost answer":
            request.close_connection = True
            return
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in (*_OF_ONE_CONNECTION, "content-length", "date", "server"):
                request.send_header(name, value)
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(data))
        request.send_header("Content-Length", length or "0")
        request.end_headers()
        if fault == "truncated":
            data = data[: len(data) // 2]
            request.close_connection = True
        if request.command != "HEAD":
            request.wfile.write(data)


_OF_ONE_CONNECTION = ("connection", "transfer-encoding", "expect", "keep-alive")


def _body(request: BaseHTTPRequestHandler) -> bytes:
    if request.headers.get("Transfer-Encoding", "").lower() == "chunked":
        parts = []
        while size := int(request.rfile.readline().split(b";")[0], 16):
            parts.append(request.rfile.read(size))
            request.rfile.readline()
        while request.rfile.readline() not in (b"\r\n", b""):
            pass
        return b"".join(parts)
    return request.rfile.read(int(request.headers.get("Content-Length") or 0))
