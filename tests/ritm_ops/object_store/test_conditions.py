"""An S3 server that passes over the conditions of writes is not taken for a registry."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from s3_server import FaultyProxy

from ritm_ops.object_store import ObjectStore, UnconditionalError, open_store
from ritm_ops.registry import Registry
from training.settings import TrainingSettings
from training.worker import check_registries


@pytest.mark.parametrize("passed_over", [("if-match", "if-none-match"), ("if-match",), ("if-none-match",)])
def test_a_server_without_conditions_is_refused(
    through_proxy: Callable[..., ObjectStore],
    proxy: FaultyProxy,
    tmp_path: Path,
    passed_over: tuple[str, ...],
) -> None:
    checkpoint = tmp_path / "model.safetensors"
    checkpoint.write_bytes(b"weights")
    checkpoint.with_suffix(".json").write_text(json.dumps({"sha256": sha256(b"weights").hexdigest()}))
    registry = Registry(through_proxy())
    version = registry.publish("team", checkpoint, {})
    registry.promote("team", version, None)

    proxy.without.update(passed_over)
    careless = Registry(through_proxy())
    sentence = "cannot hold a registry, since its S3 server passes over the conditions"
    for change in (
        lambda: careless.publish("team", checkpoint, {}),
        lambda: careless.promote("team", version, None),
        lambda: careless.rollback("team"),
        lambda: careless.reject("team", version),
        lambda: check_registries({"cells": TrainingSettings(registry=careless.uri)}),
    ):
        with pytest.raises(UnconditionalError, match=sentence):
            change()
    assert careless.live("team") == registry.live("team"), "reading needs no conditions"


def test_a_server_with_conditions_is_asked_once(
    through_proxy: Callable[..., ObjectStore], proxy: FaultyProxy
) -> None:
    registry = Registry(through_proxy())
    registry.check_store()
    asked = proxy.requests
    registry.check_store()
    assert proxy.requests == asked
    check_registries({"cells": TrainingSettings(registry=registry.uri), "none": TrainingSettings()})
    Registry(through_proxy()).check_store()  # the object of the probe is there already


def test_a_server_that_is_away_may_come_back(
    through_proxy: Callable[..., ObjectStore], proxy: FaultyProxy
) -> None:
    proxy.faults.extend(["500"] * 8)
    check_registries({"cells": TrainingSettings(registry=through_proxy().uri)})
    assert len(proxy.faults) < 8


def test_a_folder_needs_no_probe(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    Registry(store).check_store()
    assert list(tmp_path.iterdir()) == []
