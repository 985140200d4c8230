"""A small real pack to learn from: the sample photographs."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pack() -> Path:
    """Folder of ten photographs with 54 objects."""
    return Path(__file__).parents[2] / "samples"
