"""Label Studio as a place of pictures: its paths, those that serve data, and which of them get the token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ritm_ops.pictures.urls import HttpUrl

_DATA = re.compile(
    r"/(data|storage-data)/.+|/data/local-files/?|/(api/)?(tasks|projects)/[0-9]+/(presign|resolve)/?"
)
_STORED = ("/data/upload/", "/data/local-files/", "/storage-data/")


@dataclass(frozen=True)
class LabelStudioPlace:
    """Where Label Studio is; it may be served below a path of its host."""

    base: HttpUrl

    @property
    def prefix(self) -> str:
        return self.base.path.rstrip("/")

    def at(self, path: str) -> HttpUrl:
        """The URL of a path, which may begin with the prefix already."""
        is_complete = path.startswith("//") or (self.prefix and path.startswith(f"{self.prefix}/"))
        return self.base.join(path if is_complete else f"{self.prefix}/{path.lstrip('/')}")

    def is_here(self, url: HttpUrl) -> bool:
        """Whether it is this very origin."""
        return url.origin == self.base.origin

    def corrected(self, url: HttpUrl) -> HttpUrl:
        """The URL with the prefix, where it is one of our origin that lacks it."""
        if self.prefix and self.is_here(url) and url.path.startswith(_STORED):
            return self.at(url.target)
        return url

    def gets_token(self, url: HttpUrl) -> bool:
        """Whether the token is sent there: only to paths below the prefix that serve data.

        A path with `..` in any spelling is none, since a proxy before Label Studio may resolve it.
        """
        if not self.is_here(url) or not url.path.startswith(f"{self.prefix}/"):
            return False
        path = _decoded(url.path[len(self.prefix) :])
        steps = re.split(r"[/\\]", path)
        climbs = any(step.partition(";")[0] in (".", "..") for step in steps)
        return _DATA.fullmatch(path) is not None and not climbs


def serves_data(url: HttpUrl) -> bool:
    """Whether a path looks like one of a Label Studio, wherever that is, under which pictures lie."""
    return any(part in f"{url.path}/" for part in _STORED)


def _decoded(path: str) -> str:
    """Without percent-encoding, however often it was applied."""
    while (plain := unquote(path)) != path:
        path = plain
    return path
