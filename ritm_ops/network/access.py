"""The certificates and proxies of this process, and what `requests` needs to go the same way."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from ritm_ops.network.authorities import Named, bundle, named_authorities, trusted
from ritm_ops.network.proxies import Proxies, Proxy


@dataclass(frozen=True, slots=True)
class NetworkAccess:
    """How others are reached.

    Attributes:
        authorities: variables and the files of private authorities that they name.
        proxies: of http and https addresses.
    """

    authorities: Named = ()
    proxies: Proxies = field(default_factory=Proxies)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> NetworkAccess:
        """Read the environment of the process, or another one. Raises NetworkError, with a sentence."""
        variables = os.environ if environment is None else environment
        return cls(named_authorities(variables), Proxies.from_environment(variables))

    def tls(self) -> ssl.SSLContext:
        """What verifies certificates. Raises NetworkError where a file is none of certificates."""
        return trusted(self.authorities)

    def bundle(self) -> Path | None:
        """All authorities as one file, where there are private ones. Raises NetworkError."""
        return bundle(self.authorities)

    def proxy_of(self, url: str) -> Proxy | None:
        """The proxy through which an http or https address is reached."""
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return self.proxies.of(parts.scheme, (parts.hostname or "").lower(), port)

    def session(self) -> requests.Session:
        """A session that goes this way and reads nothing else from its surroundings, such as ~/.netrc."""
        session = requests.Session()
        session.trust_env = False
        adapter = _Adapter(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


class _Adapter(HTTPAdapter):
    def __init__(self, access: NetworkAccess) -> None:
        self._access = access
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._access.tls(), **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._access.tls(), **options)

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        for known in (self._access.proxies.http, self._access.proxies.https):
            if known is not None and known.authorization and proxy == _address(known):
                return {"Proxy-Authorization": known.authorization}
        return {}

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        proxy = self._access.proxy_of(str(request.url))
        options["proxies"] = {urlsplit(str(request.url)).scheme: _address(proxy)} if proxy else {}
        return super().send(request, *args, **options)


def _address(proxy: Proxy) -> str:
    host = f"[{proxy.host}]" if ":" in proxy.host else proxy.host
    return f"http://{host}:{proxy.port}"
