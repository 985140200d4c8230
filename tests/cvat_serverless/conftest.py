"""The recorded requests and answers of CVAT interactors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PAYLOADS = Path(__file__).parents[1] / "payloads" / "cvat"


@pytest.fixture(scope="session")
def payload() -> Callable[[str], Any]:
    """Read a recorded payload by its name."""
    return lambda name: json.loads((PAYLOADS / f"{name}.json").read_text())
