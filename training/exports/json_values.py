"""The values of a JSON file one by one: of a list, of lines (NDJSON), or the only one.

Exports have gigabytes, so a list is cut into its elements while it is read; memory holds one of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ritm_model.datasets.problems import BrokenFileError, Problem

_PIECE = 1 << 20
_SPACE = " \t\r\n"
_BETWEEN = _SPACE + ","
_DECODER = json.JSONDecoder()


def json_values(path: Path, name: str, problems: list[Problem]) -> Iterator[object]:
    """Read a file.

    Args:
        path: of the file.
        name: what errors and problems call it.
        problems: hears of lines that are no JSON.

    Raises:
        BrokenFileError: missing, or no JSON; values may have come out before.
    """
    try:
        with path.open("rb") as raw:
            encoding = json.detect_encoding(raw.read(4))
            raw.seek(0)
            file = io.TextIOWrapper(raw, encoding, "surrogatepass")
            start = _first_letter(file)
            if start == "[":
                yield from _elements(file, name)
            elif start:
                yield from _lines_or_one(start, file, name, problems)
            else:
                raise BrokenFileError(name, "The file is empty.")
    except OSError as error:
        raise BrokenFileError(name, f"The file cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise BrokenFileError(name, "The file is not JSON.") from None


def _first_letter(file: IO[str]) -> str:
    while (letter := file.read(1)) and (letter in _SPACE or letter == "\ufeff"):
        pass
    return letter


def _elements(file: IO[str], name: str) -> Iterator[object]:
    """Elements of a list whose bracket has been read."""
    buffer, place, piece, count = "", 0, _PIECE, 0
    is_over = False
    while True:
        while place < len(buffer) and buffer[place] in _BETWEEN:
            place += 1
        if place < len(buffer) and buffer[place] == "]":
            return
        if place < len(buffer):
            try:
                value, end = _DECODER.raw_decode(buffer, place)
                # A number at the end of what was read may go on.
                if end < len(buffer) or is_over:
                    yield value
                    count, place, piece = count + 1, end, _PIECE
                    continue
            except ValueError:
                if is_over:
                    reason = f"The JSON is damaged or breaks off after {count} entries; export it again."
                    raise BrokenFileError(name, reason) from None
        elif is_over:
            raise BrokenFileError(name, f"The JSON breaks off after {count} entries; export it again.")
        more = file.read(piece)
        is_over = not more
        buffer, place = buffer[place:] + more, 0
        piece = max(_PIECE, len(buffer))  # twice as much each time, for a long element


def _lines_or_one(start: str, file: IO[str], name: str, problems: list[Problem]) -> Iterator[object]:
    first = start + file.readline()
    try:
        value = json.loads(first)
    except ValueError:
        yield json.loads(first + file.read())
        return
    yield value
    for number, line in enumerate(file, 2):
        if line.strip():
            try:
                yield json.loads(line)
            except (ValueError, RecursionError):
                problems.append(Problem(name, f"Line {number} is not JSON."))
