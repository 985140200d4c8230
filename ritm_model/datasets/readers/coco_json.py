"""The JSON files of COCO and its relatives, read record by record: a bad one costs only itself.

Memory holds what is asked of all records; polygons and runs stay in the file until they are wanted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ritm_model.datasets.json_stream import Span, members, outline, read_span
from ritm_model.datasets.photograph import Kind
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.mistaken import other_tool

Record = Mapping[str, Any]
Id = int | str

_OF_IMAGES = (
    *("id", "file_name", "coco_url", "height", "width"),
    *("license", "license_class", "split", "source"),
)
_SHOWN = 5
_OF_OTHERS = ("id", "name", "url", "isthing")


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation without its mask, which is read from its place in the file.

    Attributes:
        id: as it is shown, unique on its image.
        key: the id as it is, None where it is none.
        owner: id of its image.
        category: id of its category.
        kind: of region; "background" for a hole that CVAT cuts into what comes before it.
        is_cvat: whether CVAT has written it.
        area: in pixels, None where the file does not say.
        parent: id of the annotation it is part of, or None.
        span: where it stands.
    """

    id: str
    key: Id | None
    owner: Id | None
    category: Id | None
    kind: Kind | Literal["background"]
    is_cvat: bool
    area: float | None
    parent: Id | None
    span: Span = field(repr=False)

    @classmethod
    def of(cls, record: Record, place: int, span: Span) -> Annotation:
        """What is kept of a record, which stands at a place in the list."""
        area, key = record.get("area"), id_of(record.get("id"))
        return cls(
            f"#{place}" if key is None else shown(key),
            key,
            id_of(record.get("image_id")),
            id_of(record.get("category_id")),
            kind_of(record),
            is_of_cvat(record),
            area if isinstance(area, int | float) else None,
            id_of(record.get("parent")),
            span,
        )

    def segmentation(self, path: Path) -> object:
        """Read its mask as the file has it.

        Raises:
            BrokenFileError: the file is gone, or another one by now.
        """
        record = read_span(path, self.span)
        if not isinstance(record, dict) or id_of(record.get("id")) != self.key:
            raise BrokenFileError(path, "The file was changed after it was opened; begin again.")
        return record.get("segmentation")


@dataclass(frozen=True, slots=True)
class CocoJson:
    """A file with lists of records.

    Attributes:
        path: of the file.
        lists: what is kept of the records, list by list; None stands for what is no record.
    """

    path: Path
    lists: Mapping[str, list[Record | None]] = field(repr=False)
    _annotations: list[Annotation | None] = field(repr=False)

    def records(self, key: str, problems: list[Problem]) -> Iterator[Record]:
        """The records of a list other than `annotations`; those that are none become problems.

        Raises:
            BrokenFileError: there is no such list.
        """
        if key not in self.lists:
            raise BrokenFileError(self.path, f"The file has no list '{key}'.")
        for place, record in enumerate(self.lists[key]):
            if record is None:
                problems.append(self.problem(f"Entry {place} of '{key}' is no record."))
            else:
                yield record

    def by_id(self, key: str, problems: list[Problem]) -> dict[Id, Record]:
        """The records of a list by their `id`; those without one, or with a used one, become problems.

        An id of several images is of none: its annotations may be of either.
        """
        found: dict[Id, Record] = {}
        unclear: dict[Id, Record] = {}
        for record in self.records(key, problems):
            number = id_of(record.get("id"))
            if number is None:
                problems.append(self.problem(f"An entry of '{key}' has no id."))
            elif number in found and key == "images" and _name_of(found[number]) != _name_of(record):
                unclear.setdefault(number, record)
            elif number in found:
                problems.append(self.problem(f"Id {shown(number)} of '{key}' is there twice."))
            else:
                found[number] = record
        for number, other in unclear.items():
            names = f"'{shown(_name_of(found.pop(number)))}' and '{shown(_name_of(other))}'"
            reason = (
                f"Id {shown(number)} of '{key}' stands for {names}, so its annotations may be of either: "
                "give each image an id of its own."
            )
            problems.append(self.problem(reason))
        return found

    def categories(self, problems: list[Problem]) -> dict[Id, str]:
        """Names of the categories; those that only annotations name are called by their ids, and counted."""
        records = self.by_id("categories", problems) if "categories" in self.lists else {}
        listed = {number: shown(record.get("name") or number) for number, record in records.items()}
        counts = Counter(each.category for each in self._annotations if each and each.category is not None)
        unlisted = {number: shown(number) for number in counts if number not in listed}
        if listed and unlisted:
            told = ", ".join(f"{name} ({counts[number]})" for number, name in [*unlisted.items()][:_SHOWN])
            more = f" and {len(unlisted) - _SHOWN} more" if len(unlisted) > _SHOWN else ""
            reason = f"Categories that the file does not list, called by their ids: {told}{more}."
            problems.append(self.problem(reason, by_rule=True))
        return listed | unlisted

    def annotations_of(
        self, images: Mapping[Id, Record], problems: list[Problem]
    ) -> dict[Id, list[Annotation]]:
        """The annotations of each image, in the order of the file; stray ones become problems."""
        if "annotations" not in self.lists:
            raise BrokenFileError(self.path, "The file has no list 'annotations'.")
        found: dict[Id, list[Annotation]] = {number: [] for number in images}
        listed = {id_of(record.get("id")) for record in self.lists.get("images", []) if record is not None}
        for place, annotation in enumerate(self._annotations):
            if annotation is None:
                problems.append(self.problem(f"Entry {place} of 'annotations' is no record."))
                continue
            of_image = None if annotation.owner is None else found.get(annotation.owner)
            if of_image is not None:
                of_image.append(annotation)
            elif annotation.owner is None or annotation.owner not in listed:
                problems.append(self.problem(f"Annotation {annotation.id} belongs to no image of the file."))
        return {number: _told_apart(of_image) for number, of_image in found.items()}

    def streamed(self, key: str, problems: list[Problem]) -> Iterator[Record]:
        """The records of a list as a whole, read again from the file.

        Raises:
            BrokenFileError: there is no such list.
        """
        if key not in self.lists:
            raise BrokenFileError(self.path, f"The file has no list '{key}'.")
        place = -1
        for member in members(self.path):
            if member.key == key and member.span is not None:
                place += 1
                if isinstance(member.value, dict):
                    yield member.value
                else:
                    problems.append(self.problem(f"Entry {place} of '{key}' is no record."))

    def problem(self, reason: str, *, by_rule: bool = False) -> Problem:
        return Problem(str(self.path), reason, by_rule)


