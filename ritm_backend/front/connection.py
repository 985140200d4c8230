"""One connection as a value that is told what happened: bytes came, bytes went, time passed.

It does no input or output of its own. A connection carries one request and is closed after the answer.

    HEAD     the request's head is read
    BODY     as much of the body is read as the gate wants to have
    READY    nothing more is read; somebody works out the answer
    SENDING  the answer goes out
    LINGER   the answer is out, and what the client still sends is thrown away, lest it miss the answer
    CLOSED   nothing is left to do

No byte that comes puts a deadline off; a body has a longest silence beside its deadline.

All connections are read by one thread, so no client may make much work of few bytes: a head is parsed once it
is whole, if it has no more lines than anybody needs, and chunks of a body are not all tiny.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto
from http import HTTPStatus

import h11

HeaderLines = Sequence[tuple[str, str]]

_LARGEST_HEAD = 64 * 1024
_MOST_LINES = 100  # of a head; browsers and proxies send some twenty
_END_OF_HEAD = re.compile(rb"\n\r?\n")
_FIRST_CHUNKS, _SMALLEST_CHUNK = 1000, 64  # beyond the first ones, chunks have so many bytes on average
_LONGEST_METHOD = 32


class Phase(Enum):
    HEAD = auto()
    BODY = auto()
    READY = auto()
    SENDING = auto()
    LINGER = auto()
    CLOSED = auto()


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Longest times in seconds.

    Attributes:
        head: from the connection to the end of the request's head.
        body: for a body of no length, and for each megabyte of it, so much and `body_mb` more.
        silence: without a byte of the body.
        send: for the answer.
        linger: for what the client sends after the answer.
    """

    head: float = 10
    body: float = 20
    body_mb: float = 1
    silence: float = 10
    send: float = 30
    linger: float = 2


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request, as it came. Names of headers are in lower case."""

    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    version: str

    def get(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def length(self) -> int | None:
        """Bytes of the body; None where they are not known before it has come."""
        if self.get(b"transfer-encoding") is not None:
            return None
        return int(self.get(b"content-length") or 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done with a request, by its head.

    Attributes:
        lane: which threads answer it.
        bytes: how much of the body they need; of a longer one they get the beginning.
    """

    lane: str
    bytes: int


Gate = Callable[[Head], Wanted]


