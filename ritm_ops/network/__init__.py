"""How a process reaches others: whose certificates it trusts, and through which proxies it goes."""

from ritm_ops.network.access import NetworkAccess
from ritm_ops.network.authorities import NetworkError
from ritm_ops.network.proxies import Proxies, Proxy

__all__ = ["NetworkAccess", "NetworkError", "Proxies", "Proxy"]
