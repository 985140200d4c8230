"""Pickles of annotations are read as data; hostile ones are refused before anything happens."""

import builtins
import codecs
import collections
import os
import pickle
import struct
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from ritm_model.datasets.problems import BrokenFileError
from ritm_model.datasets.readers.plain_pickle import read_pickle

PLAIN = {
    "numbers": [1, -(2**70), 2.5, True, None],
    "text": ("a", "ö", b"\x00\xff", bytearray(b"xy")),
    "sets": [{1, 2}, frozenset({3})],
    5: {"nested": [{}, [], ()]},
}


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class State:
    """Pickles as a call of a function with a state set afterwards."""

    def __init__(self, function, arguments, state):
        self.call = function, arguments, state

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back_as_they_were(painter, protocol):
    assert read_pickle(painter.pickle("a.pickle", PLAIN, protocol)) == PLAIN


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.uint8).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=">i4").reshape(3, 4)),
        np.array([1.5, np.inf], np.float32),
        np.array(True),
        np.array(["2008_1", "ä"]),
        np.zeros((0, 3), np.int64),
    ],
    ids=lambda array: array.dtype.name,
)
def test_arrays_of_numbers_and_text_come_back_as_they_were(painter, protocol, array):
    read = read_pickle(painter.pickle("a.pickle", [array, array], protocol))
    for found in map(np.asarray, read):
        assert found.dtype.kind == array.dtype.kind
        assert found.itemsize == array.itemsize
        assert np.array_equal(found, array)


def test_numbers_of_numpy_paths_and_other_dictionaries(painter):
    default = collections.defaultdict(list, {"a": [1]})
    value = [np.int64(-3), np.uint8(7), np.float32(0.5), np.bool_(True), default]
    value += [collections.OrderedDict(b=2), PurePosixPath("images/training/a"), Path("x/y")]
    read = read_pickle(painter.pickle("a.pickle", value))
    assert read == [-3, 7, 0.5, True, {"a": [1]}, {"b": 2}, "images/training/a", "x/y"]
    assert type(read[4]) is dict
    assert read[4].get("missing") is None


def test_names_that_older_numpy_wrote(painter):
    new = pickle.dumps(np.arange(3), 2)
    old = new.replace(b"numpy._core.", b"numpy.core.")
    assert old != new
    path = painter.path("a.pickle")
    path.write_bytes(old)
    assert np.asarray(read_pickle(path)).tolist() == [0, 1, 2]


def hostile(tmp_path):
    """Pickles that would leave a trace if they were believed, and what the refusal names."""
    trace = str(tmp_path / "trace")
    touch = Calls(os.system, f"touch {trace}")
    code = f"open({trace!r}, 'w')"
    reconstruct = np.arange(2).__reduce__()[0]
    empty = (np.ndarray, (0,), b"b")
    too_long = (1, (10**6,), np.dtype("i8"), False, b"x")
    negative = (1, (-1, -8), np.dtype("u1"), False, b"x" * 8)
    return {
        "system": (touch, "system"),
        "eval": (Calls(builtins.eval, code), "eval"),
        "exec": ({"a": [Calls(builtins.exec, code)]}, "exec"),
        "open": (Calls(builtins.open, trace, "w"), "open"),
        "getattr": (Calls(builtins.getattr, "", "x"), "getattr"),
        "objects": (np.array([touch], object), ""),
        "numbers as objects": (np.array([1, 2], object), "an array of 'O8'"),
        "object scalar": (Calls(np.int64(1).__reduce__()[0], np.dtype(object), b"x" * 8), "an array of 'O8'"),
        "fields": (np.zeros(2, [("a", "i4")]), "an array of 'V4'"),
        "nested": ([{"x": ([Calls(pickle.loads, pickle.dumps(touch))],)}], "loads"),
        "array by hand": (Calls(reconstruct, Calls(np.ndarray, (3,)), (0,), b"b"), "array made by hand"),
        "too short": (State(reconstruct, empty, too_long), "shape"),
        "negative": (State(reconstruct, empty, negative), "shape"),
        "no state": (State(reconstruct, empty, "state"), ""),
        "encoding": (Calls(codecs.encode, "x", "rot13"), "rot13"),
        "gigabytes": (Calls(builtins.bytearray, 2**50), ""),
        "class": (Calls(collections.namedtuple, "a", "b"), "namedtuple"),
    }


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("kind", hostile(Path()))
def test_hostile_pickles_are_refused_and_nothing_is_executed(painter, tmp_path, kind, protocol):
    value, named = hostile(tmp_path)[kind]
    path = painter.pickle("hostile.pickle", value, protocol)
    with pytest.raises(BrokenFileError) as refusal:
        read_pickle(path)
    assert not (tmp_path / "trace").exists()
    sentence = str(refusal.value)
    assert sentence.startswith(f"{path}: The pickle ")
    assert sentence.endswith("nothing was executed.")
    assert "\n" not in sentence
    assert named in sentence


def test_the_hostile_pickles_would_work_on_a_trusting_reader(tmp_path):
    value, _ = hostile(tmp_path)["open"]
    pickle.loads(pickle.dumps(value)).close()
    assert (tmp_path / "trace").exists()


def test_a_pickle_cannot_change_the_reader(painter):
    """BUILD on a global sets attributes of it; a changed table would let the next file through."""
    build = b"\x80\x02cnumpy._core.multiarray\n_reconstruct\nN}X\x05\x00\x00\x00_makecbuiltins\nset\ns\x86b."
    path = painter.path("a.pickle")
    path.write_bytes(build)
    with pytest.raises(BrokenFileError, match="a change of a function"):
        read_pickle(path)
    again = painter.pickle("b.pickle", np.arange(3))
    assert np.asarray(read_pickle(again)).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        pickle.dumps(PLAIN)[:-5],
        pickle.dumps([1])[:-1] + b"\x93.",
        b"\x80\x04" + b"(" * 100_000 + b".",
        b"\x80\x02Nr" + struct.pack("<I", 2**32 - 1) + b"R.",  # a place in memory far away
        b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"x.",  # bytes that are not there
        b"\x80\x04\x96" + struct.pack("<Q", 2**62) + b"x.",
        b"\x80\x02\x82\x01.",  # an extension
        b"\x80\x02P1\n.",  # a persistent object
    ],
)
def test_damaged_pickles_are_refused_with_a_sentence(painter, data):
    path = painter.path("a.pickle")
    path.write_bytes(data)
    with pytest.raises(BrokenFileError, match="nothing was executed"):
        read_pickle(path)


def test_random_damage_never_gets_past_the_reader(painter):
    whole = bytearray(pickle.dumps([np.arange(5), PLAIN, np.float32(1)]))
    random = np.random.RandomState(0)
    path = painter.path("a.pickle")
    for _ in range(1500):
        damaged = whole.copy()
        for place in random.randint(0, len(whole), 3):
            damaged[place] = random.randint(256)
        path.write_bytes(damaged)
        try:
            read_pickle(path)
        except BrokenFileError as error:
            assert str(path) in str(error)


def test_a_missing_pickle_is_named(painter):
    with pytest.raises(BrokenFileError, match=r"a\.pickle: The file is missing"):
        read_pickle(painter.root / "a.pickle")
