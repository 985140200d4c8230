"""What the head of a request decides: whether it is answered at all, by which threads, and with which body.

It is asked twice: by the server before a body is read, so that nobody's megabytes are read who is refused
anyway, and by the application, which works the same under any other server and in tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from werkzeug.wrappers import Request

from ritm_backend.admission.hosts import AllowedHosts, host_name
from ritm_backend.auth import is_allowed, is_loopback
from ritm_backend.front.connection import Wanted
from ritm_backend.settings import Settings
from ritm_model.errors import shown

PROBES = ("/live", "/ready", "/health")
"""What is asked by those who start and stop servers; without a password, and never in anybody's way."""

PROBE, SHORT, WORK = "probe", "short", "work"
_OPEN = (*PROBES, "/webhook")
_WORK = ("/predict", "/demo/images", "/demo/masks", "/demo/files", "/demo/click")
_OF_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")
_OTHER_SITES = ("cross-site", "same-site")
_SAFE = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not answered. `reason` is for the counts, `sentence` for people."""

    status: int
    reason: str
    sentence: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Gate:
    """Judges requests by their heads. Thread-safe.

    Args:
        settings: of the server.
        is_trusted: whether an event may have effects; of others, nothing is read.
    """

    def __init__(self, settings: Settings, is_trusted: Callable[[Request], bool]) -> None:
        self._settings = settings
        self._is_trusted = is_trusted
        self._hosts = AllowedHosts(settings.host, settings.public_hosts, is_local=is_loopback(settings.host))
        self._most_bytes = settings.request_max_mb * 2**20

    def judge(self, request: Request) -> Refusal | None:
        """Why a request is refused, or None."""
        return (
            self._of_host(request)
            or self._of_password(request)
            or self._of_origin(request)
            or self._of_size(request)
            or self._of_type(request)
        )

    def wanted(self, request: Request) -> Wanted:
        """Which threads answer a request, and how much of its body they have to see."""
        lane = _lane(request)
        if self.judge(request) is not None or request.method in _SAFE:
            return Wanted(lane, 0)
        if request.path == "/webhook" and not self._is_trusted(request):
            return Wanted(lane, 0)
        return Wanted(lane, self._most_bytes)

    def _of_host(self, request: Request) -> Refusal | None:
        host = request.headers.get("Host")
        if host is None or host in self._hosts:
            return None
        return Refusal(
            421,
            "host",
            f"This server does not answer to the name {shown(host_name(host) or '', 80)}; whoever runs it "
            "can add the name to RITM_PUBLIC_HOSTS.",
        )

    def _of_password(self, request: Request) -> Refusal | None:
        if request.path in _OPEN or is_allowed(request, self._settings):
            return None
        headers = {"WWW-Authenticate": 'Basic realm="RITM"'}
        return Refusal(401, "password", "User name and password are required.", headers)

    def _of_origin(self, request: Request) -> Refusal | None:
        """Browsers say from which page a request comes, over plain http `Origin` or at least `Referer`."""
        if request.method in _SAFE:
            return None
        page = request.headers.get("Origin") or request.headers.get("Referer")
        is_foreign = request.headers.get("Sec-Fetch-Site") in _OTHER_SITES
        if not is_foreign and (page is None or self._is_own(page, request.headers.get("Host", ""))):
            return None
        return Refusal(
            403,
            "origin",
            "Pages of other sites may not ask here. Is this page yours? Add its host to RITM_PUBLIC_HOSTS.",
        )

    def _is_own(self, page: str, host: str) -> bool:
        try:
            parts = urlsplit(page)
            name = parts.hostname
        except ValueError:
            return False
        return bool(name) and (parts.netloc.lower() == host.lower() or name in self._settings.public_hosts)

    def _of_type(self, request: Request) -> Refusal | None:
        """Forms of foreign pages can send three types, and the routes that take JSON take none of them.

        Bodies are not unpacked, so there are no bombs in them.
        """
        has_body = bool(request.content_length) or "Transfer-Encoding" in request.headers
        if request.method in _SAFE or not has_body:
            return None
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return Refusal(415, "type", "The body of the request must not be compressed.")
        if request.path == "/demo/click":
            is_right, right = request.mimetype == "multipart/form-data", "multipart/form-data"
        elif request.path.startswith("/demo/"):
            is_right, right = request.mimetype not in _OF_FORMS, "that of the file"
        else:
            is_right, right = request.mimetype == "application/json", "application/json"
        return None if is_right else Refusal(415, "type", f"The content type of the request must be {right}.")

    def _of_size(self, request: Request) -> Refusal | None:
        if (request.content_length or 0) <= self._most_bytes:
            return None
        return Refusal(413, "large", f"The request is larger than {self._settings.request_max_mb} MB.")


def _lane(request: Request) -> str:
    if request.path in PROBES:
        return PROBE
    is_work = request.path in _WORK or request.path.startswith("/demo/images/")
    return WORK if is_work else SHORT
