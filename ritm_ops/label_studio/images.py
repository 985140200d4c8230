"""Which picture of a task a region lies on, as the labeling configuration says it.

An `Image` tag names the task's data: `value="$image"` one picture, `valueList="$images"` several, told apart
by the region's `item_index`. In a `Repeater`, tags are written once for all elements of a list, with
`{{idx}}` in their names and values; a region then names `page_3`, which is the tag `page_{{idx}}` with 3.

Like the editor, this reads names of tags and attributes without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from xml.etree import ElementTree as ET

from ritm_model.errors import RitmError

MAX_CONFIG_CHARACTERS = 1_000_000
UPLOAD_KEY = "$undefined$"  # where Label Studio puts an upload made before the project had a configuration
INDEX_FLAG = "{{idx}}"

_VARIABLE = re.compile(r"\$([\w.\[\]]+)")


class ConfigXmlError(RitmError):
    """The labeling configuration cannot be read."""


class NoImageError(RitmError):
    """The task has no such picture, or the configuration does not name it."""


@dataclass(frozen=True, slots=True)
class Repeater:
    """A `Repeater`: `flag` stands for the index in the list that `values` names, as in `$pages`."""

    flag: str
    values: str


@dataclass(frozen=True, slots=True)
class ImageTag:
    """An `Image`; `value` names the task's data, as in `$image`, and holds several pictures if `is_list`.

    The flags of the `repeaters` around it, the outermost first, stand in `name` and `value` for indices.
    """

    name: str
    value: str
    is_list: bool
    repeaters: tuple[Repeater, ...] = ()

    @property
    def flags(self) -> tuple[str, ...]:
        return tuple(repeater.flag for repeater in self.repeaters)


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a task.

    Attributes:
        to_name: the `Image` that shows it; on a page of a Repeater, with its index.
        item_index: which of the tag's pictures, None where it has one.
        reference: as the task's data says it.
    """

    to_name: str
    item_index: int | None
    reference: str


def parse_xml(xml: str) -> ET.Element:
    """Read a labeling configuration, which comes from anybody who can reach the server.

    Raises:
        ConfigXmlError: not well-formed, too long, or with a document type, which could blow up memory.
    """
    if len(xml) > MAX_CONFIG_CHARACTERS:
        raise ConfigXmlError(
            f"The labeling configuration is longer than {MAX_CONFIG_CHARACTERS:,} characters."
        )
    if "<!DOCTYPE" in xml:  # without a document type there are no entities to expand
        raise ConfigXmlError("The labeling configuration must not have a document type.")
    try:
        return ET.fromstring(xml)  # noqa: S314  (see the line above)
    except (ET.ParseError, ValueError):
        raise ConfigXmlError(
            "The labeling configuration is not well-formed XML; Label Studio has it on the page Labeling "
            "interface, Code of the project."
        ) from None


def elements(root: ET.Element) -> Iterator[tuple[str, Mapping[str, str], ET.Element, tuple[Repeater, ...]]]:
    """Every element in order: its tag and attributes in lower case, itself, and the Repeaters around it."""
    stack: list[tuple[ET.Element, tuple[Repeater, ...]]] = [(root, ())]
    while stack:
        element, repeaters = stack.pop()
        tag = str(element.tag).lower()
        attributes = {name.lower(): value for name, value in element.attrib.items()}
        yield tag, attributes, element, repeaters
        if tag == "repeater":
            own = Repeater(attributes.get("indexflag") or INDEX_FLAG, attributes.get("on", ""))
            repeaters = (*repeaters, own)
        stack += [(child, repeaters) for child in reversed(element)]


def image_tags(root: ET.Element) -> tuple[ImageTag, ...]:
    """The pictures that a configuration shows."""
    return tuple(
        image_tag(attributes, repeaters)
        for tag, attributes, _, repeaters in elements(root)
        if tag == "image" and "name" in attributes
    )


def image_tag(attributes: Mapping[str, str], repeaters: tuple[Repeater, ...]) -> ImageTag:
    several = attributes.get("valuelist")
    return ImageTag(attributes["name"], several or attributes.get("value", ""), bool(several), repeaters)


