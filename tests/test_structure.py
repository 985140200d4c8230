"""The size of folders and files, and what docs/architecture.md says of the structure."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from statistics import median

from scheduling import APART, TOGETHER, scope

ROOT = Path(__file__).parent.parent
PACKAGES = ("ritm_model", "ritm_ops", "ritm_backend", "cvat_serverless", "training")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
LINES = {path: path.read_text().count("\n") for path in MODULES}
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
CATCHES_ANYTHING = re.compile(r"except:|except \(?(?:Base)?Exception\b|errorhandler\(Exception\)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_a_folder_holds_at_most_fifteen_modules() -> None:
    scripts = (path for folder in ("tests", "bench") for path in (ROOT / folder).rglob("*.py"))
    every = (*MODULES, *scripts, *(ROOT / "ritm_backend" / "web").rglob("*.js"))
    counts = Counter(
        name_of(path.parent) for path in every if path.name not in ("__init__.py", "conftest.py")
    )
    assert {folder: count for folder, count in counts.items() if count > 15} == {}


def test_a_folder_holds_at_most_sixteen_pages() -> None:
    counts = Counter(name_of(page.parent) for page in (ROOT / "docs").rglob("*.md"))
    assert {folder: count for folder, count in counts.items() if count > 16} == {}


def test_a_module_has_at_most_400_lines_and_half_of_them_at_most_150() -> None:
    assert {name_of(path): lines for path, lines in LINES.items() if lines > 400} == {}
    assert median(lines for path, lines in LINES.items() if path.name != "__init__.py") <= 150


def test_the_picture_shows_every_package_and_no_other() -> None:
    picture = ARCHITECTURE.partition("```text\nritm_model/")[2].partition("```")[0]
    shown, parents = [], [""] * 9
    for indent, folder in re.findall(r"^( *)(\w+)/ ", f"ritm_model/{picture}", flags=re.MULTILINE):
        depth = len(indent) // 2
        parents[depth] = folder
        shown.append("/".join(parents[: depth + 1]))
    assert sorted(shown) == sorted(name_of(path.parent) for path in MODULES if path.name == "__init__.py")


def test_every_path_on_the_page_exists() -> None:
    named = re.findall(rf"`((?:{'|'.join(PACKAGES)}|tests|bench|docs)/[\w/.]*)`", ARCHITECTURE)
    assert len(named) > 40
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_what_catches_any_exception_is_listed_with_its_reason() -> None:
    rows = re.findall(r"^\| `(\w[\w/]+\.py)` \| (.+) \|$", ARCHITECTURE, flags=re.MULTILINE)
    listed = {path: 2 if "(twice)" in reason else 1 for path, reason in rows}
    found = {name_of(path): len(CATCHES_ANYTHING.findall(path.read_text())) for path in MODULES}
    assert {path: count for path, count in found.items() if count} == listed


def test_tests_that_share_servers_go_to_one_process() -> None:
    assert [path for path in (*TOGETHER, *APART) if not (ROOT / path).exists()] == []
    one = scope("tests/e2e/label_studio/test_next.py::test_one[a::b]")
    assert one == scope("tests/e2e/stack/test_stack_setup.py::test_another")
    assert one != scope("tests/e2e/stack/test_tls.py::test_one")
    assert scope("tests/test_docs.py::test_one") == scope("tests/test_docs.py::test_another")
    assert scope(f"{APART[0]}::test_one") != scope(f"{APART[0]}::test_another")
