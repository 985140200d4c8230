"""JPEG files that lack their end marker and nothing else, as some cameras and uploads leave them.

Decoders invent what is missing at the end of a JPEG. Here a file counts as whole if every scan is there and
its pixels are the same whatever stands behind its last byte: then nothing of the picture is missing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

START_OF_SCAN, END_OF_JPEG = b"\xff\xda", b"\xff\xd9"
_START_OF_JPEG = b"\xff\xd8"
_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])")  # in pixels, 00 and D0 to D7 behind FF are no marker
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SCAN = 0xDA
_COEFFICIENTS = frozenset(range(64))
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_BITS = bytes((165, 73, 37, 146, 91, 182, 210, 44)) * 8
_OTHER_BITS = bytes(byte ^ 255 for byte in _BITS)


def has_end(data: bytes) -> bool:
    """Whether the last picture of a JPEG file ends."""
    return data.rfind(END_OF_JPEG) > data.rfind(START_OF_SCAN)


def with_end(data: bytes, digest: Callable[[bytes], bytes]) -> bytes | None:
    """The file with the end marker that it lacks; None if more is missing.

    Args:
        data: a JPEG file without an end.
        digest: decodes a file; the same for the same pixels. It is called up to two times.

    Raises:
        Exception: the file is damaged in another way.
    """
    data = data[:-1] if data.endswith(b"\xff") else data  # the first half of the marker
    if not _has_all_scans(data):
        return None
    # Two continuations without a bit in common, so that whatever is missing becomes two different things.
    is_whole = digest(_continued(data, _BITS)) == digest(_continued(data, _OTHER_BITS))
    return data + END_OF_JPEG if is_whole else None


def _continued(data: bytes, bits: bytes) -> bytes:
    """With more pixels, and again behind the restart marker that a decoder may wait for."""
    restarts: list[bytes] = _RESTART.findall(data, data.rfind(START_OF_SCAN))
    number = restarts[-1][1] + 1 if restarts else 0
    return data + bits + bytes((0xFF, 0xD0 + number % 8)) + bits + END_OF_JPEG


def _has_all_scans(data: bytes) -> bool:
    """Whether the scans give each coefficient of each component down to its last bit."""
    missing: dict[int, set[int]] = {}
    place = len(_START_OF_JPEG)
    while found := _MARKER.search(data, place):
        (length,) = struct.unpack_from(">H", data, found.end())
        segment = data[found.end() + 2 : found.end() + length]
        if found[1][0] in _FRAMES:
            missing = {segment[6 + 3 * each]: set(_COEFFICIENTS) for each in range(segment[5])}
        elif found[1][0] == _SCAN:
            first, last, bits = segment[-3:]
            if bits & 15 == 0:
                for each in range(segment[0]):
                    missing[segment[1 + 2 * each]] -= set(range(first, last + 1))
        place = found.end() + length
    return bool(missing) and not any(missing.values())
