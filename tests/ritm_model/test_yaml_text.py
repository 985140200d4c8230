"""YAML is read without executing anything, and mistakes in it are found where they are."""

from __future__ import annotations

import re

import pytest

from ritm_model.yaml_text import read_yaml


def test_values_are_read() -> None:
    text = "a: &common {x: 1}\nb: {<<: *common, x: 2}\nc: 0 2 * * *\n"
    assert read_yaml(text) == read_yaml(text.encode()) == {"a": {"x": 1}, "b": {"x": 2}, "c": "0 2 * * *"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb:\n  c: 1\n  d: 1\n  c: 2\n", "line 5: 'c' stands there twice"),
        ("a: 1\nwhen: */5 * * * *\n", "line 2: "),
        ("a: 1\n b: 2\n", "line 2: "),
        ("a: [", "line 1: "),
        ("a: !!python/object/apply:os.system [ls]", "line 1: "),
        ("[" * 10_000, "it has too many parts within parts"),
        ("a: \x00", "it is not text"),
        ("a: 2026-99-99", "month must be in"),
    ],
)
def test_what_is_wrong_says_where(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=re.escape(problem)):
        read_yaml(text)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(ValueError, match="it is not text"):
        read_yaml(b"a: \xff\xfe")
