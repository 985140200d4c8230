"""Images that lie in Label Studio: who is asked, and who gets the token."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from pydantic import SecretStr

from training.exports.errors import ExportError
from training.exports.pictures import ImageAccess, Pictures


def jwt(kind: str) -> str:
    body = base64.urlsafe_b64encode(json.dumps({"token_type": kind}).encode()).decode().rstrip("=")
    return f"head.{body}.signature"


class Studio(ThreadingHTTPServer):
    """Answers as Label Studio does to a personal access token, whose access tokens it can let expire."""

    def __init__(self, picture: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.picture = picture
        self.valid = 0
        self.seen: list[tuple[str, str | None]] = []
        self.elsewhere = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Studio

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert (self.path, body) == ("/api/token/refresh/", {"refresh": jwt("refresh")})
        self.server.valid += 1
        self._answer(200, json.dumps({"access": f"access-{self.server.valid}"}).encode())

    def do_GET(self) -> None:
        token = self.headers["Authorization"]
        self.server.seen.append((self.path, token))
        if self.path == "/away.png":
            self._answer(302, location=self.server.elsewhere)
        elif self.path == "/open.png" or token in (f"Bearer access-{self.server.valid}", "Token legacy"):
            self._answer(200, self.server.picture)
        else:
            self._answer(401)

    def _answer(self, status: int, body: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def studio(picture: bytes) -> Iterator[Studio]:
    yield from serving(picture)


@pytest.fixture
def other(picture: bytes) -> Iterator[Studio]:
    yield from serving(picture)


def serving(picture: bytes) -> Iterator[Studio]:
    with Studio(picture) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def access(studio: Studio, token: str, **more: frozenset[str]) -> Pictures:
    return Pictures(ImageAccess(studio.url, SecretStr(token), **more))


def test_a_personal_token_is_exchanged_once_and_again_when_it_expires(studio: Studio) -> None:
    pictures = access(studio, jwt("refresh"))
    for _ in range(2):
        assert pictures.fetch("/data/upload/1/a.png") == studio.picture
    assert studio.valid == 1
    studio.valid += 1  # the access token that was given is not valid any more
    assert pictures.fetch(f"{studio.url}/data/upload/1/a.png") == studio.picture
    assert studio.valid == 3


def test_a_legacy_token(studio: Studio) -> None:
    assert access(studio, "legacy").fetch("/data/local-files/?d=a.png") == studio.picture
    assert studio.seen == [("/data/local-files/?d=a.png", "Token legacy")]


def test_a_refused_token(studio: Studio) -> None:
    with pytest.raises(ExportError, match="status 401") as caught:
        access(studio, "wrong").fetch("/data/upload/1/a.png")
    assert "wrong" not in str(caught.value)


def test_other_hosts_are_not_asked_even_after_a_redirect(studio: Studio, other: Studio) -> None:
    studio.elsewhere = f"http://localhost:{other.server_port}/open.png"
    with pytest.raises(ExportError, match="not among those that are allowed"):
        access(studio, "legacy").fetch("/away.png")
    assert other.seen == []


def test_hosts_that_are_allowed_get_no_token(studio: Studio, other: Studio) -> None:
    studio.elsewhere = f"http://localhost:{other.server_port}/open.png"
    pictures = access(studio, "legacy", allowed_hosts=frozenset({"localhost"}))
    assert pictures.fetch("/away.png") == other.picture
    assert other.seen == [("/open.png", None)]


def test_a_data_address(picture: bytes) -> None:
    reference = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
    assert Pictures(ImageAccess()).fetch(reference) == picture
