"""Sessions over versions, and what becomes of a newer version that is good, broken or out of reach."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ritm_model.checkpoints import CheckpointError, bundled_model_path, load_model
from ritm_model.inference import Annotator, Predictor, TorchEngine, open_predictor
from ritm_model.networks import InteractiveModel
from ritm_ops.object_store import StoreError, open_store
from ritm_ops.registry import Registry
from ritm_ops.registry.live_model import MOST_OLDER, MOST_SESSIONS, RegistrySource, Versions, follow

SMALL = Path(__file__).parents[2] / "models/h18s-synthetic.safetensors"
TTL_SECONDS = 100.0

Make = Callable[[str], Annotator]


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def network() -> InteractiveModel:
    return load_model(bundled_model_path())


@pytest.fixture
def make(network: InteractiveModel) -> Make:
    """An annotator whose weights have this version."""
    return lambda version: Annotator(Predictor(TorchEngine(network, "cpu", name=version)))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def versions(make: Make, clock: Clock) -> Versions:
    return Versions(make("v1"), TTL_SECONDS, clock)


def test_a_session_stays_and_a_new_one_gets_the_new_version(versions: Versions, make: Make) -> None:
    assert versions.annotator("begun").version == "v1"
    versions.swap(make("v2"))
    assert versions.current.version == "v2"
    assert versions.annotator("begun").version == "v1"
    assert versions.annotator("new").version == "v2"
    assert versions.annotator(None).version == "v2"
    assert versions.names == ("v2", "v1")


def test_a_session_lasts_while_it_is_used(versions: Versions, make: Make, clock: Clock) -> None:
    versions.annotator("begun")
    versions.annotator("left alone")
    versions.swap(make("v2"))
    for _ in range(3):
        clock.now += TTL_SECONDS * 0.9
        assert versions.annotator("begun").version == "v1"
    assert versions.annotator("left alone").version == "v2"
    clock.now += TTL_SECONDS
    assert versions.names == ("v2",), "with its last session the older version goes"
    assert versions.annotator("begun").version == "v2"


def test_without_a_session_the_older_version_goes_at_once(versions: Versions, make: Make) -> None:
    versions.annotator(None)
    versions.swap(make("v2"))
    assert versions.names == ("v2",)


def test_only_few_older_versions_are_held(versions: Versions, make: Make) -> None:
    for number in range(1, MOST_OLDER + 2):
        versions.annotator(f"begun on v{number}")
        versions.swap(make(f"v{number + 1}"))
    newest = f"v{MOST_OLDER + 2}"
    assert versions.names == (newest, *(f"v{n}" for n in range(MOST_OLDER + 1, 1, -1)))
    assert versions.annotator("begun on v1").version == newest
    assert versions.annotator("begun on v2").version == "v2"


def test_sessions_are_bounded(versions: Versions, make: Make) -> None:
    versions.annotator("first")
    versions.swap(make("v2"))
    for number in range(MOST_SESSIONS):
        versions.annotator(str(number))
    assert versions.annotator("first").version == "v2"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(open_store(str(tmp_path / "registry")))


@pytest.fixture
def source(registry: Registry, tmp_path: Path) -> RegistrySource:
    return RegistrySource(
        registry,
        "team",
        lambda model: Annotator(open_predictor(model, "cpu")),
        fallback="bundled",
        cache_dir=tmp_path / "cache",
    )


def test_the_bundled_model_answers_until_a_version_is_live(
    source: RegistrySource, registry: Registry
) -> None:
    first = source.newer()
    assert first is not None
    assert first.version.startswith("starter-")
    assert source.newer() is None
    version = registry.publish("team", SMALL, {})
    assert source.newer() is None
    registry.promote("team", version, None)
    newer = source.newer()
    assert newer is not None
    assert newer.version == version
    assert source.newer() is None


def test_whoever_starts_while_the_registry_is_out_of_reach_takes_the_version_fetched_last(
    source: RegistrySource, registry: Registry, tmp_path: Path
) -> None:
    older, live = registry.publish("team", bundled_model_path(), {}), registry.publish("team", SMALL, {})
    registry.promote("team", live, None)
    for version in (older, live):
        registry.fetch("team", version, tmp_path / "cache")
    pointer = tmp_path / "registry/models/team/live.json"
    away = pointer.rename(tmp_path / "away")
    pointer.symlink_to(pointer)  # cannot be read
    started = source.newer()
    assert started is not None
    assert started.version == live
    with pytest.raises(StoreError):
        source.newer()
    pointer.unlink()
    away.rename(pointer)
    assert source.newer() is None
    registry.promote("team", older, live)
    newer = source.newer()
    assert newer is not None
    assert newer.version == older


def test_whoever_has_fetched_nothing_waits_for_the_registry(source: RegistrySource, tmp_path: Path) -> None:
    pointer = tmp_path / "registry/models/team/live.json"
    pointer.parent.mkdir(parents=True)
    pointer.symlink_to(pointer)
    with pytest.raises(StoreError):
        source.newer()


def test_a_version_that_cannot_be_loaded_is_told_once_and_the_next_one_is_loaded(
    source: RegistrySource, registry: Registry, tmp_path: Path
) -> None:
    source.newer()
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"no weights")
    fields = json.loads(SMALL.with_suffix(".json").read_text()) | {
        "sha256": sha256(b"no weights").hexdigest()
    }
    broken.with_suffix(".json").write_text(json.dumps(fields))
    bad = registry.publish("team", broken, {})
    registry.promote("team", bad, None)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        source.newer()
    assert source.newer() is None
    good = registry.publish("team", SMALL, {})
    registry.promote("team", good, bad)
    newer = source.newer()
    assert newer is not None
    assert newer.version == good


def test_following_swaps_goes_on_after_trouble_and_tells_it_once(versions: Versions, make: Make) -> None:
    """Each check of the thread is one step of this script."""
    script: list[Annotator | Exception | None] = [
        None,
        CheckpointError("bad weights."),
        CheckpointError("bad weights."),
        MemoryError(),
        make("v2"),
        CheckpointError("bad weights."),
    ]
    steps = iter(script)
    stopped = threading.Event()

    def newer() -> Annotator | None:
        step = next(steps, "end")
        if step == "end":
            stopped.set()
            return None
        if isinstance(step, Exception):
            raise step
        assert not isinstance(step, str)
        return step

    changes: list[str] = []
    troubles: list[Exception] = []
    thread = threading.Thread(
        target=lambda: follow(
            versions, newer, 0.001, stopped, on_change=changes.append, on_trouble=troubles.append
        )
    )
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert changes == ["v2"]
    assert [type(trouble) for trouble in troubles] == [CheckpointError, MemoryError, CheckpointError]
    assert versions.current.version == "v2"
