"""How other programs name image files, and whether a file may be the one that is meant.

    path_of(r"C:\\photos\\images\\cat.JPG")              photos, images, cat.JPG
    path_of("/data/local-files/?d=photos%5Ccat.jpg")     photos, cat.jpg
    likeness("d7465737-cat.jpg", "cat.JPG")              an upload to Label Studio, and the file as it was

Nothing here looks at a disk.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"})

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_DRIVE = re.compile(r"[a-zA-Z]:(?=[/\\])")
_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")
_LOCAL_FILES = "/data/local-files/"
_LOCAL_NAME = re.compile(r"[?&]d=(.*)")
_OF_THE_WEB = ("http", "https", "file")
_SERVED = "/data/"
_OPENING = ("/resolve/", "/presign/")
_IS_OPENING = re.compile(r"/(?:[^?#]*/)?(?:tasks|projects)/\d+/(?:resolve|presign)/?\?")
"""Where Label Studio opens cloud storage: the address in it is in Base64."""
_OF_ADDRESSES = str.maketrans("-_ ", "+/+")
"""How addresses spell the letters of Base64."""

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamedPath:
    """The path that a reference names.

    Attributes:
        parts: folders and file name, without drive and root. It begins with `..` where it leads upwards.
        is_foreign: whether its first folders are those of another machine, of which nothing is known here.
    """

    parts: Parts
    is_foreign: bool

    @property
    def name(self) -> str:
        return self.parts[-1]


def named_paths(reference: str) -> list[NamedPath]:
    """The paths that a reference may name, the likeliest first; none where it names no file.

    Args:
        reference: a path of Windows or POSIX, relative or absolute; an address (http, https, s3, file …); or
            a path on Label Studio (`/data/upload/…`, `/data/local-files/?d=…`). It may be percent-encoded.
    """
    texts, is_foreign = _texts(reference.strip())
    return [path for text in dict.fromkeys(texts) for path in _spelled(text, is_foreign)]


def _texts(reference: str) -> tuple[tuple[str, ...], bool]:
    """The paths in a reference as they stand, the likeliest first, and whether they begin elsewhere."""
    if reference.startswith("data:") or "\0" in reference:
        return (), False
    scheme = _SCHEME.match(reference)
    if not (scheme or reference.startswith(_SERVED) or _IS_OPENING.match(reference)):
        return (reference,), False
    try:
        address = urlsplit(reference)
    except ValueError:
        return (), False
    path = f"{address.path.rstrip('/')}/"
    if path.endswith(_OPENING):
        return _texts(_opened(address.query))
    if path.endswith(_LOCAL_FILES):
        # By hand, and by old versions of Label Studio, names are written as they are, with & and +.
        as_it_stands = _LOCAL_NAME.search(reference)
        names = parse_qs(address.query).get("d", [""])
        return (names[0], as_it_stands[1] if as_it_stands else ""), False
    if scheme and address.scheme not in _OF_THE_WEB:  # ? and # are letters of keys like others
        return (reference[scheme.end() :].partition("/")[2], address.path), True
    return (address.path,), True


def _spelled(text: str, is_foreign: bool) -> Iterator[NamedPath]:
    """The path in a text, and with percent-encoding undone."""
    for spelling in dict.fromkeys((text, unquote(text))):
        parts = _parts(spelling)
        if parts and "\0" not in spelling:
            yield NamedPath(parts, is_foreign or _is_absolute(spelling))


def _opened(query: str) -> str:
    """The address in cloud storage that a query of Label Studio names; nothing if it is none."""
    packed = parse_qs(query).get("fileuri", [""])[0].translate(_OF_ADDRESSES)
    try:
        text = base64.b64decode(packed + "=" * (-len(packed) % 4)).decode()
    except ValueError:
        return ""
    return text if _SCHEME.match(text) and not text.startswith(("http:", "https:")) else ""


def base_name(reference: str) -> str:
    """The file name in a reference, safe to write and short; nothing where it has none."""
    texts, _ = _texts(reference.strip())
    paths = [path for text in texts[:1] for path in _spelled(text, is_foreign=False)]
    name = unicodedata.normalize("NFC", paths[-1].name) if paths else ""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)[-80:]


def likeness(wanted: str, found: str) -> int | None:
    """How well the name of a file fits the name that is wanted.

    Returns:
        0 the same name; 1 but for the case of the extension; 2 but for an extension that is not given; 3 but
        for the eight characters that Label Studio writes before the names of uploads; 4 but for what it
        changes in them besides; 5 but for upper and lower case; None another name.
    """
    wanted, found = unicodedata.normalize("NFC", wanted), unicodedata.normalize("NFC", found)
    if wanted == found:
        return 0
    if _lower_suffix(wanted) == _lower_suffix(found):
        return 1
    if not has_suffix(wanted) and has_suffix(found) and stem_of(found) == wanted:
        return 2
    # Of two uploads with different prefixes neither is the other.
    pairs = {(_without_prefix(wanted), found), (wanted, _without_prefix(found)), (wanted, found)}
    for rank, form in ((3, _lower_suffix), (4, _as_uploaded), (5, str.casefold)):
        if any(form(first) == form(second) for first, second in pairs):
            return rank
    return None


def loose_key(name: str) -> str:
    """The same for all names between which there is a likeness; so are some others."""
    name = _without_prefix(unicodedata.normalize("NFC", name))
    return _as_uploaded(stem_of(name) if has_suffix(name) else name).casefold()


def has_suffix(name: str) -> bool:
    """Whether a name ends as those of image files do."""
    return f".{name.rpartition('.')[2]}".lower() in IMAGE_SUFFIXES and "." in name[1:]


def stem_of(name: str) -> str:
    return name.rpartition(".")[0]


def _is_absolute(text: str) -> bool:
    return text.startswith(("/", "\\")) or _DRIVE.match(text) is not None


def _parts(text: str) -> Parts:
    parts: list[str] = []
    for part in _DRIVE.sub("", text, count=1).replace("\\", "/").split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    is_file = not text.endswith(("/", "\\")) and parts and parts[-1] != ".."
    return tuple(parts) if is_file else ()


def _lower_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}{dot}{suffix.lower()}" if dot else name


def _without_prefix(name: str) -> str:
    return _UPLOAD_PREFIX.sub("", name, count=1)


def _as_uploaded(name: str) -> str:
    """As Django, which Label Studio stands on, spells the names of uploads."""
    return re.sub(r"[^-\w.]", "", _lower_suffix(name).strip().replace(" ", "_"))
