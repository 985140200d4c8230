"""The images of an XML file of CVAT, one by one: such files have gigabytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from ritm_model.datasets.problems import BrokenFileError

_PIECE, _HEAD = 1 << 16, 200
_DECLARED = re.compile(rb"<\?xml[^>]*encoding\s*=\s*[\"']([\w.-]+)")
_NO_XML = "The file is not XML, or was cut off; export it again."


class XmlImage(NamedTuple):
    """An element `image`, and how many bytes of the file come before it."""

    element: ElementTree.Element
    start: int


class CvatXml:
    """Such a file.

    Attributes:
        path: of the file.
        tracks: how many tracks of a video were seen so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tracks = 0
        self._depth = 0
        self._start = 0
        self._builder: ElementTree.TreeBuilder | None = None
        self._found: list[XmlImage] = []
        self._parser = expat.ParserCreate(_encoding_of(path))
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse

    def images(self, start: int = 0) -> Iterator[XmlImage]:
        """The images from a place in the file on.

        Raises:
            BrokenFileError: missing, or no XML; images may have come out before.
        """
        try:
            with self.path.open("rb") as file:
                file.seek(start)
                while data := file.read(_PIECE):
                    yield from self._read(data)
            if not start:
                self._parser.Parse(b"", True)
        except FileNotFoundError:
            raise BrokenFileError(self.path, "The file is missing.") from None
        except OSError as error:
            raise BrokenFileError(self.path, f"The file cannot be read: {error.strerror}.") from None
        except (expat.ExpatError, ValueError):  # ValueError: an encoding that is not known
            raise BrokenFileError(self.path, _NO_XML) from None

    def _read(self, data: bytes) -> Iterator[XmlImage]:
        try:
            self._parser.Parse(data)
        finally:  # what comes after an image may be damaged
            found, self._found = self._found, []
            yield from found

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if self._builder is None and tag == "image":
            self._builder, self._start = ElementTree.TreeBuilder(), self._parser.CurrentByteIndex
        elif self._builder is None:
            self.tracks += tag == "track"
        if self._builder is not None:
            self._builder.start(tag, attributes)
            self._depth += 1

    def _end(self, tag: str) -> None:
        if self._builder is None:
            return
        self._builder.end(tag)
        self._depth -= 1
        if not self._depth:
            self._found.append(XmlImage(self._builder.close(), self._start))
            self._builder = None

    def _refuse(self, *_: object) -> None:
        """Without a document type there are no entities to expand."""
        raise BrokenFileError(self.path, "A file with a document type is refused.")


def _encoding_of(path: Path) -> str:
    """The encoding that a file declares, where each letter is a byte; the parser sees others by itself."""
    try:
        with path.open("rb") as file:
            declared = _DECLARED.match(file.read(_HEAD))
        name = declared[1].decode().lower() if declared else ""
        return name if not name.startswith("utf") and len("x".encode(name)) == 1 else "utf-8"
    except (OSError, LookupError):
        return "utf-8"


def image_at(path: Path, start: int) -> ElementTree.Element:
    """Read an image again from its place in the file.

    Raises:
        BrokenFileError: the file is gone, or another one by now.
    """
    try:
        found = next(CvatXml(path).images(start), None)
    except BrokenFileError:
        found = None
    if found is None or found.start:
        raise BrokenFileError(path, "The file was changed after it was opened; begin again.")
    return found.element
