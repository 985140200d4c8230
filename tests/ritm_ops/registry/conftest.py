"""A registry in a folder, with checkpoints that nobody loads."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ritm_ops.object_store import ObjectStore, open_store
from ritm_ops.registry import Registry

REPORT = {"noc_before": 6.5, "noc_after": 4.25, "objects": 40}

Checkpoint = Callable[[bytes], Path]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "registry"))


@pytest.fixture
def registry(store: ObjectStore) -> Registry:
    return Registry(store)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    """Weights that nobody loads here, with a card that names their hash."""

    def write(weights: bytes) -> Path:
        path = tmp_path / "run/model.safetensors"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(weights)
        card = {"format_version": 1, "name": "model", "sha256": sha256(weights).hexdigest()}
        path.with_suffix(".json").write_text(json.dumps(card))
        return path

    return write


@pytest.fixture
def versions(registry: Registry, checkpoint: Checkpoint) -> list[str]:
    """Three published versions."""
    return [registry.publish("team", checkpoint(weights), REPORT) for weights in (b"one", b"two", b"three")]