def _name_of(record: Record) -> object:
    return record.get("file_name") or record.get("coco_url")


def id_of(value: object) -> Id | None:
    """An id: a number, which some tools write as 7.0 or "7", or a text; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and str(int(value[:20])) == value:
        return int(value)
    return value if isinstance(value, int | str) else None


def kind_of(record: Record) -> Kind:
    """The kind of region that an annotation is."""
    if _is_set(record.get("ignore")):
        return "ignored"
    if _is_set(record.get("iscrowd")) and not is_of_cvat(record):  # which flags every mask as a crowd
        return "crowd"
    return "stuff" if _is_set(record.get("stuff")) else "object"


def _is_set(flag: object) -> bool:
    """Whether a flag is set, which some tools write as text."""
    return flag not in ("0", "0.0", "false", "False", "") and bool(flag)


def is_of_cvat(record: Record) -> bool:
    """Whether CVAT has written an annotation: nobody else writes `occluded`."""
    attributes = record.get("attributes")
    return isinstance(attributes, dict) and "occluded" in attributes


def _told_apart(annotations: list[Annotation]) -> list[Annotation]:
    """With other ids to show where there are several of one, as after files were joined."""
    if len({each.id for each in annotations}) == len(annotations):
        return annotations
    seen: Counter[str] = Counter()
    told: list[Annotation] = []
    for each in annotations:
        seen[each.id] += 1
        count = seen[each.id]
        told.append(each if count == 1 else replace(each, id=f"{each.id}-{count}"))
    return told


def read_coco(path: Path) -> CocoJson:
    """Read such a file.

    Raises:
        BrokenFileError: missing, or no JSON object.
    """
    lists: dict[str, list[Record | None]] = {}
    annotations: list[Annotation | None] = []
    for key, value, span in members(path):
        if span is None:  # the first sight of a list; a second one of its name replaces it
            lists.pop(key, None)
            if key == "annotations":
                annotations = []
            if isinstance(value, list):
                lists[key] = []
        elif key == "annotations":
            annotations.append(
                Annotation.of(value, len(annotations), span) if isinstance(value, dict) else None
            )
        elif key in ("images", "categories", "licenses"):
            kept = _OF_IMAGES if key == "images" else _OF_OTHERS
            lists[key].append(
                {name: value[name] for name in kept if name in value} if isinstance(value, dict) else None
            )
    if lists.keys().isdisjoint(("images", "annotations")) and (what := other_tool(outline(path) or {})):
        raise BrokenFileError(path, f"The file {what}.")
    return CocoJson(path, lists, annotations)
