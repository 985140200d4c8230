"""The registry on a server that fails: whatever request it is, no half of a version is ever seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from s3_server import Fault, FaultyProxy

from ritm_ops.object_store import ObjectStore, StoreError, open_store
from ritm_ops.registry import Registry


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights" * 1000)
    path.with_suffix(".json").write_text(json.dumps({"sha256": sha256(path.read_bytes()).hexdigest()}))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["500", "lost answer"])
def test_a_fault_at_any_request_of_a_publication(
    through_proxy: Callable[..., ObjectStore],
    proxy: FaultyProxy,
    checkpoint: Path,
    s3_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
) -> None:
    through = through_proxy(attempts=1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    directly = Registry(open_store(through.uri))

    def requests(name: str) -> int:
        """How many there are in an undisturbed publication and promotion."""
        before = proxy.requests
        registry = Registry(through)
        registry.promote(name, registry.publish(name, checkpoint, {}), None)
        return proxy.requests - before

    failures = 0
    for number in range(requests("whole")):
        name = f"team{number}"
        proxy.faults.extend(["none"] * number + [fault])
        try:
            requests(name)
        except StoreError:
            failures += 1
        proxy.faults.clear()
        live = directly.live(name)
        for manifest in directly.versions(name):
            directly.fetch(name, manifest.version, tmp_path / "cache")
        assert live is None or [manifest.version for manifest in directly.versions(name)] == [live.version]
        requests(name)
        live = directly.live(name)
        assert live is not None
        assert len(live.history) == 1, "what came through although its answer was lost is not done twice"
    assert failures > 0
