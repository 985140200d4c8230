"""docs/security.md and docs/operations.md promise nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(("page", "least"), [("security.md", 20), ("operations.md", 10)])
def test_every_test_that_the_page_names_exists(page: str, least: int) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text()))
    texts = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", texts))
    assert len(named) > least
    assert named <= there, f"No such tests: {sorted(named - there)}"


def test_every_threat_has_a_test() -> None:
    page = (ROOT / "docs/security.md").read_text().split("## How is it defended?")[1].split("\n## ")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert all("`test_" in row.rsplit("|", 2)[1] for row in rows)
