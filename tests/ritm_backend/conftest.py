"""Fixtures of the Label Studio backend's tests."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ORACLE = Path(__file__).parents[1] / "oracles/label_studio_brush.py"


@pytest.fixture(scope="session")
def brush_oracle() -> Iterator[Any]:
    """Label Studio's own brush codec, in a process of its own: `encode(mask)`, `decode(rle, w, h)`."""
    spec = importlib.util.spec_from_file_location("label_studio_brush", ORACLE)
    assert spec is not None
    assert spec.loader is not None
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    python = oracle.interpreter()
    if not python.exists():
        reason = f"Label Studio is not installed at {python}; RITM_LABEL_STUDIO_PYTHON may name another place"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with oracle.BrushOracle(python) as running:
        yield running
