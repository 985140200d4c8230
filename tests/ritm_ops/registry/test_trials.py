"""Candidates on trial: what is counted by several adds up, and the gate closes or opens by itself."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from datetime import date
from hashlib import sha256
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from ritm_ops.object_store import ObjectStore, open_store
from ritm_ops.registry import RefusedError, Registry, RegistryError
from ritm_ops.registry.tallies import Agreement, Counts, Tally, difference
from ritm_ops.registry.trials import Counted, Trial, Trials, verdict


def tally(clicks: Iterable[int]) -> Tally:
    return sum((Tally.of_one(each) for each in clicks), Tally())


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path / "registry"))


@pytest.fixture
def versions(store: ObjectStore, tmp_path: Path) -> tuple[str, str]:
    """The live version of the model team, and a candidate."""
    registry, published = Registry(store), []
    for weights in (b"old", b"new"):
        path = tmp_path / f"{weights.decode()}.safetensors"
        path.write_bytes(weights)
        path.with_suffix(".json").write_text(json.dumps({"sha256": sha256(weights).hexdigest()}))
        published.append(registry.publish("team", path, {}))
    registry.promote("team", published[0], None)
    return published[0], published[1]


def begun(store: ObjectStore, version: str, kind: str = "canary", **more: object) -> Trials:
    trials = Trials(store)
    trials.begin("team", version, kind, **{"share": 0.25, "objects": 60, **more})  # type: ignore[arg-type]
    return trials


def test_tallies_are_those_of_all_objects_together() -> None:
    one, other = [1, 2, 2, 5, 9], [3, 3, 4]
    together = tally(one) + tally(other)
    assert together == tally(one + other)
    assert together.mean == pytest.approx(np.mean(one + other))
    assert together.variance_of_mean == pytest.approx(np.var(one + other, ddof=1) / 8)
    found = difference(tally(one), tally(other))
    half = 1.96 * np.sqrt(np.var(one, ddof=1) / 5 + np.var(other, ddof=1) / 3)
    assert found == pytest.approx((3.8 - 10 / 3, 3.8 - 10 / 3 - half, 3.8 - 10 / 3 + half))
    assert difference(tally([1]), tally(other)).low == -np.inf


def test_the_share_is_kept_and_stable(store: ObjectStore, versions: tuple[str, str]) -> None:
    trial = begun(store, versions[1]).last("team")
    assert trial is not None
    taken = [trial.takes(f"object {number}") for number in range(4000)]
    assert 900 < sum(taken) < 1100
    assert taken == [trial.takes(f"object {number}") for number in range(4000)]


@pytest.mark.parametrize(
    ("candidate", "live", "expected"),
    [
        ([9] * 15 + [8] * 14, [1, 2] * 50, "go on"),  # too few to say
        ([9, 8] * 15, [1, 2] * 50, "close"),
        ([3, 2] * 15, [1, 2, 5] * 20, "go on"),
        ([1, 2] * 30, [1, 2] * 50, "publish"),
        ([2, 3] * 30, [1, 2] * 50, "close"),
        ([1, 1] * 30, [4, 5] * 10, "go on"),  # too few of the live one
    ],
)
def test_the_gate(candidate: list[int], live: list[int], expected: str) -> None:
    trial = Trial(
        kind="canary",
        version="b",
        against="a",
        share=0.2,
        objects=60,
        began_at="2026-01-01T00:00:00Z",
        by="me",
        candidate=tally(candidate),
        live=tally(live),
    )
    assert verdict(trial) == expected


def test_a_worse_candidate_is_closed_and_stays_so(store: ObjectStore, versions: tuple[str, str]) -> None:
    trials = begun(store, versions[1])
    counted = Counted(candidate=tally([6, 7] * 20), live=tally([2, 3] * 60))
    trial = trials.add("team", versions[1], counted)
    assert trial is not None
    assert trials.settle("team", trial) == "closed: it takes more clicks"
    registry = Registry(store)
    assert registry.candidates("team") == ()
    assert registry.live("team").version == versions[0]
    with pytest.raises(RefusedError, match="rejected by canary on .* 6.50 clicks on 40 of 60 objects"):
        registry.approve("team", versions[1])
    assert trials.running("team") is None
    assert trials.add("team", versions[1], counted) is None
    with pytest.raises(RefusedError, match="Not on trial"):
        begun(store, versions[1])


def test_one_that_is_no_worse_is_published_once(store: ObjectStore, versions: tuple[str, str]) -> None:
    trials = begun(store, versions[1])
    several = [Trials(store) for _ in range(4)]
    share = Counted(candidate=tally([2, 3] * 10), live=tally([2, 3] * 40))
    processes = [Thread(target=each.add, args=("team", versions[1], share)) for each in several]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    trial = trials.running("team")
    assert trial is not None
    assert (trial.candidate, trial.live) == (tally([2, 3] * 40), tally([2, 3] * 160))
    assert trials.settle("team", trial) == "published"
    live = Registry(store).live("team")
    assert live is not None
    assert (live.version, live.history[-1].by) == (versions[1], "canary")
    assert trials.last("team").outcome == "published"
    assert Registry(store).rollback("team").version == versions[0]


def test_a_shadow_leaves_the_decision_to_people(store: ObjectStore, versions: tuple[str, str]) -> None:
    trials = begun(store, versions[1], "shadow", objects=3)
    trials.add("team", versions[1], Counted(agreement=Agreement(objects=2, iou=1.5)))
    trial = trials.running("team")
    assert trial is not None
    assert (trial.sentence, trials.settle("team", trial)) == (
        "shadow: IoU 0.750 with 2 of 3 accepted objects",
        None,
    )
    trial = trials.add("team", versions[1], Counted(agreement=Agreement(objects=1, iou=0.9)))
    assert trial is not None
    assert trials.settle("team", trial) == "measured; people decide"
    assert [each.version for each in Registry(store).candidates("team")] == [versions[1]]


def test_a_trial_is_over_when_people_decide(store: ObjectStore, versions: tuple[str, str]) -> None:
    registry, trials = Registry(store), begun(store, versions[1])
    assert trials.running("team") is not None
    with pytest.raises(RegistryError, match="is live already"):
        begun(store, versions[0])
    registry.reject("team", versions[1])
    assert trials.running("team") is None
    registry.promote("team", versions[1], versions[0])
    assert trials.running("team") is None


def test_counts_by_day(store: ObjectStore, versions: tuple[str, str]) -> None:
    trials, first, second = Trials(store), date(2026, 1, 1), date(2026, 1, 2)
    trials.count("team", Counts(by_day={first: {"a": tally([1, 2])}}))
    trials.count("team", Counts(by_day={first: {"a": tally([4])}, second: {"b": tally([3])}}))
    assert trials.counts("team") == Counts(by_day={first: {"a": tally([1, 2, 4])}, second: {"b": tally([3])}})
    assert trials.counts("team").of_version("a").mean == pytest.approx(7 / 3)
    assert list(trials.counts("team").newest(1).by_day) == [second]


def test_many_looks_close_few_equal_candidates() -> None:
    """Looked at after each object from the thirtieth on, as servers do."""
    dice, closed = random.Random(7), 0
    for _ in range(400):
        trial = Trial(
            kind="canary", version="b", against="a", share=0.2, objects=200,
            began_at="2026-01-01T00:00:00Z", by="me",
        )  # fmt: skip
        while (found := verdict(trial)) == "go on":
            candidate = Tally.of_one(1 + min(19, int(dice.expovariate(0.4))))
            live = tally(1 + min(19, int(dice.expovariate(0.4))) for _ in range(4))
            trial = trial.model_copy(
                update={"candidate": trial.candidate + candidate, "live": trial.live + live}
            )
        closed += found == "close"
    assert closed < 400 * 0.06
