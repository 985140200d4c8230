"""Values of JSON files of any size, one by one."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.datasets.problems import BrokenFileError, Problem
from training.exports import json_values as module
from training.exports.json_values import json_values

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"])


def read(data: bytes) -> tuple[list[Any], list[Problem]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.json")
        path.write_bytes(data)
        problems: list[Problem] = []
        return list(json_values(path, "a.json", problems)), problems


@settings(deadline=None)
@given(st.lists(anything, max_size=6), encodings, st.sampled_from([None, 1]), st.integers(1, 64))
def test_a_list_is_read_as_json_reads_it(
    rows: list[Any], encoding: str, indent: int | None, piece: int
) -> None:
    """However small the pieces are in which the file is read."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_PIECE", piece)
        data = json.dumps(rows, ensure_ascii=False, indent=indent).encode(encoding, "surrogatepass")
        assert read(data)[0] == rows


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), anything), min_size=1, max_size=5), encodings)
def test_lines_and_single_values(rows: list[Any], encoding: str) -> None:
    lines = "\r\n".join(json.dumps(row) for row in rows)
    assert read(lines.encode(encoding))[0] == rows
    assert read(json.dumps(rows[0], indent=2).encode(encoding))[0] == rows[:1]


def test_a_bad_line_costs_itself_only() -> None:
    values, problems = read(b'{"id": 1}\n{"id": \n\n{"id": 3}\n')
    assert values == [{"id": 1}, {"id": 3}]
    assert [str(problem) for problem in problems] == ["a.json: Line 2 is not JSON."]


@pytest.mark.parametrize("cut", [1, 5, 12, 17, 20])
def test_a_list_that_breaks_off_is_refused(cut: int) -> None:
    whole = b'[{"id": 1}, {"id": 2}]'
    with pytest.raises(BrokenFileError, match="breaks off"):
        read(whole[:cut])


@pytest.mark.parametrize("data", [b"", b"  \n", b"nonsense", b'{"id": 1', b"\xff\xfe\x00", b'["\xff"]'])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenFileError):
        read(data)
