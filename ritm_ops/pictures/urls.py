"""HTTP addresses, taken apart once.

Whoever writes a task chooses its URLs. Each is parsed here, by one parser, and only the parts are used from
then on: the host that is checked is the host that is connected to and the host that is named in the request.
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from ritm_ops.pictures.errors import FetchError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
# User and password, also of an address that cannot be taken apart; not the @ of a file name.
_USER = re.compile(r"^([^/\\?#:@]*:[/\\]*|[/\\]{2,})[^/\\?#]*@")
_STRAY_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_HOST = re.compile(r"[a-zA-Z0-9._-]{1,253}|[0-9a-f:.]{2,45}(%[a-zA-Z0-9._%-]{1,32})?")  # name or IPv6
_PUBLIC = re.compile(r"(s3|gs|azure|azure-blob)://[^?]*|[^?#]*/data/local-files/?\?d=[^?&#]*|[^?#]*")
_LONGEST_SHOWN = 120


@dataclass(frozen=True)
class HttpUrl:
    """An absolute http(s) address without credentials or fragment.

    `host` is lower-case ASCII, an IPv6 address without brackets; `path` and `query` are percent-encoded.
    """

    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @classmethod
    def parse(cls, text: str) -> "HttpUrl":
        """Take an absolute address apart. Raises FetchError when it is none, or holds a password."""
        try:
            parts = urlsplit(text)
            port, user, name = parts.port, parts.username, parts.hostname
        except ValueError:
            raise FetchError(f"The image address {brief(text)} cannot be understood.") from None
        if parts.scheme not in _DEFAULT_PORTS:
            raise FetchError(
                f"Images are not fetched by {parts.scheme or 'no'} address, only by http or https."
            )
        if user is not None:
            raise FetchError(
                f"The image address on {brief(name or '')} holds a user name or password, which is refused."
            )
        if not name or port == 0:
            raise FetchError(f"The image address {brief(text)} cannot be understood.")
        return cls(
            parts.scheme,
            _ascii_host(name),
            port or _DEFAULT_PORTS[parts.scheme],
            percent_encoded(parts.path) or "/",
            percent_encoded(parts.query),
        )

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who is spoken to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and, unless it is the usual one, port, as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query, as the request line has them."""
        return f"{self.path}?{self.query}" if self.query else self.path

    def __str__(self) -> str:
        """The address as people may see it: query strings hold signatures, so there is none."""
        return brief(f"{self.scheme}://{self.authority}{self.path}")

    def join(self, location: str) -> "HttpUrl":
        """Where a redirect from here leads. Raises FetchError as `parse` does."""
        try:
            return HttpUrl.parse(urljoin(f"{self.scheme}://{self.authority}{self.target}", location))
        except ValueError:
            raise FetchError(f"{self} redirects to an address that cannot be understood.") from None


def scheme_of(reference: str) -> str | None:
    """Return the lower-case scheme of an image reference, None for a relative one."""
    match = _SCHEME.match(reference)
    return match[1].lower() if match else None


def brief(reference: str) -> str:
    """Shorten a reference for a sentence: one line, at most 120 characters, without what may be secret.

    There is no user, query or fragment, but for the names of local files, and # in keys of cloud storage.
    """
    public = _USER.sub(r"\1", _PUBLIC.match(reference)[0])  # type: ignore[index]  # it fits any text
    shown = re.sub(r"[^ -~]", "?", public)
    return shown if len(shown) <= _LONGEST_SHOWN else shown[: _LONGEST_SHOWN - 1] + "…"


def percent_encoded(text: str) -> str:
    """Encode what may not stand in a request line and leave what is encoded already."""
    return quote(_STRAY_PERCENT.sub("%25", text), safe="/%:@!$&'()*+,;=~?", errors="replace")


def _ascii_host(name: str) -> str:
    try:
        host = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    # The host stands in sentences and logs, so it may hold nothing that a terminal would obey.
    if not _HOST.fullmatch(host):
        raise FetchError(f"The host name {brief(name)} cannot be understood.")
    return host
