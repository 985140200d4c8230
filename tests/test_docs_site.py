"""The documentation builds: every page is in it, every link leads somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_mkdocs_builds_the_site_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # about its own future
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    docs = ROOT / "docs"
    pages = {page.relative_to(docs).with_suffix("") for page in docs.rglob("*.md") if page.stem != "index"}
    built = {page.parent.relative_to(tmp_path) for page in tmp_path.rglob("index.html")}
    assert pages <= built
    assert "nav" not in done.stderr, "a page is missing in mkdocs.yml"
    assert "Click on an object" in (tmp_path / "index.html").read_text()
    reference = re.sub(r"<[^>]+>", "", (tmp_path / "reference" / "predictor" / "index.html").read_text())
    for what in ("at_once: int = 8", "PromptError", "H x W x 3 uint8 RGB", "in pixels of the image"):
        assert what in reference, "signatures, errors, shapes and units"
