"""Through which proxy an address is reached, as HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY say.

This machine itself (`localhost` and its addresses) is never reached through a proxy.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from ritm_ops.network.authorities import NetworkError

_DEFAULT_PORT = 80


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        variable: that names it.
        host: name or address.
        port: of the proxy.
        authorization: value of the header Proxy-Authorization, or nothing.
    """

    variable: str
    host: str
    port: int
    authorization: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"The proxy {host}:{self.port} ({self.variable})"

    def refusal(self, status: int, target: str) -> str:
        """A sentence for an answer of the proxy itself.

        Args:
            status: HTTP status.
            target: host and port that were asked for.
        """
        if status == 407:
            cure = f"it wants a user and password: {self.variable}=http://user:password@host:port"
        else:
            cure = "hosts that are reached without it are listed in NO_PROXY"
        return f"{self} answered {status} for {target}; {cure}."


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of http and https addresses, and what is reached without them."""

    http: Proxy | None = None
    https: Proxy | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Proxies:
        """Read the variables, in lower or upper case. Raises NetworkError, with a sentence."""
        names = {name.lower(): name for name in sorted(environment) if environment[name].strip()}
        if "REQUEST_METHOD" in environment:  # a CGI script, whose clients set HTTP_PROXY by a header
            names.pop("http_proxy", None)
        chosen = {
            scheme: names.get(f"{scheme}_proxy", names.get("all_proxy")) for scheme in ("http", "https")
        }
        found = {scheme: _proxy(name, environment[name]) if name else None for scheme, name in chosen.items()}
        bypassed = environment[names["no_proxy"]] if "no_proxy" in names else ""
        return cls(found["http"], found["https"], tuple(re.split(r"[,\s]+", bypassed.strip().lower())))

    def of(self, scheme: str, host: str, port: int) -> Proxy | None:
        """The proxy for an address; None where it is reached without.

        Args:
            scheme: `http` or `https`.
            host: lower case, an IPv6 address without brackets.
            port: of the address.
        """
        proxy = self.https if scheme == "https" else self.http
        return None if proxy is None or self._bypassed(host, port) else proxy

    def _bypassed(self, host: str, port: int) -> bool:
        address = _address(host)
        if host == "localhost" or host.endswith(".localhost") or (address and address.is_loopback):
            return True
        return any(_covers(entry, host, port, address) for entry in self.no_proxy if entry)


def _covers(
    entry: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    """Whether an entry of NO_PROXY means this host: `*`, a name or the end of one, an address, a network."""
    if entry == "*":
        return True
    try:
        network = ipaddress.ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        pass
    else:
        return address is not None and address in network
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal():
        if int(wanted) != port:
            return False
        entry = name.strip("[]")
    entry = entry.removeprefix("*").removeprefix(".")
    return bool(entry) and (host == entry or host.endswith(f".{entry}"))


def _proxy(variable: str, text: str) -> Proxy:
    text = text.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or parts.scheme != "http":  # not shown: there may be a password in it
        raise NetworkError(f"{variable} must name an HTTP proxy, as http://host:port.")
    login = ""
    if parts.username is not None:
        plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        login = f"Basic {base64.b64encode(plain).decode()}"
    return Proxy(variable, host.lower(), port or _DEFAULT_PORT, login)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
