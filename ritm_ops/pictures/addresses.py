"""Which addresses may be connected to.

A task can name any host, and a host name can stand for any address: of this machine, of its neighbours, of
the cloud's metadata service. So names are resolved first, every address is judged, and the connection is made
to an address that was judged; the name is not looked up again.
"""

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ritm_ops.pictures.access import Network
from ritm_ops.pictures.errors import FetchError
from ritm_ops.pictures.urls import HttpUrl

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str, int], Sequence[Address]]

# IPv4 addresses in IPv6 clothes are judged by the IPv4 address inside.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Not public in effect, although the standard library (of some versions) calls them global.
_REFUSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # the platform service of Azure
        "192.88.99.0/24",  # 6to4 relays
        "64:ff9b:1::/48",  # NAT64 for local use
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "fec0::/10",  # site-local
    )
)

_INTERNAL_ENDINGS = (".localhost", ".local", ".localdomain", ".internal", ".intranet", ".lan", ".home.arpa")


@dataclass(frozen=True)
class AddressPolicy:
    """What may be connected to: public addresses, Label Studio, and what the administrator lists.

    Attributes:
        label_studio: origin of Label Studio, allowed wherever it is.
        hosts: names whose addresses may be private, lower case.
        networks: networks that may be connected to although they are private.
    """

    label_studio: tuple[str, str, int] | None = None
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def check(self, url: HttpUrl, addresses: Sequence[Address]) -> None:
        """Raise FetchError unless every address of the URL's host may be connected to."""
        if self.names(url):
            return
        if not all(self._permits(unwrapped(address)) for address in addresses):
            raise FetchError(
                f"The image {url} is refused because the address of {url.host} is private or reserved; "
                "if images may come from there, list it in RITM_ALLOWED_HOSTS."
            )

    def names(self, url: HttpUrl) -> bool:
        """Whether the administrator has named this very host."""
        return url.origin == self.label_studio or url.host in self.hosts

    def _permits(self, address: Address) -> bool:
        return is_public(address) or any(address in network for network in self.networks)


def resolve(host: str, port: int) -> list[Address]:
    """Look up the addresses of a host, in the system's order of preference.

    Everything the system takes for an address is seen through here: `127.1`, decimal and octal numbers, IPv6
    zones. The system's own time limit applies. Raises OSError or UnicodeError when there is no such host.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ipaddress.ip_address(sockaddr[0]) for *_, sockaddr in found))


def is_internal_name(host: str) -> bool:
    """Tell whether a name can only be one of an inner network: a single word, or with an ending for it."""
    return "." not in host or host.endswith(_INTERNAL_ENDINGS)


def unwrapped(address: Address) -> Address:
    """Return the IPv4 address inside an IPv4-mapped or NAT64 address, any other address as it is."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_public(address: Address) -> bool:
    """Tell whether an unwrapped address belongs to the public Internet and to one machine."""
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _REFUSED)
    )
