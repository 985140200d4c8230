"""The JSON of a request, read without the masks in it.

Each click brings every mask of the task along, of all annotators, as lists of byte values: ten megabytes are
usual. Python's reader would make an object of each value and let no other thread run meanwhile, and yet one
mask at most is looked at. So their text is cut out first, and read when somebody asks for it.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

# Inside of a JSON text the quotes around rle are escaped: what matches is always a key, and all of it.
_MASK = re.compile(rb'(?<!\\)"rle"\s*:\s*\[')
_PIECE = 1 << 16  # bytes read at once, while other threads wait
_OF_WHOLE_NUMBERS = b"-0123456789, \t\r\n"


@dataclass(frozen=True, slots=True)
class UnreadRle:
    """The text of a list of byte values. `bytes()` reads it, and raises ValueError if it is none."""

    text: bytes

    def __bytes__(self) -> bytes:
        return b"".join(bytes(json.loads(b"[" + piece + b"]")) for piece in _pieces(self.text))


def read_body(body: bytes, *, with_masks: bool = True) -> object:
    """Read JSON as `json.loads` does, with an `UnreadRle` in the place of each list of numbers named `rle`.

    Args:
        body: as it came.
        with_masks: keep the text of these lists; without, they are empty.

    Raises:
        ValueError, RecursionError: it is not JSON.
    """
    if not json.detect_encoding(body).startswith("utf-8"):
        return json.loads(body)  # two bytes or four make a character there, and none is what it looks like
    mark = secrets.token_hex(8)  # nobody who writes a body can know what stands for a mask
    kept: list[bytes] = []
    masks: list[UnreadRle] = []
    done = 0
    for found in _MASK.finditer(body):
        start = found.end()
        quote = body.find(b'"', start)  # looking no further keeps the work in proportion to the body
        end = body.find(b"]", start, None if quote < 0 else quote)
        if end >= 0 and not body[start:end].translate(None, _OF_WHOLE_NUMBERS):
            kept += [body[done:start], f'"{mark}{len(masks)}"'.encode()]
            masks.append(UnreadRle(body[start:end] if with_masks else b""))
            done = end

    def put_back(value: dict[str, object]) -> dict[str, object]:
        match value.get("rle"):
            case [str(text)] if text.startswith(mark):
                value["rle"] = masks[int(text.removeprefix(mark))]
        return value

    return json.loads(b"".join([*kept, body[done:]]), object_hook=put_back if masks else None)


def _pieces(text: bytes) -> Iterator[bytes]:
    """The text cut at commas into pieces of ordinary size."""
    start = 0
    while (comma := text.find(b",", start + _PIECE)) >= 0:
        yield text[start:comma]
        start = comma + 1
    yield text[start:]
