"""Files that are something else than their names say: what they are, and what to do.

Each answer is the end of a sentence that begins with the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

_BEGINNINGS: tuple[tuple[tuple[bytes, ...], str], ...] = (
    (
        (b"version https://git-lfs.github.com/spec/",),
        "is a Git LFS pointer, not the file itself: run `git lfs pull` in its folder, or download the file "
        "from the page of its repository",
    ),
    (
        (b"<!doctype html", b"<html"),
        "is a web page, not the file itself: the address led to a page, such as one that asks for a login; "
        "download it again with the link of the file",
    ),
    ((b"<error",), "is the answer of a server, not the file itself: download it again"),
    ((b"\x1f\x8b", b"bzh", b"\xfd7zxz", b"7z\xbc\xaf", b"rar!"), "is a packed archive: unpack it first"),
)
_TAR = b"ustar"
_ANNEX = b"annex/objects/"
_GET_ANNEX = "run `git annex get` in its folder"
_PHONE_PHOTOGRAPHS = (b"hei", b"hev", b"mif", b"msf", b"mia", b"avif", b"avis")
_OTHER_KINDS: tuple[tuple[int, tuple[bytes, ...], str], ...] = (
    (4, (b"ftypcrx", b"ftypCR"), "a raw photograph of a camera"),
    (0, (b"FUJIFILM", b"IIU\0", b"IIRO", b"IIRS", b"MMOR"), "a raw photograph of a camera"),
    (4, (b"ftyp", b"moov", b"mdat"), "a video"),
    (0, (b"\x1a\x45\xdf\xa3",), "a video"),
    (8, (b"AVI ",), "a video"),
    (0, (b"\xff\x0a", b"\0\0\0\x0cJXL "), "a JPEG XL image"),
    (0, (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"), "a JPEG 2000 image"),
    (0, (b"8BPS",), "a Photoshop document"),
    (0, (b"%PDF",), "a PDF document"),
    (0, (b"\x76\x2f\x31\x01", b"#?RADIANCE"), "an image of high dynamic range"),
    (0, (b"\x93NUMPY",), "an array of NumPy"),
    (128, (b"DICM",), "a DICOM image"),
)
"""Where in a file and by which bytes other kinds of pictures, and what is taken for them, are known."""


def mistaken(data: bytes) -> str:
    """What a file is, by its first bytes, that nobody means to give here; nothing where they do not tell."""
    head = data[:200].lstrip().lower()
    for beginnings, what in _BEGINNINGS:
        if head.startswith(beginnings):
            return what
    if head.startswith(b"<?xml") and b"<error" in head:
        return "is the answer of a server, not the file itself: download it again"
    if head.startswith(b"<!--") and b"<html" in data[:2000].lower():
        return mistaken(b"<html")
    if _ANNEX in head and head.isascii():
        return f"is a pointer of git-annex, not the file itself: {_GET_ANNEX}"
    if data[257:262] == _TAR:
        return "is a packed archive: unpack it first"
    if data[4:8] == b"ftyp" and data[8:12].startswith(_PHONE_PHOTOGRAPHS):
        return "is a HEIC or AVIF photograph: save it as JPEG or PNG first"
    return ""


def other_picture(data: bytes) -> str:
    """What a file is that is not read as a picture, by its first bytes; nothing where they do not tell."""
    for place, beginnings, what in _OTHER_KINDS:
        if data[place : place + 16].startswith(beginnings):
            return f"is {what}, which is not read: save it as JPEG or PNG first"
    if data.startswith(b"PK\x03\x04"):
        return "is a packed archive: unpack it first"
    if data.lstrip().startswith((b'{"', b'[{"')) and data[:200].isascii():
        return "is JSON, such as the answer of a server, and no image: download it again"
    return ""


def link_to_nothing(path: Path) -> str:
    """What a path is that is a link to a file that is not there; nothing for any other."""
    if not path.is_symlink() or path.exists():
        return ""
    cure = f": {_GET_ANNEX}" if _ANNEX.decode() in str(path.readlink()) else ""
    return f"is a link to a file that is not there{cure}"


_BY_LAYOUT = "`ritm dataset from-masks {what} OUT --layout {layout}` reads it"
_BY_COCO = "export it there in COCO's format, which `ritm dataset from-coco` reads"
_TOOLS: tuple[tuple[frozenset[str], str], ...] = (
    (
        frozenset({"shapes", "imagePath"}),
        f"is of LabelMe: {_BY_LAYOUT.format(what='FOLDER', layout='labelme')} with all others of its folder",
    ),
    (
        frozenset({"_via_img_metadata"}),
        f"is of VGG Image Annotator: {_BY_LAYOUT.format(what='FILE', layout='via')}",
    ),
    (frozenset({"view", "metadata", "attribute"}), f"is of VGG Image Annotator 3: {_BY_COCO}"),
    (frozenset({"objects", "size"}), f"is of Supervisely: {_BY_COCO}"),
    (frozenset({"data_row", "projects"}), f"is of Labelbox: {_BY_COCO}"),
    (frozenset({"Labeled Data", "Label"}), f"is of Labelbox: {_BY_COCO}"),
)


def other_tool(content: object) -> str:
    """Which tool has written an object of JSON, and what reads it; nothing where its keys do not tell."""
    if not isinstance(content, Mapping):
        return ""
    if any(isinstance(each, Mapping) and {"filename", "regions"} <= each.keys() for each in content.values()):
        return other_tool({"_via_img_metadata": {}})  # annotations that were exported
    return next((what for keys, what in _TOOLS if keys <= content.keys()), "")
