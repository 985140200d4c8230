"""Between HTTP and a WSGI application: the head of a request as an environment, its answer as bytes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

from ritm_backend.front.connection import Head, HeaderLines

Environment = dict[str, Any]
Application = Callable[[Environment, Any], Iterable[bytes]]

ARRIVED = "ritm.arrived"
"""Key of the moment, in seconds of the monotonic clock, at which the head of the request was there."""

GONE = "ritm.gone"
"""Key of a function that tells whether the client has closed the connection and waits no more."""

_WITHOUT_PREFIX = {"CONTENT_TYPE", "CONTENT_LENGTH"}


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    headers: HeaderLines
    body: bytes


def environment(head: Head, peer: str, server: tuple[str, int]) -> Environment:
    """The WSGI environment of a request whose body is still to come.

    Args:
        head: of the request.
        peer: address of the client.
        server: name and port that this server listens on.
    """
    target, host = head.target, b""
    if target.startswith((b"http://", b"https://")):  # as proxies are asked; it goes before the header Host
        host, _, rest = target.partition(b"://")[2].partition(b"/")
        target = b"/" + rest
    path, _, query = target.partition(b"?")
    environ: Environment = {
        "REQUEST_METHOD": head.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "RAW_URI": head.target.decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{head.version}",
        "REMOTE_ADDR": peer,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input": BytesIO(),
    }
    for raw_name, raw_value in head.headers:
        if b"_" in raw_name:
            continue  # or it could pass for the header with a hyphen, which a proxy may have set
        name = raw_name.decode("latin-1").upper().replace("-", "_")
        key = name if name in _WITHOUT_PREFIX else f"HTTP_{name}"
        value = raw_value.decode("latin-1")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if host:
        environ["HTTP_HOST"] = host.decode("latin-1")
    return environ


def with_body(environ: Environment, body: bytes, *, is_whole: bool) -> None:
    """Add what has come of the body; the length of a whole one that came in pieces is known only now."""
    environ["wsgi.input"] = BytesIO(body)
    if environ.pop("HTTP_TRANSFER_ENCODING", None) is not None and is_whole:
        environ["CONTENT_LENGTH"] = str(len(body))


def ask(application: Application, environ: Environment) -> Answer:
    """The answer of an application. Raises whatever it raises."""
    began: list[tuple[str, HeaderLines]] = []

    def start_response(status: str, headers: HeaderLines, _: object = None) -> None:
        began.append((status, headers))

    pieces = application(environ, start_response)
    try:
        body = b"".join(pieces)
    finally:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    status, headers = began[-1]
    code, _, reason = status.partition(" ")
    return Answer(int(code), reason, headers, body)
