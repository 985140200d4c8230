"""Which picture of its task each drawing lies on.

The labeling configuration says it, where it is given. Without it, a drawing names its picture if its tag is
called like a key of the task's data; or if the task has one picture only, or one list of pictures and the
drawing an index. Whatever remains is left out with the reason: a mask on the wrong picture teaches wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ritm_model.errors import shown
from ritm_model.images.names import IMAGE_SUFFIXES
from ritm_ops.label_studio.images import ImageTag, NoImageError, elements, image_tags, parse_xml, reference_of
from ritm_ops.label_studio.results import Drawing

CURE = "give the project's labeling configuration (--labeling-config)"
_PLACES = ("s3://", "gs://", "azure-blob://", "/data/", "data:image/")
_PAGE = re.compile(r".*?([0-9]{1,6})")  # the index of a Repeater is usually at the end

Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Tags:
    """What a labeling configuration says of pictures: its tags, and which of them each control works on."""

    images: tuple[ImageTag, ...]
    targets: Mapping[str, str]

    @classmethod
    def read(cls, xml: str) -> Tags:
        """Raises ConfigXmlError."""
        root = parse_xml(xml)
        targets = {
            attributes["name"]: attributes["toname"]
            for _, attributes, _, _ in elements(root)
            if "name" in attributes and "toname" in attributes
        }
        return cls(image_tags(root), targets)


def assigned(
    drawings: Sequence[Drawing], data: object, tags: Tags | None
) -> tuple[dict[str, list[Drawing]], list[tuple[str, str]]]:
    """The drawings of an annotation by the references of their pictures, and ids and reasons of the others.

    Args:
        drawings: of one annotation.
        data: of its task.
        tags: of the labeling configuration, or None.
    """
    found: dict[str, list[Drawing]] = {}
    others: list[tuple[str, str]] = []
    names = {drawing.to_name for drawing in drawings}
    for drawing in drawings:
        try:
            reference = _by_config(drawing, data, tags) if tags else _by_data(drawing, data, names)
        except NoImageError as error:  # noqa: PERF203  (one drawing is one drawing)
            others.append((drawing.id, str(error)))
        else:
            found.setdefault(reference, []).append(drawing)
    return found, others


def pictures_of(data: object) -> dict[str, str | list[str]]:
    """What looks like a picture in a task's data, by its key: one reference, or a list of them."""
    if not isinstance(data, dict):
        return {}
    certain = {str(key): found for key, value in data.items() if (found := _pictures(value, _is_picture))}
    if certain:
        return certain
    return {str(key): found for key, value in data.items() if (found := _pictures(value, _is_address))}


def _by_config(drawing: Drawing, data: object, tags: Tags) -> str:
    to_name = drawing.to_name or tags.targets.get(drawing.from_name, "")
    if not to_name and len(tags.images) == 1:
        to_name = tags.images[0].name
    named = [name.strip() for name in to_name.split(",")]
    references = {reference_of(tags.images, name, drawing.item_index or 0, data) for name in named}
    if len(references) > 1:
        raise NoImageError(
            f"Its tool works on several pictures, {shown(to_name)}, and it does not say which."
        )
    return references.pop()


def _by_data(drawing: Drawing, data: object, names: set[str]) -> str:
    name, index = drawing.to_name, drawing.item_index
    if isinstance(data, dict) and name in data:
        fits = _is_picture if isinstance(data[name], dict) else _is_text
        return _one_of(_pictures(data[name], fits) or _pictures(data[name], _is_address), index, name)
    candidates = pictures_of(data)
    lists = [value for value in candidates.values() if isinstance(value, list)]
    page = _PAGE.fullmatch(name)
    if len(candidates) == len(lists) == 1 and index is None and page and len(lists[0]) > 1:
        return _one_of(lists[0], int(page[1]), name)
    if len(candidates) == 1 and (lists or len(names) == 1):
        return _one_of(next(iter(candidates.values())), index, name)
    if not candidates:
        for key in ("image", "img"):
            if isinstance(data, dict) and isinstance(data.get(key), str) and data[key]:
                return str(data[key])
        raise NoImageError("Its task does not say where its image is.")
    which = ", ".join(sorted(shown(key) for key in candidates))
    raise NoImageError(f"Which picture of {which} the tag {shown(name)!r} shows is not said; {CURE}.")


def _one_of(value: str | list[str] | None, index: int | None, name: str) -> str:
    if isinstance(value, list):
        if index is None and len(value) > 1:
            raise NoImageError(f"It does not say which picture of {shown(name)!r} it is on; {CURE}.")
        index = index or 0
        if 0 <= index < len(value) and value[index]:
            return value[index]
        raise NoImageError(f"Its task has no picture {index} of {shown(name)!r}.")
    if value is None or index:
        raise NoImageError(f"Its task has no such picture of {shown(name)!r}.")
    return value


def _pictures(value: object, fits: Fits) -> str | list[str] | None:
    if isinstance(value, str):
        return value if fits(value) else None
    if isinstance(value, dict):  # a picture with what is known of it
        return next(_texts(value, fits), None)
    if not isinstance(value, list) or not value:
        return None
    # An element may be a record with one address, as a Repeater shows it.
    found = [next(_texts(item, fits), "") for item in value]
    return found if any(found) else None


def _texts(item: object, fits: Fits) -> Iterator[str]:
    for text in item.values() if isinstance(item, dict) else (item,):
        if isinstance(text, str) and fits(text):
            yield text


def _is_text(text: str) -> bool:
    return bool(text)


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _is_picture(text: str) -> bool:
    if text.startswith(_PLACES):
        return True
    path = text.split("?", 1)[0].split("#", 1)[0]
    # The name of a file may hold ? and #, too.
    return any(
        PurePosixPath(each.replace("\\", "/")).suffix.lower() in IMAGE_SUFFIXES for each in (path, text)
    )
