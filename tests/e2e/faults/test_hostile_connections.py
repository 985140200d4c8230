"""Bytes that no honest client sends, to a real server: each gets a status and a sentence, others go on."""

from __future__ import annotations

import json
import socket
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest
import requests
from backend import ritm_serve
from processes import Server

USER, PASSWORD = "anna", "word"
PAGE = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
PREDICT = (
    b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAuthorization: Basic "
    + b64encode(f"{USER}:{PASSWORD}".encode())
    + b"\r\n"
)
CHUNKED = PREDICT + b"Transfer-Encoding: chunked\r\n"
HOSTILE = {
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "a long method": (b"A" * 10_000 + b" /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 501),
    "many header lines": (HEALTH + b"a:\r\n" * 15_000 + b"\r\n", 431),
    "many cookies": (HEALTH + b"Cookie: a=b\r\n" * 5000 + b"\r\n", 431),
    "a header of a megabyte": (HEALTH + b"a: " + b"x" * 2**20 + b"\r\n\r\n", 431),
    "two hosts": (HEALTH + b"Host: attacker.example\r\n\r\n", 400),
    "a negative length": (PREDICT + b"Content-Length: -5\r\n\r\n", 400),
    "a length beyond all": (PREDICT + b"Content-Length: 1000000000000\r\n\r\n", 413),
    "a length of 23 digits": (PREDICT + b"Content-Length: 99999999999999999999999\r\n\r\n", 400),
    "two lengths": (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + PAGE + b"\r\n", 400),
    "chunks of one byte": (CHUNKED + b"\r\n" + b"1\r\na\r\n" * 5000, 400),
    "a packed transfer": (PREDICT + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    "a packed body": (PREDICT + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + bytes(20), 415),
    "a password that is no ASCII": (PAGE + b"Authorization: Basic \xff\r\n\r\n", 401),
    "a user that is no text": (PAGE + b"Authorization: Basic " + b64encode(b"\xff:\xff") + b"\r\n\r\n", 401),
}


@pytest.fixture(scope="module")
def guarded(image_settings: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    settings = {**image_settings, "BASIC_AUTH_USER": USER, "BASIC_AUTH_PASS": PASSWORD}
    with ritm_serve(tmp_path_factory.mktemp("hostile"), settings, health="/live") as running:
        yield running


def sent(server: Server, data: bytes) -> bytes:
    """What comes back until the server closes the connection."""
    address = urlsplit(server.url)
    answer = b""
    with (
        closing(socket.create_connection((address.hostname, address.port or 0), timeout=30)) as connection,
        suppress(ConnectionError),  # of bytes that were on their way when the answer was
    ):
        connection.sendall(data)
        while piece := connection.recv(1 << 16):
            answer += piece
    return answer


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_no_honest_client_sends_gets_a_sentence(guarded: Server, kind: str) -> None:
    data, status = HOSTILE[kind]
    head, _, body = sent(guarded, data).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert json.loads(body)["error"].endswith(".")
    assert requests.get(f"{guarded.url}/health", timeout=30).status_code == 200
    assert '"fault"' not in guarded.text()
