"""The function follows a registry: a new version is taken up, objects begun before are finished on theirs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nuclio_sdk
import pytest
from processes import wait_until

from cvat_serverless.main import Function, handler
from cvat_serverless.settings import CvatSettings
from ritm_model.checkpoints import bundled_model_path
from ritm_ops.environment import SettingsError
from ritm_ops.object_store import StoreError, open_store
from ritm_ops.registry import Registry

SMALL = Path(__file__).parents[1] / "models/h18s-synthetic.safetensors"


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.setenv("RITM_MODELS", str(tmp_path / "models"))
    return Registry(open_store(str(tmp_path / "registry")))


@pytest.fixture
def context(registry: Registry, log: io.StringIO) -> Iterator[Any]:
    """A worker whose model has the first of two versions and looks for others all the time."""
    registry.promote("team", registry.publish("team", bundled_model_path(), {}), None)
    logger = nuclio_sdk.Logger(logging.DEBUG, name=f"test-{id(log)}")
    logger.set_handler("default", log, nuclio_sdk.logger.JSONFormatter())
    context = nuclio_sdk.Context(logger)
    function = context.user_data.function = Function.start(
        CvatSettings(
            ritm_model="registry:team",
            ritm_registry=registry.uri,
            ritm_registry_seconds=0.05,
            ritm_device="cpu",
            ritm_engine="torch",  # nothing to convert first, for either version
        )
    )
    assert function.live is not None
    stopped = function.live.follow(logger)
    yield context
    stopped.set()


def test_a_new_version_is_taken_up_between_two_clicks(
    context: Any, registry: Registry, log: io.StringIO, bus_text: str
) -> None:
    function: Function = context.user_data.function
    assert function.live is not None
    first = function.interactor.annotator

    def click(*points: tuple[int, int]) -> None:
        body = {"image": bus_text, "pos_points": [list(point) for point in points], "neg_points": []}
        assert handler(context, nuclio_sdk.Event(body=body)).status_code == 200

    click((320, 220))
    second = registry.publish("team", SMALL, {})
    registry.promote("team", second, first.version)
    wait_until(lambda: function.interactor.annotator.version == second, "the swap", within_s=60)
    assert function.live.versions.names == (second, first.version)

    click((320, 220), (250, 240))
    assert first.stats().clicks_run == 2, "the object goes on with the version it was begun on"
    assert function.interactor.annotator.stats().clicks_run == 0
    click((100, 300))
    assert function.interactor.annotator.stats().clicks_run == 1
    wait_until(lambda: "model ready" in log.getvalue(), "the log line", within_s=60)
    ready = [json.loads(line) for line in log.getvalue().splitlines() if "model ready" in line]
    assert [line["with"]["version"] for line in ready] == [second]


def test_a_registry_must_be_named() -> None:
    with pytest.raises(SettingsError, match="RITM_REGISTRY must be set"):
        Function.start(CvatSettings(ritm_model="registry:team", ritm_device="cpu"))


def test_a_wrong_address_ends_the_start() -> None:
    settings = CvatSettings(ritm_model="registry:team", ritm_registry="ftp://host", ritm_device="cpu")
    with pytest.raises(StoreError, match="An object store is"):
        Function.start(settings)
