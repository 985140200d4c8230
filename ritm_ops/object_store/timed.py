"""Connections of boto3 with a last moment for the whole call.

boto3 knows a longest silence only, which starts anew with each byte: a server that drips could hold a thread
for hours. Here every single read and write of a socket ends with the call's deadline.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from ritm_ops.deadline import Deadline

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_PIECE = 1 << 16

_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


class LateError(Exception):
    """The call's time is over. Not one of boto3's, so that it does not try again."""


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """Whatever this thread asks of S3 in the block ends with the deadline."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def set_up(client: S3Client, silence_seconds: float) -> None:
    """Make a client keep to `within`, beside a longest silence."""

    class Connection(AWSHTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = _TimedSocket(self.sock, silence_seconds)

    class SecureConnection(AWSHTTPSConnection):
        def connect(self) -> None:
            super().connect()
            self.sock = _TimedSocket(self.sock, silence_seconds)

    class Pool(AWSHTTPConnectionPool):
        ConnectionCls = Connection

    class SecurePool(AWSHTTPSConnectionPool):
        ConnectionCls = SecureConnection

    # boto3 has no setting for this; a test with a server that drips tells when a release has moved it.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=Pool, https=SecurePool)  # type: ignore[attr-defined]
    client.meta.events.register("before-send.s3", _check)


def _check(**_: object) -> None:
    """Before each attempt."""
    deadline = _deadline.get()
    try:
        if deadline is not None:
            deadline.remaining()
    except TimeoutError:
        raise LateError from None


class _TimedSocket:
    """A socket, plain or of TLS, whose reads and writes end with the deadline of the thread's call."""

    def __init__(self, raw: socket.socket, silence_seconds: float) -> None:
        self._raw = raw
        self._silence_seconds = silence_seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def sendall(self, data: bytes) -> None:
        whole = memoryview(data).cast("B")
        for start in range(0, len(whole), _PIECE):  # the silence is that of a piece
            self.limit()
            self._raw.sendall(whole[start : start + _PIECE])

    def makefile(self, mode: str, buffering: int | None = None) -> io.RawIOBase | io.BufferedReader:
        assert mode == "rb"
        reader = _TimedReader(self, self._raw.makefile("rb", buffering=0))
        return reader if buffering == 0 else io.BufferedReader(reader)

    def limit(self) -> None:
        """Let the next step take no longer than it may. Raises TimeoutError."""
        deadline = _deadline.get()
        seconds = self._silence_seconds
        self._raw.settimeout(seconds if deadline is None else min(seconds, deadline.remaining()))


class _TimedReader(io.RawIOBase):
    def __init__(self, timed: _TimedSocket, raw: socket.SocketIO) -> None:
        self._timed = timed
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._timed.limit()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
