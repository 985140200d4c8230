"""Which names this server answers to.

A page of a stranger can give its own name our address (DNS rebinding), and the browser then takes us for the
page's own server. Such a request names the stranger in its `Host`. An address cannot be made to lead
elsewhere, so all addresses are answered to; of names only those that nobody else can own.
"""

from __future__ import annotations

import ipaddress
import re
import socket

_LOCAL = ("localhost", "host.docker.internal")
_OF_NETWORKS = (".svc", ".svc.cluster.local", ".internal")
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s\[\]:/@?#\\]+))(?::[0-9]*)?", re.IGNORECASE)


class AllowedHosts:
    """Names that requests may give.

    Args:
        listens: what the server listens on.
        public: further names, as people set them.
        is_local: whether only this machine reaches it. Beyond, names of one word are answered to as well:
            containers and machines of the own network have such, and nobody can register one. Neither can
            anybody below `.internal`, and Label Studio sends events to names with a dot only.
    """

    def __init__(self, listens: str, public: tuple[str, ...], *, is_local: bool) -> None:
        self._names = {listens.lower(), socket.gethostname().lower(), *_LOCAL, *public}
        self._is_local = is_local

    def __contains__(self, host: str) -> bool:
        """Whether a `Host` header, with or without a port, names this server."""
        name = host_name(host)
        if name is None:
            return False
        if name in self._names or name.endswith(".localhost") or _is_address(name):
            return True
        return not self._is_local and ("." not in name or name.endswith(_OF_NETWORKS))


def host_name(host: str) -> str | None:
    """The name or address in a `Host`, in lower case; None if there is none."""
    found = _HOST.fullmatch(host)
    name = (found[1] or found[2]).lower().rstrip(".") if found else ""
    return name or None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
