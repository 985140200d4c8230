"""docs/security.md promises nothing that no test holds."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text()))
    texts = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    there = set(re.findall(r"def (test_\w+)\(", texts))
    assert len(named) > 20
    assert named <= there, f"No such tests: {sorted(named - there)}"


def test_every_threat_has_a_test() -> None:
    page = (ROOT / "docs/security.md").read_text().split("## What holds it")[1].split("\n## ")[0]
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert rows
    assert all("`test_" in row.rsplit("|", 2)[1] for row in rows)
