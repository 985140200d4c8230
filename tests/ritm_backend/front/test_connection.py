"""A connection by itself: bytes in, bytes out, and a clock that a test turns."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_backend.front.connection import Connection, Deadlines, Head, Phase, Wanted

DEADLINES = Deadlines(head=10, body=20, body_mb=1, silence=5, send=30, linger=2)
POST = b"POST /predict?a=1 HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n0123456789"
CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
)


def connection(wanted: int = 1000, now: float = 0) -> Connection:
    return Connection(lambda _: Wanted("lane", wanted), DEADLINES, now)


def answered(one: Connection) -> bytes:
    """Take all that goes out."""
    out = b""
    while one.outgoing:
        out += bytes(one.outgoing)
        one.sent(len(one.outgoing), 0)
    return out


@given(cuts=st.lists(st.integers(0, len(POST)), max_size=6))
def test_a_request_is_the_same_however_it_is_cut(cuts: list[int]) -> None:
    one = connection()
    places = sorted({0, *cuts, len(POST)})
    for start, end in pairwise(places):
        one.receive(POST[start:end], 0)
    assert one.phase is Phase.READY
    assert one.head is not None
    assert (one.head.method, one.head.target, bytes(one.body)) == ("POST", b"/predict?a=1", b"0123456789")


def test_a_body_in_chunks_is_put_together() -> None:
    one = connection()
    one.receive(CHUNKED, 0)
    assert one.phase is Phase.READY
    assert bytes(one.body) == b"abcdefg"
    refused = connection(wanted=5)
    refused.receive(CHUNKED, 0)
    assert answered(refused).startswith(b"HTTP/1.1 413 ")
    assert refused.fault == "large"


def test_of_a_body_that_nobody_wants_nothing_is_waited_for() -> None:
    one = connection(wanted=0)
    one.receive(POST[:-8], 0)
    assert one.phase is Phase.READY
    assert not one.body
    some = connection(wanted=4)
    some.receive(POST[:-2], 0)
    assert (some.phase, bytes(some.body)) == (Phase.READY, b"0123")


def test_bytes_do_not_put_the_deadline_of_a_head_off() -> None:
    one = connection()
    for second in range(10):
        one.receive(b"POST / HTTP/1.1\r\n"[second : second + 1], second)
        assert one.deadline == 10
    one.expire(10)
    assert answered(one).startswith(b"HTTP/1.1 408 ")
    assert one.fault == "slow"


def test_a_body_has_a_longest_silence_and_a_last_moment() -> None:
    one = connection()
    one.receive(POST[:-10], 3)
    assert one.deadline == 3 + 5
    one.receive(b"0", 7)
    assert one.deadline == 7 + 5
    one.receive(b"1", 20)
    assert one.deadline == pytest.approx(3 + 20, abs=0.01)
    one.postpone(100)
    assert one.deadline == pytest.approx(123, abs=0.01)
    one.expire(124)
    assert one.phase is Phase.SENDING


def test_whoever_does_not_take_an_answer_is_left() -> None:
    one = connection()
    one.receive(POST, 0)
    one.respond(200, "OK", [("Content-Type", "text/plain")], b"x" * 100, 1)
    one.sent(10, 5)
    assert one.deadline == 31
    one.expire(31)
    assert (one.phase, one.fault) == (Phase.CLOSED, "slow")


def test_after_the_answer_the_rest_of_the_request_is_thrown_away() -> None:
    one = connection(wanted=0)
    one.receive(POST[:-8], 0)
    one.respond(401, "Unauthorized", [], b"no", 0)
    sent = answered(one)
    assert sent.startswith(b"HTTP/1.1 401 Unauthorized\r\n")
    assert b"connection: close" in sent
    assert sent.endswith(b"\r\n\r\nno")
    assert one.phase is Phase.LINGER
    one.receive(b"23456789" * 100, 1)
    assert not one.body
    one.receive(b"", 1)
    assert one.phase is Phase.CLOSED


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"\r\n\n" + b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a:\n" * 100 + b"\n",
        CHUNKED.replace(b"Host", b"Content-Length: 7\r\nHost"),
        CHUNKED.partition(b"3\r\n")[0] + b"1\r\na\r\n" * 1001,
    ],
)
def test_what_is_no_http_gets_a_sentence(bad: bytes) -> None:
    one = connection()
    one.receive(bad, 0)
    assert answered(one).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
    assert one.fault == "malformed"


def test_many_chunks_are_taken_if_they_hold_something() -> None:
    one = connection(wanted=1 << 20)
    one.receive(CHUNKED.partition(b"3\r\n")[0] + (b"40\r\n" + bytes(64) + b"\r\n") * 3000 + b"0\r\n\r\n", 0)
    assert (one.phase, len(one.body)) == (Phase.READY, 64 * 3000)


def test_whoever_only_knocks_is_let_go() -> None:
    one = connection()
    one.receive(b"", 0)
    assert one.phase is Phase.CLOSED
    assert not one.outgoing


def test_a_client_that_asks_before_it_sends_is_told_to_go_on() -> None:
    one = connection()
    one.receive(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0)
    assert bytes(one.outgoing).startswith(b"HTTP/1.1 100 ")
    refused = connection(wanted=0)
    refused.receive(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", 0)
    assert not refused.outgoing
    assert refused.phase is Phase.READY


def test_a_head_knows_its_headers() -> None:
    head = Head("POST", b"/", ((b"content-length", b"7"),), "1.1")
    assert (head.length, head.get(b"host")) == (7, None)
