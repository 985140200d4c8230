"""Names with several addresses, as Docker's name server tells them of services with several containers."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator, Mapping, Sequence

_A, _INTERNET, _SECONDS = 1, 1, 1
_ANSWER, _NO_SUCH_NAME = 0x8180, 0x8183


@contextlib.contextmanager
def name_server(
    addresses: Mapping[str, Sequence[str]], place: tuple[str, int] = ("127.0.0.1", 0)
) -> Iterator[int]:
    """Answer for these names until the block ends; yields the UDP port. `addresses` may change meanwhile."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            message, back = self.request
            back.sendto(_answer(message, addresses), self.client_address)

    with socketserver.ThreadingUDPServer(place, Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def _answer(message: bytes, addresses: Mapping[str, Sequence[str]]) -> bytes:
    """One question, answered with all IPv4 addresses of its name."""
    labels, at = [], 12
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    name, end = ".".join(labels), at + 5
    (kind,) = struct.unpack_from("!H", message, at + 1)
    found = addresses.get(name, ()) if kind == _A else ()
    status = _ANSWER if name in addresses else _NO_SUCH_NAME
    header = message[:2] + struct.pack("!5H", status, 1, len(found), 0, 0)
    record = struct.pack("!HHHIH", 0xC00C, _A, _INTERNET, _SECONDS, 4)  # the name of the question
    return header + message[12:end] + b"".join(record + socket.inet_aton(each) for each in found)
