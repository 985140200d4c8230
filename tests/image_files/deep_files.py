"""Writes the 16-bit PNG and TIFF files of colour that Pillow cannot write."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.uint16]

_PNG_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_SHORT, _LONG = 3, 4


def png(values_HWC: Values, chunks: bytes = b"") -> bytes:
    """Grey, grey with alpha, RGB or RGBA, with further chunks in front of the pixels."""
    height, width, channels = values_HWC.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values_HWC)
    header = struct.pack(">IIBBBBB", width, height, 16, _PNG_COLOUR_TYPES[channels], 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def tiff(
    values_HWC: Values,
    *,
    order: str = "<",
    packed: bool = False,
    tile: int | None = None,
    alpha: int | None = None,
    orientation: int = 1,
    planar: bool = False,
) -> bytes:
    """RGB or RGBA, of either byte order, deflated or not, in one strip or in square tiles.

    Alpha is 0 unspecified, 1 premultiplied or 2 straight.
    """
    height, width, channels = values_HWC.shape
    blocks = _tiles(values_HWC, tile) if tile else [values_HWC.transpose(2, 0, 1) if planar else values_HWC]
    bodies = [block.astype(f"{order}u2").tobytes() for block in blocks]
    if packed:
        bodies = [zlib.compress(body) for body in bodies]
    places = [8 + sum(map(len, bodies[:index])) for index in range(len(bodies))]
    sizes = [len(body) for body in bodies]
    if planar:
        sizes = [sizes[0] // channels] * channels
        places = [8 + index * sizes[0] for index in range(channels)]
    tags = {
        256: (_SHORT, [width]),
        257: (_SHORT, [height]),
        258: (_SHORT, [16] * channels),
        259: (_SHORT, [8 if packed else 1]),
        262: (_SHORT, [2]),
        274: (_SHORT, [orientation]),
        277: (_SHORT, [channels]),
        284: (_SHORT, [2 if planar else 1]),
    }
    if tile:
        tags |= {322: (_SHORT, [tile]), 323: (_SHORT, [tile]), 324: (_LONG, places), 325: (_LONG, sizes)}
    else:
        tags |= {273: (_LONG, places), 278: (_SHORT, [height]), 279: (_LONG, sizes)}
    if alpha is not None:
        tags[338] = (_SHORT, [alpha])
    return _with_directory(b"".join(bodies), tags, order)


def _tiles(values_HWC: Values, side: int) -> list[Values]:
    height, width = values_HWC.shape[:2]
    padding = ((0, -height % side), (0, -width % side), (0, 0))
    padded_HWC = np.pad(values_HWC, padding)
    return [
        padded_HWC[top : top + side, left : left + side]
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


def _with_directory(pixels: bytes, tags: dict[int, tuple[int, list[int]]], order: str) -> bytes:
    magic = b"II*\0" if order == "<" else b"MM\0*"
    directory_at = 8 + len(pixels)
    far_at = directory_at + 2 + 12 * len(tags) + 4
    entries, far = b"", b""
    for number, (kind, numbers) in sorted(tags.items()):
        body = struct.pack(order + {_SHORT: "H", _LONG: "I"}[kind] * len(numbers), *numbers)
        if len(body) > 4:
            body, far = struct.pack(order + "I", far_at + len(far)), far + body
        entries += struct.pack(order + "HHI", number, kind, len(numbers)) + body.ljust(4, b"\0")
    start = magic + struct.pack(order + "I", directory_at) + pixels
    return start + struct.pack(order + "H", len(tags)) + entries + bytes(4) + far
