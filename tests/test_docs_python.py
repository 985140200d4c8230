"""Python that the documentation shows runs as shown, page by page, each from top to bottom."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ritm_model.catalogue import bundled_model_path

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "tests" / "samples"
PAGES = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("library", "extending", "quality"))]
BLOCK = re.compile(r"(?:^<!-- (?P<mark>.*) -->\n)?^```python\n(?P<code>(?:.*\n)*?)```$", re.MULTILINE)
AFTERWARDS = {
    "README.md": "assert state.mask.any() and 0 < state.score <= 1",
    "library.md": """
        assert state.mask.dtype == bool and state.probability.dtype == np.float32
        assert state.mask.shape == state.probability.shape == pixels.shape[:2]
        assert isinstance(state.score, float)
        assert on_array.mask.any() and (on_array.mask == on_pillow.mask).all()
        assert [one.mask.shape for one in of_one_image] == [pixels.shape[:2]] * 3
        assert stroked.mask.any() and brushed.mask.any() and len(stroked.clicks) == len(brushed.clicks) == 3
        assert [click.is_positive for click in away.clicks] == [True] * 3 + [False] * 2
        assert len(of_many_images) == 2
    """,
    "extending.md": """
        assert path.is_file() and load_model(path).family == "tiny"
        assert len(losses.losses) == 2
        assert load_model(learnt).family == "tiny"
        assert state.mask.any()
    """,
    "quality.md": """
        assert quick.options.zoom_in.target_size == bundled.options.zoom_in.first_size
        assert steady.options.merge.applies(8, from_mask=False)
    """,
}


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_snippets_of_a_page_run_in_their_order(page: Path, tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "images" / "coffee.jpg", tmp_path / "photo.jpg")
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_model_path().with_suffix(suffix), tmp_path / f"mine{suffix}")
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        for name in ("bear", "vase"):
            shutil.copy(SAMPLES / kind / f"{name}{suffix}", tmp_path / "photos" / kind)
    blocks = [found["code"] for found in BLOCK.finditer(page.read_text()) if not found["mark"]]
    checks = re.sub(r"^ {8}", "", AFTERWARDS[page.name], flags=re.MULTILINE)
    (tmp_path / "page.py").write_text("\n".join([*blocks, checks]))
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_is_not_run_says_why() -> None:
    marks = [found["mark"] for page in PAGES for found in BLOCK.finditer(page.read_text()) if found["mark"]]
    assert all(re.fullmatch(r"not run by the tests: .+", mark) for mark in marks)
