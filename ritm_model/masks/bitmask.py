"""Label Studio's bitmasks: a PNG as a `data:` URL, opaque where the object is.

The editor writes RGBA, black with an alpha of 0 or 255, and reads whatever a browser draws with an alpha. So
the writer here takes the smallest form of that: one bit a pixel, which chooses between transparent and opaque
black. Rows are not filtered, and compressed as runs only, which for masks is both quicker and smaller than
the general search (12 megapixels: 12 kB for a smooth mask). What lies above and below the object is not
compressed anew for each mask. Pictures without alpha, which other programs write, are bright where the object
is.
"""

from __future__ import annotations

import base64
import binascii
import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
from PIL import Image

from ritm_model.errors import RitmError

MOST_CHARACTERS = 100_000_000
_HEAD = "data:image/png;base64,"
_HALF = 128
_BITS, _INDEXED = 1, 3  # a pixel; the kind of picture whose pixels choose from a palette
_MEMORY = 6  # of zlib's levels: quicker for runs than more
_ZLIB_HEAD, _LAST_BLOCK = b"\x78\x01", b"\x03\x00"
_ADLER = 65521  # the modulus of zlib's checksum
_MANY = 1 << 16


class BitmaskError(RitmError):
    """A bitmask that cannot be read, or that does not fit its picture."""


def encode(mask_HW: npt.NDArray[np.bool_]) -> str:
    """Write a mask as a region's `imageDataURL`: H x W, True inside the object; at least one pixel."""
    height, width = mask_HW.shape
    return encode_part(mask_HW, (0, 0), (height, width))


def encode_part(part_hw: npt.NDArray[np.bool_], corner: tuple[int, int], frame: tuple[int, int]) -> str:
    """Write a mask of which only a part holds anything; the rest is transparent.

    Args:
        part_hw: True inside the object.
        corner: row and column of the part's first pixel in the mask.
        frame: (height, width) of the mask, in which the part lies wholly.
    """
    (top, left), (height, width) = corner, frame
    first = left // 8
    rows, columns = part_hw.shape
    shifted = np.zeros((rows, left - first * 8 + columns), np.bool_)
    shifted[:, left - first * 8 :] = part_hw
    packed = np.packbits(shifted, axis=1)
    filled = np.flatnonzero(packed.max(axis=1, initial=0))
    begin, end = (int(filled[0]), int(filled[-1]) + 1) if filled.size else (0, 0)
    packed, top = packed[begin:end], top + begin if filled.size else 0
    rows = len(packed)
    lines = np.zeros((rows, 1 + (width + 7) // 8), np.uint8)  # each begins with its filter: none
    lines[:, 1 + first : 1 + first + packed.shape[1]] = packed
    per_line = lines.shape[1]
    pixels = _compressed(top * per_line, lines.tobytes(), (height - top - rows) * per_line)
    png = b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, _BITS, _INDEXED, 0, 0, 0)),
            _chunk(b"PLTE", bytes(6)),
            _chunk(b"tRNS", b"\x00\xff"),
            _chunk(b"IDAT", pixels),
            _chunk(b"IEND", b""),
        ]
    )
    return _HEAD + base64.b64encode(png).decode()


def decode(url: str, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Read a mask from a region's `imageDataURL`.

    Args:
        url: may come from anybody.
        width: of the picture in pixels. With height it bounds the memory used.
        height: of the picture in pixels.

    Returns:
        bool array of height x width.

    Raises:
        BitmaskError: it is no such PNG, or has another size.
    """
    if not url.startswith(_HEAD) or len(url) > MOST_CHARACTERS:
        raise BitmaskError("The bitmask is not a PNG in a data: address.")
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(url[len(_HEAD) :], validate=True)), formats=["PNG"]
        ) as png:
            if png.size != (width, height):
                sides = f"{png.size[0]} x {png.size[1]} pixels, its picture {width} x {height}"
                raise BitmaskError(f"The bitmask has {sides}.")
            has_alpha = png.has_transparency_data
            picture_HW = np.asarray(png.convert("RGBA").getchannel("A") if has_alpha else png.convert("L"))
    except (binascii.Error, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise BitmaskError("The bitmask is no PNG, or is damaged.") from None
    return picture_HW >= _HALF


def _compressed(before: int, data: bytes, after: int) -> bytes:
    """zlib's format for some data between so many zeros before and after it."""
    checksum = zlib.adler32(data, before % _ADLER << 16 | 1)
    high = ((checksum >> 16) + after * (checksum & 0xFFFF)) % _ADLER
    total = struct.pack(">I", high << 16 | checksum & 0xFFFF)
    return _ZLIB_HEAD + _zeros(before) + _blocks(data) + _zeros(after) + _LAST_BLOCK + total


def _zeros(count: int) -> bytes:
    whole, rest = divmod(count, _MANY)
    return _MANY_ZEROS * whole + _blocks(bytes(rest))


def _blocks(data: bytes) -> bytes:
    """Deflate's blocks, ending with a byte, so that others may follow."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY, zlib.Z_RLE)
    return compressor.compress(data) + compressor.flush(zlib.Z_FULL_FLUSH)


_MANY_ZEROS = _blocks(bytes(_MANY))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
