"""`ritm models publish|promote|rollback|history`, as they are typed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from ritm_model.checkpoints import bundled_model_path, model_version
from ritm_model.cli.main import main
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry
from ritm_ops.registry.tallies import Counts, Tally
from ritm_ops.registry.trials import Counted, Trials

SMALL = Path(__file__).parents[2] / "models/h18s-synthetic.safetensors"

Ritm = Callable[..., tuple[object, str, str]]


@pytest.fixture
def ritm(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ritm:
    """Run `ritm models`; its status, what it printed and what it complained about."""
    monkeypatch.setenv("RITM_REGISTRY", str(tmp_path / "registry"))

    def run(*arguments: object) -> tuple[object, str, str]:
        monkeypatch.setattr("sys.argv", ["ritm", "models", *map(str, arguments)])
        status: object = 0
        try:
            main()
        except SystemExit as end:
            status = end.code
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def test_versions_from_publication_to_rollback(ritm: Ritm) -> None:
    one = f"team-{model_version(SMALL).rpartition('-')[2]}"
    two = f"team-{model_version(bundled_model_path()).rpartition('-')[2]}"
    assert ritm("publish", "team", SMALL) == (0, f"{one} is published.\n", "")
    assert "No version is live" in ritm("history", "team")[1]
    assert ritm("promote", "team", one) == (0, f"{one} is live; before it was no version.\n", "")
    ritm("publish", "team", bundled_model_path())
    assert ritm("promote", "team", two, "--by", "anna", "--why", "better hair")[0] == 0
    assert ritm("promote", "team", one, "--expected", one) == (
        1,
        "",
        f"Error: Of team, {two} is live and not {one}, as expected.\n",
    )
    assert ritm("rollback", "team") == (0, f"{one} is live; before it was {two}.\n", "")

    table = ritm("history", "team")[1].splitlines()
    assert any(line.startswith(one) and line.endswith("live") for line in table)
    assert any("promote" in line and "anna" in line and "better hair" in line for line in table)
    about = json.loads(ritm("history", "team", "--json")[1])
    assert about["live"] == one
    assert [manifest["version"] for manifest in about["versions"]] == [one, two]
    assert [change["kind"] for change in about["changes"]] == ["promote", "promote", "rollback"]


def test_candidates_are_approved_or_rejected(ritm: Ritm) -> None:
    one = f"team-{model_version(SMALL).rpartition('-')[2]}"
    two = f"team-{model_version(bundled_model_path()).rpartition('-')[2]}"
    assert ritm("candidates", "team")[1] == "No version waits for a decision.\n"
    ritm("publish", "team", SMALL)
    ritm("publish", "team", bundled_model_path())
    assert [line.split()[0] for line in ritm("candidates", "team")[1].splitlines()] == ["VERSION", one, two]
    assert ritm("reject", "team", one, "--by", "anna", "--why", "frayed")[1] == f"{one} is rejected.\n"
    assert [found["version"] for found in json.loads(ritm("candidates", "team", "--json")[1])] == [two]
    status, _, complaint = ritm("approve", "team", one)
    assert (status, complaint.partition(" on ")[0]) == (1, f"Error: {one} was rejected by anna")
    assert ritm("approve", "team", two, "--by", "bob") == (
        0,
        f"{two} is live; before it was no version.\n",
        "",
    )
    assert ritm("candidates", "team", "--json")[1].strip() == "[]"
    assert "has been live already" in ritm("approve", "team", two)[2]


def test_candidates_are_shown_with_what_was_measured(ritm: Ritm) -> None:
    uri = os.environ["RITM_REGISTRY"]
    report = {"base": "team-0a1b2c3d", "noc_before": 6.5, "noc_after": 4.25, "decision": "NoC@90 fell."}
    version = Registry(open_store(uri)).publish("team", SMALL, report)
    where = f"{uri}/models/team/{version}/report.json"
    header, row, decision = ritm("candidates", "team")[1].splitlines()
    assert row.split()[-4:] == ["team-0a1b2c3d", "6.50", "4.25", where]
    assert header.split("  ")[-1].strip() == "REPORT"
    assert decision == f"{version}: NoC@90 fell."
    (found,) = json.loads(ritm("candidates", "team", "--json")[1])
    assert (found["report"], found["report_uri"]) == (report, where)
    assert json.loads(Path(where).read_text()) == report


def test_trials_and_accepted_objects_are_shown(ritm: Ritm) -> None:
    store = open_store(os.environ["RITM_REGISTRY"])
    registry, trials = Registry(store), Trials(store)
    live = registry.publish("team", SMALL, {})
    registry.promote("team", live, None)
    candidate = registry.publish("team", bundled_model_path(), {})
    trials.begin("team", candidate, "canary", share=0.25, objects=50)
    few = Counted(candidate=Tally(objects=2, clicks=5, squares=13), live=Tally.of_one(4))
    trials.add("team", candidate, few)
    trials.count("team", Counts(by_day={date(2026, 1, 1): {live: few.candidate}}))
    said = f"{candidate}: canary: 2.50 clicks on 2 of 50 objects, live 4.00 on 1."
    assert ritm("candidates", "team")[1].splitlines()[-1] == said
    (found,) = json.loads(ritm("candidates", "team", "--json")[1])
    assert found["trial"]["candidate"] == {"objects": 2, "clicks": 5, "squares": 13}
    header, *rows = ritm("history", "team")[1].splitlines()[:3]
    assert header.split()[2:] == ["ACCEPTED", "CLICKS"]
    by_version = {row.split()[0]: row.split()[3:5] for row in rows}
    assert by_version == {live: ["2", "2.50"], candidate: ["0", "-"]}
    accepted = json.loads(ritm("history", "team", "--json")[1])["accepted"]
    assert accepted == {"2026-01-01": {live: {"objects": 2, "clicks": 5, "squares": 13}}}


def test_a_candidate_is_put_on_trial_and_taken_off(ritm: Ritm) -> None:
    registry = Registry(store := open_store(os.environ["RITM_REGISTRY"]))
    live, candidate = (registry.publish("team", path, {}) for path in (SMALL, bundled_model_path()))
    registry.promote("team", live, None)
    assert ritm("end-trial", "team") == (1, "", "Error: No version of team is on trial.\n")

    canary = ("trial", "team", candidate, "--mode", "canary", "--share", 0.25, "--by", "anna")
    said = "canary: 0.00 clicks on 0 of 200 objects, live 0.00 on 0"
    begun = (0, f"{candidate} is on trial beside {live}; {said}.\n", "")
    assert ritm(*canary) == begun
    assert ritm(*canary) == begun, "again is the same trial"
    running = Trials(store).running("team")
    assert running is not None
    assert (running.version, running.share, running.by) == (candidate, 0.25, "anna")
    for arguments, why in (
        ((live, "--mode", "shadow"), "is live already"),
        (("team-00000000", "--mode", "shadow"), "There is no version team-00000000 of team"),
        ((candidate, "--mode", "shadow"), f"{candidate} is on trial already (canary: "),
    ):
        status, out, complaint = ritm("trial", "team", *arguments)
        assert (status, out, why in complaint) == (1, "", True), complaint
    for wrong in (("--share", 0), ("--share", 1.5), ("--objects", 29), ("--mode", "open")):
        assert ritm(*canary, *wrong)[0] == 2

    ended = (0, f"The trial of {candidate} is ended; {said}.\n", "")
    assert ritm("end-trial", "team", "--by", "bob", "--why", "complaints") == ended
    assert Trials(store).running("team") is None
    assert ritm("candidates", "team")[1].endswith("; ended by bob (complaints).\n")
    complaint = ritm("end-trial", "team")[2]
    assert complaint.endswith(f"on trial; that of {candidate} has ended (ended by bob (complaints)).\n")
    assert ritm("trial", "team", candidate, "--mode", "shadow", "--objects", 30)[0] == 0
    ritm("reject", "team", candidate)
    assert "Not on trial" in ritm("trial", "team", candidate, "--mode", "shadow")[2]


def test_a_registry_must_be_named(ritm: Ritm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RITM_REGISTRY")
    status, _, complaint = ritm("history", "team")
    assert status == 2
    assert "--registry" in complaint
