"""Files that are something else than their names say: what they are, and what to do.

Each answer is the end of a sentence that begins with the file.
"""

from __future__ import annotations

from collections.abc import Mapping

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
_PHONE_PHOTOGRAPHS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"avif")


def mistaken(data: bytes) -> str:
    """What a file is, by its first bytes, that nobody means to give here; nothing where they do not tell."""
    head = data[:200].lstrip().lower()
    for beginnings, what in _BEGINNINGS:
        if head.startswith(beginnings):
            return what
    if data[257:262] == _TAR:
        return "is a packed archive: unpack it first"
    if data[4:8] == b"ftyp" and data[8:12] in _PHONE_PHOTOGRAPHS:
        return "is a HEIC or AVIF photograph: save it as JPEG or PNG first"
    return ""


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