def indices_in(written: str, name: str, flags: tuple[str, ...]) -> dict[str, str] | None:
    """What the flags of a written name stand for in a name that was made of it; None if it was not."""
    if not flags or written == name:
        return {} if written == name else None
    found = _pattern(written, flags).fullmatch(name)
    if found is None:
        return None
    return {flag: value for place, flag in enumerate(flags) if (value := found.groupdict().get(f"f{place}"))}


def with_indices(written: str, indices: Mapping[str, str]) -> str:
    """A written name or value with indices in the place of their flags."""
    for flag, index in indices.items():
        written = written.replace(flag, index)
    return written


def reference_of(tags: Sequence[ImageTag], to_name: str, item_index: int, data: object) -> str:
    """Where the picture of a region is, as the task's data says it.

    Args:
        tags: of the configuration.
        to_name: the tag that the region names.
        item_index: which of its pictures, where it has several.
        data: of the task.

    Raises:
        NoImageError: no such tag, or the data has no picture there.
    """
    for tag in tags:
        indices = indices_in(tag.name, to_name, tag.flags)
        if indices is not None:
            break
    else:
        raise NoImageError(f"The labeling configuration has no Image called {to_name[:80]!r}.")
    value = with_indices(tag.value, indices)
    found = _resolve(value, data)
    if isinstance(found, list):
        found = found[item_index] if 0 <= item_index < len(found) else None
    elif item_index and tag.is_list:
        found = None
    if not isinstance(found, str) or not found:
        raise NoImageError(f"The task's data holds no image under {value[:80]!r}.")
    return found


def pictures_of(tag: ImageTag, data: object) -> Iterator[Picture]:
    """What a tag shows of a task with this data, in the order of the pages of Repeaters, and of lists."""
    for page in _pages(tag, data):
        for index in count() if tag.is_list else (0,):
            try:
                reference = reference_of([page], page.name, index, data)
            except NoImageError:
                break
            yield Picture(page.name, index if tag.is_list else None, reference)


def _pages(tag: ImageTag, data: object) -> Iterator[ImageTag]:
    """The tag as often as the Repeaters around it repeat it, with indices in the place of their flags."""
    if not tag.repeaters:
        yield tag
        return
    outer, *inner = tag.repeaters
    values = _resolve(outer.values, data)
    for index in range(len(values) if isinstance(values, list) else 0):
        indices = {outer.flag: str(index)}
        page = ImageTag(
            with_indices(tag.name, indices),
            with_indices(tag.value, indices),
            tag.is_list,
            tuple(replace(each, values=with_indices(each.values, indices)) for each in inner),
        )
        yield from _pages(page, data)


@lru_cache(maxsize=256)
def _pattern(written: str, flags: tuple[str, ...]) -> re.Pattern[str]:
    text = re.escape(written)
    for place, flag in enumerate(flags):
        first, rest = rf"(?P<f{place}>\\d+)", rf"(?P=f{place})"
        text = re.sub(re.escape(re.escape(flag)), first, text, count=1)
        text = text.replace(re.escape(flag), rest)
    return re.compile(text)


def _resolve(value: str, data: object) -> object:
    """`$image` gives the data as it is; variables inside a longer text are filled in."""
    whole = _VARIABLE.fullmatch(value)
    if whole:
        found = _look_up(whole[1], data)
        return _look_up(UPLOAD_KEY, data) if found is None else found
    if not _VARIABLE.search(value):
        return value
    parts = {m[0]: _look_up(m[1], data) for m in _VARIABLE.finditer(value)}
    if not all(isinstance(part, str | int) for part in parts.values()):
        return None
    return _VARIABLE.sub(lambda m: str(parts[m[0]]), value)


def _look_up(path: str, data: object) -> object:
    """Follow a path such as `images[0].url`; a key that is written like a path comes first."""
    if isinstance(data, dict) and path in data:
        return data[path]
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step in map(str, range(len(data))):
            data = data[int(step)]
        else:
            return None
    return data
