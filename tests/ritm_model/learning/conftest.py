"""A small real pack to learn from, the sample photographs, and a disk that fills up."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pack() -> Path:
    """Folder of ten photographs with 54 objects."""
    return Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="session")
def full_at() -> Callable[[int], AbstractContextManager[None]]:
    """Within it, the kernel refuses to write files of more bytes, as it does where a disk is full."""

    @contextmanager
    def limited(size: int) -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)

    return limited
