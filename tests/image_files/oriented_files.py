"""Image files that name an orientation in every way there is, and how a browser shows each."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from deep_files import chunk
from PIL import Image

# Each quarter has its own colour, and edges that JPEG files keep.
PICTURE_HW3 = np.zeros((32, 64, 3), np.uint8)
PICTURE_HW3[:16, :32, 0] = 250
PICTURE_HW3[:16, 32:, 1] = 250
PICTURE_HW3[16:, :32, 2] = 250
PICTURE_HW3[16:, 32:] = 120

ORIENTATION, SHORT, LONG, SIGNED_SHORT = 0x0112, 3, 4, 8
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF>'
    b"</x:xmpmeta>"
)


@dataclass(frozen=True)
class Oriented:
    """A file with `PICTURE_HW3` stored in it, and the orientation that a browser takes from it."""

    name: str
    mime: str
    data: bytes
    shown: int


def exif(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    """EXIF data with these entries (tag, kind, count, number), every number a 16-bit one."""
    packed = b"".join(struct.pack(order + "HHIHH", *entry, 0) for entry in entries)
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "IH", 8, len(entries)) + packed + bytes(4)


def stored(kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PICTURE_HW3).save(buffer, kind, **options)
    return buffer.getvalue()


def oriented_files() -> list[Oriented]:
    turned = exif((ORIENTATION, SHORT, 1, 6))
    return [
        *(
            _jpeg(f"JPEG, orientation {number}", number if 1 <= number <= 8 else 1, _app1(_number(number)))
            for number in range(10)
        ),
        _jpeg("JPEG, big-endian", 6, _app1(exif((ORIENTATION, SHORT, 1, 6), order=">"))),
        _jpeg("JPEG, XMP only", 1, _xmp()),
        _jpeg("JPEG, XMP and EXIF", 6, _xmp() + _app1(turned)),
        _jpeg("JPEG, EXIF without orientation and XMP", 1, _app1(exif((0x010F, SHORT, 1, 1))) + _xmp()),
        _jpeg("JPEG, twice", 6, _app1(turned) + _app1(_number(8))),
        _jpeg("JPEG, second EXIF only", 1, _app1(exif()) + _app1(turned)),
        _jpeg("JPEG, after broken EXIF", 1, _app1(b"garbage!") + _app1(turned)),
        _jpeg("JPEG, wrong kind", 1, _app1(exif((ORIENTATION, LONG, 1, 6)))),
        _jpeg("JPEG, signed", 1, _app1(exif((ORIENTATION, SIGNED_SHORT, 1, 6)))),
        _jpeg("JPEG, two numbers", 1, _app1(exif((ORIENTATION, SHORT, 2, 6)))),
        _jpeg(
            "JPEG, valid after invalid",
            6,
            _app1(exif((ORIENTATION, SHORT, 1, 9), (ORIENTATION, SHORT, 1, 6))),
        ),
        _jpeg("JPEG, no end of directory", 6, _app1(turned[:-4])),
        _jpeg("JPEG, cut off in the entry", 1, _app1(turned[:-5])),
        _jpeg("JPEG, directory out of reach", 1, _app1(b"II*\0" + struct.pack("<I", 5000))),
        Oriented("PNG", "image/png", _png(chunk(b"eXIf", turned)), 6),
        Oriented("PNG, behind the pixels", "image/png", _png(b"", chunk(b"eXIf", turned)), 1),
        Oriented("PNG, with a prefix", "image/png", _png(chunk(b"eXIf", b"Exif\0\0" + turned)), 1),
        Oriented("PNG, XMP", "image/png", _png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)), 1),
        Oriented("PNG, text", "image/png", _png(_exif_as_text(turned)), 1),
        Oriented("WebP", "image/webp", stored("WEBP", lossless=True, exif=turned), 1),
        Oriented("WebP, prefix", "image/webp", stored("WEBP", lossless=True, exif=b"Exif\0\0" + turned), 1),
        Oriented("WebP, XMP", "image/webp", stored("WEBP", lossless=True, xmp=XMP), 1),
        Oriented("GIF, XMP", "image/gif", stored("GIF", xmp=XMP), 1),
    ]


def _number(orientation: int) -> bytes:
    return exif((ORIENTATION, SHORT, 1, orientation))


def _jpeg(name: str, shown: int, segments: bytes) -> Oriented:
    plain = stored("JPEG", quality=95, subsampling=0)
    return Oriented(name, "image/jpeg", plain[:2] + segments + plain[2:], shown)


def _app1(directory: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(directory) + 8) + b"Exif\0\0" + directory


def _xmp() -> bytes:
    body = b"http://ns.adobe.com/xap/1.0/\0" + XMP
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def _png(in_front: bytes, behind: bytes = b"") -> bytes:
    plain = stored("PNG")
    pixels, end = plain.index(b"IDAT") - 4, plain.index(b"IEND") - 4
    return plain[:pixels] + in_front + plain[pixels:end] + behind + plain[end:]


def _exif_as_text(directory: bytes) -> bytes:
    body = b"Exif\0\0" + directory
    text = b"\nexif\n%8d\n%s\n" % (len(body), body.hex().encode())
    return chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
