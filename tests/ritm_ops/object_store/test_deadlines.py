"""A server of S3 that sends or takes one byte after the other is left when the call's time is over."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

import pytest
from s3_server import ACCESS

from ritm_ops.object_store import ObjectStore, StoreError, open_store, s3

Manner = Literal["head", "body", "request", "go on"]
_DRIPS = 300  # a client that waits for all of them meets another error than that of time
_PAUSE = 0.1
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: x\r\n\r\n"


class DrippingServer:
    """Speaks as slowly as a client with a longest silence of half a second endures.

    "head" drips the head of an answer, "body" its body, "go on" what asks for the body of a request; with
    "request", that body is taken slowly. Nothing is written for `_DRIPS` bytes, then the connection ends.
    """

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._over = threading.Event()
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with closing(connection), suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(1)
            if self._manner == "request":
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                for _ in range(_DRIPS):
                    connection.recv(1 << 16)
                    self._over.wait(_PAUSE)
                return
            if self._manner == "body":
                connection.sendall(_HEAD)
            for _ in range(_DRIPS):
                connection.sendall(b"H")
                self._over.wait(_PAUSE)


Start = Callable[[Manner], tuple[ObjectStore, DrippingServer]]


@pytest.fixture
def dripping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    servers = []
    monkeypatch.setattr(s3, "_SLOWEST", 1 << 40)  # else a large body has a second more for each MB

    def start(manner: Manner) -> tuple[ObjectStore, DrippingServer]:
        servers.append(server := DrippingServer(manner))
        for name, value in (ACCESS | {"AWS_ENDPOINT_URL": server.url}).items():
            monkeypatch.setenv(name, value)
        return open_store("s3://bucket", timeout_seconds=0.5, total_seconds=0.6, attempts=2), server

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize("manner", ["head", "body"])
def test_an_answer_that_drips_is_given_up(dripping: Start, manner: Manner, tmp_path: Path) -> None:
    store, server = dripping(manner)
    for ask in (
        lambda: store.read("x"),
        lambda: store.download("x", tmp_path / "x"),
        lambda: list(store.list()),
        lambda: store.write_if("x", b"1", None),
    ):
        before = server.connections
        with pytest.raises(StoreError, match="the object store does not answer in time"):
            ask()
        assert server.connections == before + 1, "there was no time for a second attempt"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("manner", ["request", "go on"])
def test_a_write_that_is_taken_drop_by_drop_is_given_up(
    dripping: Start, manner: Manner, tmp_path: Path
) -> None:
    store, _ = dripping(manner)
    large = tmp_path / "large"
    large.write_bytes(bytes(10 << 20))
    for data in (bytes(10 << 20), large):
        with pytest.raises(StoreError, match="the object store does not answer in time"):
            store.write("x", data)
