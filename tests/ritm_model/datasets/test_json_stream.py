"""Values of JSON files of any size, one by one, and read again from their places."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.datasets import json_stream
from ritm_model.datasets.json_stream import members, outline, read_span, rewritten, values
from ritm_model.datasets.problems import BrokenFileError, Problem

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=10,
)
records = st.dictionaries(st.text(max_size=4), anything, max_size=5)
encodings = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
indents = st.sampled_from([None, 1])
pieces = st.integers(1, 64)


@contextmanager
def written(data: bytes, piece: int = 1 << 20) -> Iterator[Path]:
    """A file that is read in pieces of so many letters."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_stream, "_PIECE", piece)
        path = Path(folder, "a.json")
        path.write_bytes(data)
        yield path


def read(data: bytes, piece: int = 1 << 20) -> tuple[list[Any], list[Problem]]:
    problems: list[Problem] = []
    with written(data, piece) as path:
        return list(values(path, "a.json", problems)), problems


@settings(deadline=None, max_examples=50)
@given(st.lists(anything, max_size=6), encodings, indents, pieces)
def test_a_list_is_read_as_json_reads_it(
    rows: list[Any], encoding: str, indent: int | None, piece: int
) -> None:
    data = json.dumps(rows, ensure_ascii=False, indent=indent).encode(encoding, "surrogatepass")
    assert read(data, piece)[0] == rows


@settings(deadline=None, max_examples=50)
@given(records, encodings, indents, pieces, st.booleans())
def test_the_members_of_an_object_are_those_that_json_reads(
    record: dict[str, Any], encoding: str, indent: int | None, piece: int, crlf: bool
) -> None:
    """Also read again from their places, whatever the letters and line ends before them."""
    text = json.dumps(record, ensure_ascii=False, indent=indent)
    data = (text.replace("\n", "\r\n") if crlf else text).encode(encoding, "surrogatepass")
    found: dict[str, Any] = {}
    with written(data, piece) as path:
        for key, value, span in members(path):
            if span is None:
                found[key] = value
            else:
                found[key].append(value)
                if isinstance(value, dict):  # the beginning of an object tells its encoding
                    assert read_span(path, span) == value
        assert found == record
        shallow = {key: [] if isinstance(value, list) else value for key, value in record.items()}
        assert outline(path) == shallow


@settings(deadline=None, max_examples=50)
@given(records)
def test_what_is_rewritten_unchanged_is_the_same(record: dict[str, Any]) -> None:
    with written(json.dumps(record).encode()) as path:
        assert json.loads("".join(rewritten(path, lambda key, value: value))) == record
        changed = {
            key: [0] * len(value) if isinstance(value, list) else value for key, value in record.items()
        }
        assert json.loads("".join(rewritten(path, lambda key, value: 0))) == changed


@settings(deadline=None, max_examples=50)
@given(st.lists(records, min_size=1, max_size=5), encodings, pieces)
def test_lines_and_single_values(rows: list[Any], encoding: str, piece: int) -> None:
    lines = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert read(lines.encode(encoding, "surrogatepass"), piece)[0] == rows
    assert read(json.dumps(rows[0], indent=2).encode(encoding), piece)[0] == rows[:1]


def test_a_bad_line_costs_itself_only() -> None:
    found, problems = read(b'{"id": 1}\n{"id": \n\n{"id": 3}\n')
    assert found == [{"id": 1}, {"id": 3}]
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


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "holds no JSON object"),
        (b'{"a": [1, {"b"]}', "is damaged or breaks off after 1 entries of 'a'"),
        (b'{"a": [1, 2', "breaks off after 2 entries of 'a'"),
        (b'{"a": 1} {"a": 2}', "not JSON"),
        (b'{"a" 1}', "not JSON"),
        (b"{1: 1}", "not JSON"),
    ],
)
def test_what_is_no_object_is_refused(data: bytes, reason: str) -> None:
    with written(data) as path:
        with pytest.raises(BrokenFileError, match=reason):
            list(members(path))
        assert outline(path) is None


def test_damage_is_found_without_reading_on() -> None:
    """Otherwise all that comes after it would be in memory."""
    data = b'[{"id" 1}, ' + b'{"id": 1}, ' * 400_000 + b"1]"
    with written(data, 1000) as path:
        tracemalloc.start()
        with pytest.raises(BrokenFileError, match="damaged"):
            list(values(path, "a.json", []))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()


def test_a_file_that_has_changed_is_told() -> None:
    with written(b'{"a": [{"b": 1}]}') as path:
        *_, (_, _, span) = members(path)
        path.write_bytes(b'{"a": [[], {"b": 1}]}')
        assert span is not None
        with pytest.raises(BrokenFileError, match="was changed after it was opened"):
            read_span(path, span)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b'[{"image_id": 1, "category_id": 1, "score": 0.9}, {"damaged', "is a list of results of COCO"),
        (b'[{"id": 1, "data": {}, "annotations": []}]', "is an export of Label Studio"),
        (b"[]", "holds no JSON object"),
        (b"7", "holds no JSON object"),
        ('{"name": "Käse"}'.encode("cp1252"), "is JSON, but not in UTF-8: save it as UTF-8"),
        (b"\xff\xfe\xfd", "is not JSON, or is damaged"),
    ],
)
def test_what_holds_no_object_is_named(data: bytes, sentence: str) -> None:
    with written(data) as path, pytest.raises(BrokenFileError, match=sentence):
        list(members(path))
