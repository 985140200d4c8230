"""Bodies are read as `json.loads` reads them, with masks that nobody has looked at yet."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ritm_backend.label_studio import body as body_module
from ritm_backend.label_studio.body import UnreadRle, read_body
from ritm_backend.label_studio.errors import RequestError

PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
KEYS = st.sampled_from(["rle", "value", 'a"rle": [1]', "\\"]) | st.text(max_size=4)
VALUES = st.recursive(
    PLAIN | st.lists(st.integers(-300, 300)) | st.sampled_from(['{"rle": [1]}', '\\"rle": [2']),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


def read_out(value):
    """The value with every mask as the list that its text spells."""
    if isinstance(value, UnreadRle):
        return json.loads(b"[" + value.text + b"]")
    if isinstance(value, dict):
        return {key: read_out(item) for key, item in value.items()}
    return [read_out(item) for item in value] if isinstance(value, list) else value


@given(VALUES, st.sampled_from([None, 0, 2]), st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", "\t:  ")]))
@example({"rle": [True]}, None, (",", ":"))
@example({"rle": [-0.0]}, None, (",", ":"))
@example([{"rle": [1, 2]}, {"rle": [0]}, {"rle": [[0]]}, {"rle": 0}, {"rle": []}], None, (",", ":"))
def test_nothing_is_lost_and_nothing_changes(value, indent, separators):
    text = json.dumps(value, indent=indent, separators=separators)
    assert read_out(read_body(text.encode())) == value


@given(st.dictionaries(st.sampled_from(["a", "rle", "b"]), st.lists(st.integers(0, 255)), min_size=1))
def test_lists_named_rle_are_left_unread(value):
    read = read_body(json.dumps({"tasks": [value]}).encode())["tasks"][0]
    assert isinstance(read.get("rle", UnreadRle(b"")), UnreadRle)
    assert {key: list(bytes(item)) for key, item in read.items()} == value


def test_a_large_mask_is_read_whole():
    values = np.random.default_rng(0).integers(0, 256, 200_000).tolist()
    read = read_body(json.dumps({"rle": values}).encode())
    assert bytes(read["rle"]) == bytes(values)


@pytest.mark.parametrize("text", [b"300", b"-1", b"1,,2", b"1 2", b",", b"1,", b"--1"])
def test_what_are_no_byte_values_is_found_when_they_are_asked_for(text):
    read = read_body(b'{"rle": [' + text + b"]}")
    with pytest.raises(ValueError, match=r"."):
        bytes(read["rle"])


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"rle": [1, 2', b'{"rle": [1, 2]', b'{"rle": [1}', b'{"rle": [1, "a]}', b'"rle": [1]'],
)
def test_what_is_not_json_is_refused(body):
    with pytest.raises(ValueError, match=r"."):
        read_body(body)


NAMES = [b'"rle"', rb'"\u0072le"', rb'"r\u006ce"', rb'"\"rle"', rb'"\\"', rb'"\\rle"', b'"RLE"']
PIECES = [*NAMES, b":", b"[", b"]", b"{", b"}", b'"', b"\\", b",", b" ", b"1", b"-0", b"300", b"1,2", b"true"]
LISTS = st.sampled_from(
    [b"[]", b"[7]", b"[0]", b"[1, 2,3]", b"[-1]", b"[[0]]", b'["7"]', b"7", b"[true]", b"[1.5]"]
)
DOCUMENTS = st.recursive(
    LISTS,
    lambda inner: st.lists(st.tuples(st.sampled_from(NAMES), inner), max_size=4).map(
        lambda pairs: b"{" + b", ".join(name + b": " + value for name, value in pairs) + b"}"
    ),
    max_leaves=10,
)


@given(DOCUMENTS)
@example(rb'{"\u0072le": [7], "a": {"rle": [1, 2]}}')
@example(rb'{"rle": [1, 2], "\u0072le": [0], "rle": [3]}')
@example(rb'{"\"rle": [1, 2], "rle": [0]}')
def test_escaped_and_repeated_names_mean_what_they_mean_in_json(body):
    same_as_json(body)


@given(st.lists(st.sampled_from(PIECES)))
def test_any_text_is_read_like_json_or_refused_like_it(parts):
    same_as_json(b"".join(parts))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_bytes_that_only_look_like_a_mask_are_text(encoding):
    lookalike = b'"rle": [1]'.decode("utf-16-be" if encoding == "utf-16-be" else "utf-16-le")
    same_as_json(json.dumps([lookalike, {"rle": [1]}], ensure_ascii=False).encode(encoding))


def same_as_json(body):
    try:
        expected = json.loads(body)
    except ValueError:
        return  # a list of numbers with a mistake in it may pass here, and is found when it is asked for
    assert read_out(read_body(body)) == expected


def test_a_mask_is_one_value_and_others_are_counted(monkeypatch):
    monkeypatch.setattr(body_module, "MOST_VALUES", 10)
    assert read_body(b'{"rle": [' + b"1," * 1000 + b"1]}")
    with pytest.raises(RequestError, match="more than 10 values"):
        read_body(b"[" + b"[]," * 5 + b"0]")
