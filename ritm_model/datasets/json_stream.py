"""JSON files of any size, value by value.

Exports have gigabytes, so memory holds one element of a list at a time. Each comes with its place in the
file, from where it can be read again when it is needed.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.mistaken import mistaken

_PIECE = 1 << 20
_SPACE = re.compile(r"[ \t\r\n]*")
_BETWEEN = re.compile(r"[ \t\r\n,]*")
_DECODER = json.JSONDecoder()
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
_LONGEST_WORD = 16  # `-Infinity`, or two escapes of a letter
_HEAD = 512  # bytes that tell what a file is
_NO_JSON = "The file is not JSON, or is damaged: export it again, as JSON."
_NO_UTF_8 = "The file is JSON, but not in UTF-8: save it as UTF-8."
_RESULTS = (
    "The file is a list of results of COCO, which names no images: put it as 'annotations' into the file "
    "that lists them."
)
_NO_OBJECT = (
    "The file holds no JSON object; a list of tasks is an export of Label Studio, which "
    "`ritm dataset from-label-studio` reads."
)


class Span(NamedTuple):
    """Where a value stands in its file: the first byte, and how many."""

    start: int
    size: int


class Member(NamedTuple):
    """A member of the object that a file holds, or an element of a member that is a list.

    Attributes:
        key: of the member.
        value: of the member, or of the element; of a list, an empty one that comes before its elements.
        span: where the element stands; None for a member.
    """

    key: str
    value: object
    span: Span | None


def members(path: Path, name: str = "") -> Iterator[Member]:
    """The members of the object that a file holds; lists are cut into their elements.

    Args:
        path: of the file.
        name: what errors call it; nothing for the path.

    Raises:
        BrokenFileError: missing, no JSON, or more than one object; members may have come out before.
    """
    with _opened(path, name or str(path)) as text:
        if text.next() != "{":
            if text.next() == "[":
                first = next(text.elements(), (None,))[0]  # all would take long
                raise BrokenFileError(text.name, _RESULTS if _is_result(first) else _NO_OBJECT)
            text.value()
            raise BrokenFileError(text.name, _NO_OBJECT)
        yield from text.members()
        if text.next():
            raise BrokenFileError(text.name, _NO_JSON)


def outline(path: Path, name: str = "") -> dict[str, object] | None:
    """The object that a file holds, with empty lists for its lists.

    Returns:
        None where the file holds a list, several values, or no JSON: then `values` says more.

    Raises:
        BrokenFileError: it cannot be read.
    """
    found: dict[str, object] = {}
    with _opened(path, name or str(path)) as text:
        if text.next() != "{":
            return None
        try:
            for member in text.members():
                if member.span is None:
                    found[member.key] = member.value
            return None if text.next() else found
        except (ValueError, RecursionError, BrokenFileError):
            return None


def values(path: Path, name: str, problems: list[Problem]) -> Iterator[object]:
    """The values of a file one by one: of a list, of lines (NDJSON), or the only one.

    Args:
        path: of the file.
        name: what errors and problems call it.
        problems: hears of lines that are no JSON.

    Raises:
        BrokenFileError: missing, or no JSON; values may have come out before.
    """
    with _opened(path, name) as text:
        match text.next():
            case "":
                raise BrokenFileError(name, "The file is empty.")
            case "[":
                yield from (value for value, _ in text.elements())
            case _:
                yield from text.lines_or_one(problems)


def rewritten(path: Path, changed: Callable[[str, object], object]) -> Iterator[str]:
    """The text of the object that a file holds, with other elements in its lists, piece by piece.

    Args:
        path: of the file.
        changed: from the key of a list and an element to what comes in its place.

    Raises:
        BrokenFileError: as `members`.
    """
    before, rest = "{\n", ""
    for key, value, span in members(path):
        if span is None:
            yield f"{rest}{before}{json.dumps(key)}: "
            before, rest = ",\n", "[]" if isinstance(value, list) else json.dumps(value)
        else:
            yield ("[\n" if rest == "[]" else ",\n") + json.dumps(changed(key, value))
            rest = "]"
    yield rest + "}\n" if rest else "{}\n"


def read_span(path: Path, span: Span) -> object:
    """Read a value again from its place in a file.

    Raises:
        BrokenFileError: the file is gone, or another one by now.
    """
    try:
        with path.open("rb") as file:
            file.seek(span.start)
            value: object = json.loads(file.read(span.size))
    except OSError as error:
        raise BrokenFileError(path, f"The file cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise BrokenFileError(path, "The file was changed after it was opened; begin again.") from None
    return value


@contextmanager
def _opened(path: Path, name: str) -> Iterator[_Text]:
    try:
        with path.open("rb") as file:
            yield _Text(file, name)
    except FileNotFoundError:
        raise BrokenFileError(name, "The file is missing.") from None
    except OSError as error:
        raise BrokenFileError(name, f"The file cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise BrokenFileError(name, "The file is nested too deeply.") from None
    except ValueError:
        raise BrokenFileError(name, _other_than_json(path)) from None


def _other_than_json(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\3\4"):
        return "The file is a zip: unpack it first, or give it to `ritm dataset from-cvat`."
    if what := mistaken(head):
        return f"The file {what}."
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return _NO_UTF_8 if head.lstrip()[:1] in (b"{", b"[") else _NO_JSON
    return _NO_JSON


def _is_result(value: object) -> bool:
    """Whether it is a result of COCO, as programs that detect write them."""
    return isinstance(value, dict) and "image_id" in value and not {"annotations", "data"} & value.keys()


class _Text:
    """The text of a file piece by piece, and how many bytes of the file come before a letter.

    Its methods raise ValueError or RecursionError for what is no JSON.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        head = file.read(4)
        found = next(((mark, known) for mark, known in _MARKS if head.startswith(mark)), None)
        mark, self._encoding = found or (b"", json.detect_encoding(head))
        file.seek(len(mark))
        self._file = io.TextIOWrapper(file, self._encoding, "surrogatepass", newline="")
        self._buffer, self._place, self._is_over = "", 0, False
        self._counted, self._bytes = 0, len(mark)  # a place in the buffer, and the bytes before it

    def next(self, skipped: re.Pattern[str] = _SPACE) -> str:
        """The letter that comes next, which stays; nothing at the end."""
        while True:
            between = skipped.match(self._buffer, self._place)
            assert between is not None
            self._place = between.end()
            if self._place < len(self._buffer):
                return self._buffer[self._place]
            self._read(_PIECE)
            if self._is_over:
                return ""

    def value(self) -> tuple[object, Span]:
        """The value that begins at the next letter."""
        piece = _PIECE
        while True:
            try:
                value, end = _DECODER.raw_decode(self._buffer, self._place)
                # A number at the end of what was read may go on, as 1.5e in 1.5e10.
                if end + 2 < len(self._buffer) or self._is_over:
                    start, self._place = self._offset(), end
                    return value, Span(start, self._offset() - start)
            except json.JSONDecodeError as error:
                is_cut = error.pos > len(self._buffer) - _LONGEST_WORD or "Unterminated" in error.msg
                if self._is_over or not is_cut:
                    raise
            self._read(piece)
            piece = max(_PIECE, len(self._buffer))  # twice as much each time, for a long value

    def elements(self, of: str = "") -> Iterator[tuple[object, Span]]:
        """The elements of the list that begins here; errors say of what it is the list."""
        self._place += 1
        count = 0
        while (letter := self.next(_BETWEEN)) != "]":
            reason = f"The JSON breaks off after {count} entries{of}; export it again."
            if not letter:
                raise BrokenFileError(self.name, reason)
            try:
                found = self.value()
            except json.JSONDecodeError:
                raise BrokenFileError(self.name, reason.replace("breaks", "is damaged or breaks")) from None
            yield found
            count += 1
        self._place += 1

    def members(self) -> Iterator[Member]:
        """The members of the object that begins here."""
        self._place += 1
        while self.next(_BETWEEN) != "}":
            key, _ = self.value()
            if not isinstance(key, str) or self.next() != ":":
                raise ValueError
            self._place += 1
            if self.next() != "[":
                yield Member(key, self.value()[0], None)
                continue
            yield Member(key, [], None)
            for value, span in self.elements(f" of '{shown(key)}'"):
                yield Member(key, value, span)
        self._place += 1

    def lines_or_one(self, problems: list[Problem]) -> Iterator[object]:
        """The value that begins here, and those of the lines after it."""
        value, _ = self.value()
        before = self._buffer.count("\n", 0, self._place)
        yield value
        for number, line in enumerate(self._lines(), before + 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    problems.append(Problem(self.name, f"Line {number} is not JSON."))

    def _lines(self) -> Iterator[str]:
        for line in io.StringIO(self._buffer[self._place :], newline="\n"):
            yield line if line.endswith("\n") else line + self._file.readline()
        yield from self._file

    def _read(self, size: int) -> None:
        self._offset()
        more = self._file.read(size)
        self._buffer = self._buffer[self._place :] + more
        self._place = self._counted = 0
        self._is_over = not more

    def _offset(self) -> int:
        """How many bytes come before the next letter."""
        part = self._buffer[self._counted : self._place]
        is_plain = self._encoding == "utf-8" and part.isascii()
        self._bytes += len(part) if is_plain else len(part.encode(self._encoding, "surrogatepass"))
        self._counted = self._place
        return self._bytes
