"""The JSON of a request, read without the masks in it.

Each click brings every mask of the task along, of all annotators, as lists of byte values: ten megabytes are
usual. Python's reader would make an object of each value and let no other thread run meanwhile, and yet one
mask at most is looked at. So their text is cut out first, and read when somebody asks for it.

What is left is read at once, while no other thread runs, and takes up to thirty times its bytes. So it may
hold no more values than the largest tasks do, and how much memory they take is known before.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from ritm_backend.label_studio.errors import RequestError

MOST_VALUES = 2_000_000
"""Beside masks: some 600,000 corners of polygons, which take half a second and 180 MB to read."""

_BYTES_OF_A_VALUE = 90

# Inside of a JSON text the quotes around rle are escaped: what matches is always a key. All of it, if no
# backslash stands before it; to look for that in here would make the search thirty times as long.
_MASK = re.compile(rb'"rle"\s*:\s*\[')
_PIECE = 1 << 16  # bytes read at once, while other threads wait
_OF_WHOLE_NUMBERS = b"-0123456789, \t\r\n"


@dataclass(frozen=True, slots=True)
class UnreadRle:
    """The text of a list of byte values. `bytes()` reads it, and raises ValueError if it is none."""

    text: bytes

    def __bytes__(self) -> bytes:
        return b"".join(bytes(json.loads(b"[" + piece + b"]")) for piece in _pieces(self.text))


@dataclass(frozen=True, slots=True)
class UnreadBody:
    """A body whose masks are cut out.

    Attributes:
        text: of the rest.
        masks: that were in it.
        mark: begins what stands in the place of each.
    """

    text: bytes
    masks: tuple[UnreadRle, ...]
    mark: str

    @property
    def values(self) -> int:
        """How many values there are about, beside masks."""
        return sum(self.text.count(each) for each in b",[{")

    @property
    def memory(self) -> int:
        """Bytes that these values take about, once they are read."""
        return self.values * _BYTES_OF_A_VALUE

    def read(self) -> object:
        """The body as `json.loads` reads it, with an `UnreadRle` in the place of each mask.

        Raises:
            RequestError: it holds more than `MOST_VALUES`.
            ValueError, RecursionError: it is not JSON.
        """
        if self.values > MOST_VALUES:
            raise RequestError(f"The request holds more than {MOST_VALUES:,} values beside masks.")

        def put_back(value: dict[str, object]) -> dict[str, object]:
            match value.get("rle"):
                case [str(text)] if self.masks and text.startswith(self.mark):
                    value["rle"] = self.masks[int(text.removeprefix(self.mark))]
            return value

        # Other threads can run whenever this is called.
        return json.loads(self.text, object_hook=put_back)


def cut_masks(body: bytes, *, with_masks: bool = True) -> UnreadBody:
    """Cut out each list of numbers that is named `rle`.

    Args:
        body: as it came.
        with_masks: keep the text of these lists; without, they are empty.
    """
    mark = secrets.token_hex(8)  # nobody who writes a body can know what stands for a mask
    if not json.detect_encoding(body).startswith("utf-8"):
        # Two bytes or four make a character there, and none is what it looks like.
        return UnreadBody(body, (), mark)
    kept: list[bytes] = []
    masks: list[UnreadRle] = []
    done = 0
    for found in _MASK.finditer(body):
        start = found.end()
        if body[max(found.start() - 1, 0) : found.start()] == b"\\":
            continue
        quote = body.find(b'"', start)  # looking no further keeps the work in proportion to the body
        end = body.find(b"]", start, None if quote < 0 else quote)
        if end >= 0 and not body[start:end].translate(None, _OF_WHOLE_NUMBERS):
            kept += [body[done:start], f'"{mark}{len(masks)}"'.encode()]
            masks.append(UnreadRle(body[start:end] if with_masks else b""))
            done = end
    return UnreadBody(b"".join([*kept, body[done:]]), tuple(masks), mark)


def read_body(body: bytes, *, with_masks: bool = True) -> object:
    """Read JSON as `json.loads` does, with masks unread: `cut_masks`, then `UnreadBody.read`."""
    return cut_masks(body, with_masks=with_masks).read()


def _pieces(text: bytes) -> Iterator[bytes]:
    """The text cut at commas into pieces of ordinary size."""
    start = 0
    while (comma := text.find(b",", start + _PIECE)) >= 0:
        yield text[start:comma]
        start = comma + 1
    yield text[start:]
