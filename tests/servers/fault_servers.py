"""What the tests of faults share: a registry and a store they disturb, and limits on a running process."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from s3_server import FaultyProxy

from ritm_ops.registry import Registry

MODEL, BUCKET = "team", "faults"


@dataclass(frozen=True)
class Models:
    """A registry with two versions, seen without any fault."""

    registry: Registry
    versions: tuple[str, str]

    def promote_the_other(self) -> tuple[str, str]:
        """The version that was live, and the one that is now."""
        live = self.registry.live(MODEL)
        assert live is not None
        (other,) = {*self.versions} - {live.version}
        self.registry.promote(MODEL, other, live.version)
        return live.version, other


@dataclass(frozen=True)
class Storage:
    """An S3 server, and two proxies before it: one for the registry and one for images."""

    url: str
    for_models: FaultyProxy
    for_images: FaultyProxy


@contextmanager
def limited(pid: int, kind: int, most: int) -> Iterator[None]:
    """Hold a running process to a limit (`resource.RLIMIT_...`) until the block ends."""
    soft, hard = resource.prlimit(pid, kind)
    resource.prlimit(pid, kind, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, kind, (soft, hard))
