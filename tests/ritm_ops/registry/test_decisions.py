"""What people decide about versions stands: rolled back, rejected, approved, two at once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ritm_ops.object_store import ConflictError, ObjectStore
from ritm_ops.registry import RefusedError, Registry, RegistryError

REPORT = {"noc_before": 6.5, "noc_after": 4.25, "objects": 40}

Checkpoint = Callable[[bytes], Path]


def weights_of(registry: Registry, version: str) -> str:
    return registry.manifest("team", version).files["model.safetensors"].sha256


def test_what_was_rolled_back_comes_back_by_hand_only(registry: Registry, versions: list[str]) -> None:
    one, two, three = versions
    registry.promote("team", one, None)
    registry.promote("team", two, one)
    assert registry.refusal("team", weights_of(registry, two)) is None
    registry.rollback("team", by="bob", why="odd masks")
    refusal = rf"{two} was rolled back by bob on \d{{4}}-\d\d-\d\d \(odd masks\)\."
    with pytest.raises(RefusedError, match=refusal):
        registry.promote("team", two, one, is_asked=False)
    assert re.fullmatch(refusal, registry.refusal("team", weights_of(registry, two)) or "")
    registry.promote("team", three, one, is_asked=False)
    registry.promote("team", two, three)
    assert registry.refusal("team", weights_of(registry, two)) is None
    registry.rollback("team")
    assert registry.refusal("team", weights_of(registry, two)) is not None


def test_what_was_rejected_comes_back_by_hand_only(
    registry: Registry, checkpoint: Checkpoint, versions: list[str]
) -> None:
    one, two, _ = versions
    registry.reject("team", one, by="anna", why="too smooth")
    registry.reject("team", one, by="bob")
    assert registry.publish("team", checkpoint(b"one"), REPORT) == one
    with pytest.raises(RefusedError, match=rf"{one} was rejected by anna on .* \(too smooth\)\."):
        registry.promote("team", one, None, is_asked=False)
    assert registry.refusal("others", weights_of(registry, one)) is None
    assert registry.live("team") is None
    registry.promote("team", two, None, is_asked=False)
    with pytest.raises(RegistryError, match=f"{two} is live; `ritm models rollback team`"):
        registry.reject("team", two)
    with pytest.raises(RegistryError, match="There is no version team-0 of team"):
        registry.reject("team", "team-0")
    assert registry.promote("team", one, two).version == one


class Interrupted:
    """A store in which something else happens just before the first write to a key."""

    def __init__(self, store: ObjectStore, key: str, meanwhile: Callable[[], object]) -> None:
        self._store, self._key, self._meanwhile = store, key, meanwhile
        self.happened = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def write_if(self, key: str, data: bytes, etag: str | None) -> str:
        if re.fullmatch(self._key, key) and not self.happened:
            self.happened = True
            self._meanwhile()
        return self._store.write_if(key, data, etag)


LIVE, DECISION = "models/team/live.json", "models/team/rejected/.*"


@pytest.mark.parametrize("others", [0, 1])
def test_who_rejects_while_an_approval_runs_is_told(
    store: ObjectStore, registry: Registry, versions: list[str], others: int
) -> None:
    """At either of its writes, with and without a version that was live before."""
    one, two, three = versions
    if others:
        registry.promote("team", two, None)

    def reject() -> None:
        with pytest.raises(
            RegistryError, match=rf"{one} was approved by anna on .* `ritm models rollback team`"
        ):
            registry.reject("team", one)

    approving = Interrupted(store, LIVE, reject)
    assert Registry(approving).approve("team", one, by="anna").version == one
    assert approving.happened
    assert registry.candidates("team")[0].version == (three if others else two)

    rejecting = Interrupted(store, DECISION, lambda: registry.approve("team", three, by="anna"))
    with pytest.raises(RegistryError, match=f"{three} was approved by anna"):
        Registry(rejecting).reject("team", three)
    live = registry.live("team")
    assert live is not None
    assert live.version == three


def test_who_approves_while_a_rejection_runs_is_told(
    store: ObjectStore, registry: Registry, versions: list[str]
) -> None:
    one = versions[0]
    approving = Interrupted(store, DECISION, lambda: registry.reject("team", one, by="anna"))
    with pytest.raises(RefusedError, match=f"{one} was rejected by anna"):
        Registry(approving).approve("team", one)
    assert approving.happened
    assert registry.live("team") is None


@pytest.mark.parametrize("then", ["approve", "reject"])
def test_an_approval_that_comes_to_nothing_leaves_the_decision_open(
    store: ObjectStore, registry: Registry, versions: list[str], then: str
) -> None:
    one, two, _ = versions
    approving = Interrupted(store, LIVE, lambda: registry.promote("team", two, None))
    with pytest.raises(ConflictError):
        Registry(approving).approve("team", one)
    assert registry.candidates("team")[0].version == one
    getattr(registry, then)("team", one)
    assert (registry.refusal("team", weights_of(registry, one)) is None) == (then == "approve")


def test_what_was_approved_and_rolled_back_can_be_rejected(registry: Registry, versions: list[str]) -> None:
    one, two, _ = versions
    for version in (one, two):
        registry.approve("team", version)
    registry.rollback("team")
    registry.reject("team", two, by="bob")
    registry.promote("team", two, one)
    registry.promote("team", one, two)
    with pytest.raises(RefusedError, match=f"{two} was rejected by bob"):
        registry.promote("team", two, one, is_asked=False)
