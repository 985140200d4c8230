"""One HTTP exchange with an address that was judged, within limits of time and size.

The socket is opened here, to the judged address or to the proxy that the administrator has set, and handed to
`http.client`, which never looks up a name. TLS is verified against the name in the URL, also through a proxy.
"""

import http.client
import io
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, cast

from ritm_ops.deadline import Deadline
from ritm_ops.network import Proxy
from ritm_ops.pictures.access import Limits
from ritm_ops.pictures.addresses import Address
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.urls import HttpUrl

Dialer = Callable[[Address, int, float], socket.socket]

_CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class HttpResponse:
    """Status, redirect target (empty if none) and body; the body is read for status 200 only.

    `proxy` is the one that may have answered in place of the server, which TLS would have made impossible.
    """

    status: int
    location: str = ""
    body: bytes = field(default=b"", repr=False)
    proxy: Proxy | None = None


def dial(address: Address, port: int, timeout: float) -> socket.socket:
    """Open a TCP connection to an address, not a name."""
    return socket.create_connection((str(address), port), timeout)


@dataclass(frozen=True)
class Transport:
    """Speaks HTTP/1.1 with one server at a time; a new connection for each exchange."""

    limits: Limits
    tls: ssl.SSLContext
    dial: Dialer = dial

    def exchange(
        self,
        url: HttpUrl,
        addresses: Sequence[Address],
        deadline: Deadline,
        headers: Mapping[str, str],
        post: bytes | None = None,
        proxy: Proxy | None = None,
    ) -> HttpResponse:
        """Send one request (GET, or POST with a body) and read its answer, without following redirects.

        Args:
            url: what is asked for; its host is named in the request and verified by TLS.
            addresses: judged addresses of the host, or those of the proxy; the first that answers is used.
            deadline: end of the whole fetch.
            headers: sent beside Host, User-Agent, Connection and Accept-Encoding.
            post: body of a POST request.
            proxy: through which the host is reached.

        Raises:
            FetchError: no connection, a bad certificate, silence, too slow, too large, cut off or compressed.
        """
        forwarder = proxy if url.scheme == "http" else None
        try:
            with self._connect(url, addresses, deadline, proxy) as raw:
                connection = http.client.HTTPConnection(url.host, url.port)
                connection.sock = cast(socket.socket, _TimedSocket(raw, self.limits.read_seconds, deadline))
                connection.request(
                    "GET" if post is None else "POST",
                    url.target if forwarder is None else f"http://{url.authority}{url.target}",
                    body=post,
                    headers={
                        "Host": url.authority,
                        "User-Agent": "ritm",
                        "Connection": "close",
                        "Accept-Encoding": "identity",  # nothing to unpack, no decompression bombs
                        **headers,
                        **(_login(forwarder) if forwarder else {}),
                    },
                )
                answer = self._read(url, connection.getresponse())
                return replace(answer, proxy=forwarder)
        except TimeoutError:
            raise FetchError(
                f"{url} did not answer in time (limits: RITM_FETCH_CONNECT_SECONDS, RITM_FETCH_READ_SECONDS, "
                "RITM_FETCH_TOTAL_SECONDS)."
            ) from None
        except ssl.SSLCertVerificationError as error:
            raise FetchError(
                f"The certificate of {url.authority} is not trusted ({error.verify_message.rstrip('.')}); "
                "a private authority is made known with RITM_CA_FILE or SSL_CERT_FILE."
            ) from None
        except http.client.HTTPException as error:
            raise FetchError(f"{url} broke off or did not answer in HTTP ({type(error).__name__}).") from None
        except OSError as error:
            raise FetchError(f"{url} cannot be reached ({error.strerror or type(error).__name__}).") from None

    def _connect(
        self, url: HttpUrl, addresses: Sequence[Address], deadline: Deadline, proxy: Proxy | None
    ) -> socket.socket:
        """A connection that speaks with the host, or with the proxy about an http address."""
        raw = self._dialled(url, addresses, deadline, proxy)
        if url.scheme == "http":
            return raw
        with ExitStack() as on_failure:
            on_failure.callback(raw.close)
            if proxy is not None:
                self._tunnel(raw, url, deadline, proxy)
            raw.settimeout(min(self.limits.read_seconds, deadline.remaining()))
            encrypted = self.tls.wrap_socket(raw, server_hostname=url.host)
            on_failure.pop_all()
            return encrypted

    def _dialled(
        self, url: HttpUrl, addresses: Sequence[Address], deadline: Deadline, proxy: Proxy | None
    ) -> socket.socket:
        failure: OSError = OSError("no address")
        for address in addresses:
            try:
                seconds = min(self.limits.connect_seconds, deadline.remaining())
                return self.dial(address, proxy.port if proxy else url.port, seconds)
            except OSError as error:  # noqa: PERF203  (the next address may answer)
                failure = error
        if proxy is not None:
            raise FetchError(
                f"{proxy} cannot be reached ({failure.strerror or type(failure).__name__}); hosts that need "
                "none are listed in NO_PROXY."
            )
        raise failure

    def _tunnel(self, raw: socket.socket, url: HttpUrl, deadline: Deadline, proxy: Proxy) -> None:
        """Let the proxy connect us with the host. Raises FetchError with the proxy's answer."""
        host = f"[{url.host}]" if ":" in url.host else url.host
        lines = [f"CONNECT {host}:{url.port} HTTP/1.1", f"Host: {host}:{url.port}"]
        lines += [f"{name}: {value}" for name, value in _login(proxy).items()]
        timed = cast(socket.socket, _TimedSocket(raw, self.limits.read_seconds, deadline))
        timed.sendall("\r\n".join((*lines, "", "")).encode("ascii"))
        with http.client.HTTPResponse(timed, method="CONNECT") as answer:
            try:
                answer.begin()
            except http.client.HTTPException:
                raise FetchError(f"{proxy} does not answer as an HTTP proxy does.") from None
            if not http.HTTPStatus.OK <= answer.status < http.HTTPStatus.MULTIPLE_CHOICES:
                raise FetchError(proxy.refusal(answer.status, f"{host}:{url.port}"))

    def _read(self, url: HttpUrl, response: http.client.HTTPResponse) -> HttpResponse:
        location = response.getheader("Location", "")
        if response.status != http.HTTPStatus.OK:
            # Header bytes arrive as latin-1; addresses are UTF-8.
            return HttpResponse(response.status, location.encode("latin-1").decode("utf-8", "replace"))
        if response.getheader("Content-Encoding", "identity").lower() not in ("identity", ""):
            raise FetchError(f"{url} came compressed (Content-Encoding) although that was not asked for.")
        expected, max_bytes = response.length, self.limits.max_bytes
        if expected is not None and expected > max_bytes:
            raise _too_large(url, max_bytes)
        body = bytearray()
        while piece := response.read1(_CHUNK_BYTES):
            body += piece
            if len(body) > max_bytes:
                raise _too_large(url, max_bytes)
        if expected is not None and len(body) != expected:
            raise FetchError(f"{url} broke off after {len(body):,} of {expected:,} bytes.")
        return HttpResponse(response.status, body=bytes(body))


class _TimedSocket:
    """As much of a socket as `http.client` uses, with the time limits applied to every single read.

    A socket's own timeout starts anew with each byte, so a server that drips could hold a thread for hours.
    """

    def __init__(self, raw: socket.socket, read_seconds: float, deadline: Deadline) -> None:
        self._raw = raw
        self._read_seconds = read_seconds
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._raw.settimeout(min(self._read_seconds, self._deadline.remaining()))
        self._raw.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_TimedReader(self._raw, self._read_seconds, self._deadline))

    def close(self) -> None:
        """Leave the socket to the exchange: `http.client` closes before the body is read."""


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: socket.socket, read_seconds: float, deadline: Deadline) -> None:
        self._raw = raw
        self._read_seconds = read_seconds
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(min(self._read_seconds, self._deadline.remaining()))
        return self._raw.recv_into(buffer)


def _login(proxy: Proxy) -> dict[str, str]:
    return {"Proxy-Authorization": proxy.authorization} if proxy.authorization else {}


def _too_large(url: HttpUrl, max_bytes: int) -> FetchError:
    return FetchError(f"{url} is larger than the {max_bytes:,} bytes that RITM_IMAGE_MAX_MB allows.")