class Connection:
    """See the module. Not thread-safe: one thread owns it.

    Args:
        gate: asked once the head is there.
        deadlines: how long everything may take.
        now: seconds, of the clock that all other calls use.
    """

    def __init__(self, gate: Gate, deadlines: Deadlines, now: float) -> None:
        self._gate = gate
        self._deadlines = deadlines
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_LARGEST_HEAD)
        self._latest = now + deadlines.head
        self._silent_since = now
        self._begun = bytearray()  # of a head
        self._chunks = 0
        self.phase = Phase.HEAD
        self.head: Head | None = None
        self.wanted: Wanted | None = None
        self.arrived = now
        self.body = bytearray()
        self.outgoing = memoryview(b"")
        self.fault = ""
        """Why this connection was refused: "slow", "large" or "malformed"; nothing if it was not."""

    @property
    def deadline(self) -> float:
        """When `expire` is to be called, if nothing else happens before."""
        if self.phase is Phase.READY:
            return float("inf")
        if self.phase is Phase.BODY:
            return min(self._latest, self._silent_since + self._deadlines.silence)
        return self._latest

    @property
    def wants_bytes(self) -> bool:
        return self.phase in (Phase.HEAD, Phase.BODY, Phase.LINGER)

    def postpone(self, seconds: float) -> None:
        """Nothing was read for a while, by no fault of the client."""
        self._latest += seconds
        self._silent_since += seconds

    def receive(self, data: bytes, now: float) -> None:
        """Bytes came; none at all when the client has ended its side."""
        if self.phase is Phase.LINGER:
            if not data:
                self.phase = Phase.CLOSED
            return
        if not data and self.phase is Phase.HEAD and not self._begun:
            self.phase = Phase.CLOSED  # somebody looked whether the port is open
            return
        self._silent_since = now
        try:
            if self.phase is Phase.HEAD and data:
                data = self._whole_head(data)
                if not data:
                    return
            self._http.receive_data(data)
            self._read_on(now)
        except h11.RemoteProtocolError as error:
            self._refuse("malformed", error.error_status_hint, "The request is not proper HTTP.", now)

    def _whole_head(self, data: bytes) -> bytes:
        """All that has come once the head is there, or is seen to be none; before, nothing."""
        known = len(self._begun)
        self._begun += data
        if not known:
            self._begun = self._begun.lstrip(b"\r\n")
        end = _END_OF_HEAD.search(self._begun, max(0, known - 2))
        length = len(self._begun) if end is None else end.end()
        if length > _LARGEST_HEAD or self._begun.count(b"\n", 0, length) > _MOST_LINES:
            raise h11.RemoteProtocolError("The head is too large.", error_status_hint=431)
        may_be_one = self._begun[:1] > b" "  # TLS, for one, is none
        return bytes(self._begun) if end is not None or not may_be_one else b""

    def _read_on(self, now: float) -> None:
        while self.phase in (Phase.HEAD, Phase.BODY):
            match self._http.next_event():
                case h11.Request() as request:
                    self._begin(request, now)
                case h11.Data(data=data):
                    self.body += data
                    self._chunks += 1
                    self._check_length(now)
                case h11.EndOfMessage():
                    self.phase = Phase.READY
                case h11.ConnectionClosed():
                    self.phase = Phase.CLOSED
                case _:
                    return

    def _begin(self, request: h11.Request, now: float) -> None:
        headers = tuple((bytes(name), bytes(value)) for name, value in request.headers)
        self.head = head = Head(
            request.method.decode(), bytes(request.target), headers, request.http_version.decode()
        )
        self.arrived = now
        _check_head(head)
        self.wanted = wanted = self._gate(head)
        length = head.length
        if wanted.bytes == 0 and length != 0:
            self.phase = Phase.READY  # for an answer that does not depend on the body
            return
        expected = wanted.bytes if length is None else min(length, wanted.bytes)
        self._latest = now + self._deadlines.body + self._deadlines.body_mb * expected / 2**20
        self.phase = Phase.BODY
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            self.outgoing = memoryview(self._http.send(go_on) or b"")

    def _check_length(self, now: float) -> None:
        assert self.head is not None
        assert self.wanted is not None
        is_chunked = self.head.length is None
        if is_chunked and self._chunks > max(_FIRST_CHUNKS, len(self.body) // _SMALLEST_CHUNK):
            self._refuse("malformed", 400, "The body comes in too many small chunks.", now)
            return
        if len(self.body) < self.wanted.bytes or len(self.body) == self.head.length:
            return
        if is_chunked:
            if len(self.body) > self.wanted.bytes:
                self._refuse("large", 413, "The request is too large.", now)
            return
        del self.body[self.wanted.bytes :]
        self.phase = Phase.READY

    def respond(self, status: int, reason: str, headers: HeaderLines, body: bytes, now: float) -> None:
        """Send an answer."""
        lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        given = {name.lower() for name, _ in lines}
        if b"date" not in given:
            lines.append((b"date", formatdate(usegmt=True).encode()))
        if b"content-length" not in given and status not in (204, 304):
            lines.append((b"content-length", str(len(body)).encode()))
        lines = [line for line in lines if line[0].lower() != b"connection"] + [(b"connection", b"close")]
        parts = [bytes(self.outgoing)]
        response = h11.Response(status_code=status, reason=reason.encode("latin-1"), headers=lines)
        parts.append(self._http.send(response) or b"")
        if body and not (self.head and self.head.method == "HEAD"):
            parts.append(self._http.send(h11.Data(data=body)) or b"")
        self.body = bytearray()
        self.outgoing = memoryview(b"".join(parts))
        self._latest = now + self._deadlines.send
        self.phase = Phase.SENDING

    def _refuse(self, fault: str, status: int, sentence: str, now: float) -> None:
        self.fault = fault
        body = json.dumps({"error": sentence}).encode()
        headers = [("Content-Type", "application/json")]
        try:
            self.respond(status, HTTPStatus(status).phrase, headers, body, now)
        except h11.LocalProtocolError:  # an answer has begun already, or the connection is no more HTTP
            self.phase = Phase.CLOSED

    def sent(self, count: int, now: float) -> None:
        """So many bytes of `outgoing` went."""
        self.outgoing = self.outgoing[count:]
        if self.outgoing or self.phase is not Phase.SENDING:
            return
        self.phase = Phase.LINGER
        self._latest = now + self._deadlines.linger

    def expire(self, now: float) -> None:
        """The deadline has passed."""
        if self.phase is Phase.HEAD and self._begun:
            self._refuse("slow", 408, "The head of the request did not come in time.", now)
        elif self.phase is Phase.BODY:
            self._refuse("slow", 408, "The body of the request did not come in time.", now)
        else:
            if self.phase is Phase.SENDING:
                self.fault = "slow"
            self.phase = Phase.CLOSED


def _check_head(head: Head) -> None:
    """Raise h11.RemoteProtocolError for what is no request of HTTP/1.0 or 1.1, or has two lengths.

    A proxy may believe the other length, and take the rest of a body for somebody's next request.
    """
    if head.version not in ("1.0", "1.1"):
        raise h11.RemoteProtocolError("Another version of HTTP.", error_status_hint=505)
    if len(head.method) > _LONGEST_METHOD:
        raise h11.RemoteProtocolError("No such method.", error_status_hint=501)
    if head.get(b"transfer-encoding") is not None and head.get(b"content-length") is not None:
        raise h11.RemoteProtocolError("Two lengths.")
