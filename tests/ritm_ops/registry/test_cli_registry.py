"""`ritm models publish|promote|rollback|history`, as they are typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ritm_model.checkpoints import bundled_model_path, model_version
from ritm_model.cli.main import main

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


def test_a_registry_must_be_named(ritm: Ritm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RITM_REGISTRY")
    status, _, complaint = ritm("history", "team")
    assert status == 2
    assert "--registry" in complaint
