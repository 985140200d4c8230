"""Reads pickles of the annotations without trusting them.

A pickle is a program that may call any function it can name. This reader knows a fixed table of names and
gives its own harmless stand-ins for them, so that a file can build containers, numbers, text, bytes and
arrays of numbers, and nothing else. Everything it asks for beyond that is refused before anything is called.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.problems import BrokenFileError
from ritm_model.errors import shown
from ritm_model.files import parsing

_NUMBERS = re.compile(r"[<>|=]?(?:[biuf][1-8]|[SU]\d{1,4}|\?)")


def read_pickle(path: Path) -> object:
    """Read a pickle of plain values.

    Returns:
        Containers, numbers, text, bytes and NumPy arrays and numbers. Paths come as text, dictionaries with
        default values as plain ones. Nothing has been checked beyond that.

    Raises:
        BrokenFileError: missing, damaged, or asking for anything else.
    """
    data = read_bytes(path)
    with parsing(lambda error: _refusal(path, error)):
        return _PlainUnpickler(io.BytesIO(data)).load()


def _refusal(path: Path, error: Exception) -> BrokenFileError:
    if isinstance(error, _RefusedError):
        return BrokenFileError(path, f"The pickle asks for {error}; nothing was executed.")
    return BrokenFileError(
        path, "The pickle is damaged, or holds more than plain values; nothing was executed."
    )


class _RefusedError(pickle.UnpicklingError):
    pass


class _StandIn:
    """What a name in a pickle stands for. A pickle can call it, and can neither change nor take it apart."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *args: Any) -> object:
        return self._make(*args)

    def __setstate__(self, _state: object) -> None:
        raise _RefusedError("a change of a function")


class _Kind:
    """A NumPy dtype as a pickle describes it: bits and kind first, then the order of bytes."""

    __slots__ = ("_text",)

    def __init__(self, text: str, *_align_and_copy: object) -> None:
        if not isinstance(text, str) or not _NUMBERS.fullmatch(text):
            raise _RefusedError(f"an array of '{shown(text)}', which is neither number nor text")
        self._text = text

    def __setstate__(self, state: Any) -> None:
        order, *fields = state[1:5]
        if order not in ("<", ">", "|", "=") or any(fields):
            raise _RefusedError("an array with fields")
        self._text = order + self._text.lstrip("<>|=")

    def resolved(self) -> np.dtype[Any]:
        return np.dtype(self._text)


class _Array(np.ndarray[Any, Any]):
    def __setstate__(self, state: Any) -> None:
        _version, shape, kind, in_columns, data = state
        dtype = kind.resolved()
        _check_length(data, dtype, shape)
        plain = (1, shape, dtype, bool(in_columns), bytes(data))
        super().__setstate__(plain)  # type: ignore[arg-type]  # which wants a NumPy bool, and NumPy does not


def _check_length(data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    if min(shape, default=0) < 0 or len(data) != math.prod(shape) * dtype.itemsize:
        raise _RefusedError("an array that is not as long as its shape says")


def _empty_array(_class: object, _shape: object, _code: object) -> _Array:
    return _Array((0,), np.uint8)


def _array(
    data: bytes, kind: _Kind, shape: tuple[int, ...], order: str, *_axes: object
) -> np.ndarray[Any, Any]:
    dtype = kind.resolved()
    _check_length(data, dtype, shape)
    return np.frombuffer(data, dtype).reshape(shape, order="F" if order == "F" else "C")


def _scalar(kind: _Kind, data: bytes) -> np.generic:
    dtype = kind.resolved()
    _check_length(data, dtype, ())
    number: np.generic = np.frombuffer(data, dtype)[0]
    return number


def _bytes(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise _RefusedError(f"the encoding '{shown(encoding)}'")
    return text.encode("latin1")


def _bytearray(content: str | bytes = b"", _encoding: str = "latin-1") -> bytearray:
    return bytearray(content.encode("latin-1") if isinstance(content, str) else memoryview(content))


def _path(*parts: str) -> str:
    return "/".join(parts)


def _no_class(*_args: object) -> object:
    raise _RefusedError("an array made by hand")


# What numpy 1 and 2, and Python 2 and 3, call the same things.
_TABLE: dict[tuple[str, str], _StandIn] = {
    **{
        (module, name): _StandIn(make)
        for module in ("builtins", "__builtin__")
        for name, make in (
            ("set", set),
            ("frozenset", frozenset),
            ("list", list),
            ("dict", dict),
            ("bytes", lambda: b""),
            ("bytearray", _bytearray),
        )
    },
    ("collections", "OrderedDict"): _StandIn(dict),
    ("collections", "defaultdict"): _StandIn(lambda *_factory: {}),
    ("_codecs", "encode"): _StandIn(_bytes),
    ("numpy", "dtype"): _StandIn(_Kind),
    ("numpy", "ndarray"): _StandIn(_no_class),
    **{
        (f"numpy.{core}.multiarray", name): _StandIn(make)
        for core in ("core", "_core")
        for name, make in (("_reconstruct", _empty_array), ("scalar", _scalar))
    },
    **{(f"numpy.{core}.numeric", "_frombuffer"): _StandIn(_array) for core in ("core", "_core")},
    **{
        (module, name): _StandIn(_path)
        for module in ("pathlib", "pathlib._local")
        for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
    },
}


# The one written in Python: in the fast one a few bytes can ask for gigabytes of memory.
class _PlainUnpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        known = _TABLE.get((module, name))
        if known is None:
            raise _RefusedError(
                f"'{shown(module)}.{shown(name)}', which is neither a plain value nor an array of numbers"
            )
        return known
