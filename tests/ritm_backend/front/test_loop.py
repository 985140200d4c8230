"""The loop over real sockets: what it holds of many bodies at once."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from threading import Event, Thread

import pytest
from processes import wait_until

from ritm_backend.front import loop as loop_module
from ritm_backend.front.connection import Phase, Wanted
from ritm_backend.front.lanes import Lane
from ritm_backend.front.loop import ConnectionLimits, Loop

MB = 1 << 20
CLIENTS = 5


class Application:
    """Answers with the length of the body, once it may."""

    def __init__(self) -> None:
        self.may_answer = Event()
        self.lengths: list[int] = []

    def __call__(self, environ, start_response):
        self.lengths.append(len(environ["wsgi.input"].read()))
        assert self.may_answer.wait(60)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(self.lengths[0]).encode()]


@contextmanager
def looping(application: Application, bound: int) -> Iterator[tuple[Loop, int]]:
    """A loop in a thread of its own, and its port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    ended = Event()
    with ThreadPoolExecutor(2 * CLIENTS) as threads:
        limits = ConnectionLimits(body_bytes=bound)
        loop = Loop(
            [listener],
            application,
            lambda _: Wanted("work", 64 * MB),
            {"work": Lane(threads, 2 * CLIENTS)},
            limits,
            lambda _: None,
        )

        def turn() -> None:
            while not ended.is_set():
                loop.turn()

        thread = Thread(target=turn)
        thread.start()
        try:
            yield loop, port
        finally:
            application.may_answer.set()
            ended.set()
            loop.wake()
            thread.join()
            loop.stop_listening()
    loop.close()


def bodies_in(loop: Loop) -> list[object]:
    """The clients whose body is being read, or waits."""
    return [each for each in tuple(loop._clients) if each.state.phase is Phase.BODY]


def post(port: int, size: int, *, has_read_head: Callable[[], object] = lambda: None) -> int:
    """Send the head and, once it has been read, the body."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", str(size))
        connection.endheaders()
        has_read_head()
        connection.send(bytes(size))
        return connection.getresponse().status


def test_bodies_beyond_the_bound_wait_for_an_answer() -> None:
    application = Application()
    with (
        looping(application, bound=MB) as (loop, port),
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        large = [clients.submit(post, port, 8 * MB) for _ in range(CLIENTS - 1)]
        wait_until(lambda: len(loop._paused) == CLIENTS - 2, "all but one to wait", within_s=30)
        wait_until(lambda: application.lengths == [8 * MB], "that one, read to its end", within_s=30)
        assert loop._held_bytes < (8 + 1 + CLIENTS) * MB

        def has_read_head() -> None:
            wait_until(lambda: len(bodies_in(loop)) == CLIENTS - 1, "its head", within_s=30)

        small = clients.submit(post, port, 1000, has_read_head=has_read_head)
        wait_until(lambda: len(application.lengths) == 2, "the small one", within_s=30)
        assert application.lengths == [8 * MB, 1000]

        application.may_answer.set()
        assert [each.result(60) for each in [*large, small]] == [200] * CLIENTS
    assert sorted(application.lengths) == [1000] + [8 * MB] * (CLIENTS - 1)


def test_who_is_late_at_the_same_time_is_told_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port, told = listener.getsockname()[1], list[str]()
    loop = Loop([listener], lambda *_: [], lambda _: Wanted("work", 0), {}, ConnectionLimits(), told.append)
    clients = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(40)]
    for client in clients:
        client.sendall(b"POST /predict HTTP/1.1\r\nHo")
    while not all_at_their_heads(loop, len(clients)):
        loop.turn()
    monkeypatch.setattr(loop_module, "monotonic", lambda: time.monotonic() + 60)
    left = [len(clients)]
    while left[-1]:
        loop.turn()
        left.append(sum(each.state.phase is Phase.HEAD for each in loop._clients))
    assert left == [40, 24, 8, 0]
    assert {client.recv(12) for client in clients} == {b"HTTP/1.1 408"}
    loop.stop_listening()
    loop.close()
    for client in clients:
        client.close()


def test_whoever_has_most_connections_makes_room_for_others() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port, told = listener.getsockname()[1], list[str]()
    gate, limits = lambda _: Wanted("work", MB), ConnectionLimits(connections=CLIENTS)
    loop = Loop([listener], lambda *_: [], gate, {}, limits, told.append)

    def from_address(address: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(address, 0))

    greedy = [from_address("127.0.0.2") for _ in range(CLIENTS)]
    for client in greedy:
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
    while len(bodies_in(loop)) < CLIENTS:
        loop.turn()
    with closing(from_address("127.0.0.3")) as other:
        while "127.0.0.3" not in (peers := [client.peer for client in loop._clients]):
            loop.turn()
        assert sorted(peers) == ["127.0.0.2"] * (CLIENTS - 1) + ["127.0.0.3"]
        assert greedy[0].recv(1) == b""
        other.sendall(b"no HTTP")
    assert told == ["connections"]
    loop.stop_listening()
    loop.close()
    for client in greedy:
        client.close()


def all_at_their_heads(loop: Loop, count: int) -> bool:
    """Whether so many have connected and sent a part of their heads."""
    return len(loop._clients) == count and all(each.state._begun for each in loop._clients)
