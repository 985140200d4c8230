"""Reading the JSON files of COCO and its relatives record by record, so that a bad one costs only itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ritm_model.datasets.files import read_json
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CocoJson:
    """A file with lists of records.

    Attributes:
        path: of the file.
        content: its top level.
    """

    path: Path
    content: Record

    def records(self, key: str, problems: list[Problem]) -> Iterator[Record]:
        """The records of a list; those that are none become problems.

        Raises:
            BrokenFileError: there is no such list.
        """
        records = self.content.get(key)
        if not isinstance(records, list):
            raise BrokenFileError(self.path, f"The file has no list '{key}'.")
        for place, record in enumerate(records):
            if isinstance(record, dict):
                yield record
            else:
                problems.append(self.problem(f"Entry {place} of '{key}' is no record."))

    def by_id(self, key: str, problems: list[Problem]) -> dict[int | str, Record]:
        """The records of a list by their `id`; those without one, or with a used one, become problems."""
        found: dict[int | str, Record] = {}
        for record in self.records(key, problems):
            number = id_of(record.get("id"))
            if number is None:
                problems.append(self.problem(f"An entry of '{key}' has no id."))
            elif number in found:
                problems.append(self.problem(f"Id {shown(number)} of '{key}' is there twice."))
            else:
                found[number] = record
        return found

    def categories(self, problems: list[Problem]) -> dict[int | str, str]:
        """Names of the categories, where the file has them."""
        if "categories" not in self.content:
            return {}
        return {
            number: shown(record.get("name", number))
            for number, record in self.by_id("categories", problems).items()
        }

    def annotations_of(
        self, images: Mapping[int | str, Record], problems: list[Problem]
    ) -> dict[int | str, list[Record]]:
        """The annotations of each image, in the order of the file; stray ones become problems."""
        found: dict[int | str, list[Record]] = {number: [] for number in images}
        for record in self.records("annotations", problems):
            owner = id_of(record.get("image_id"))
            of_image = None if owner is None else found.get(owner)
            if of_image is not None:
                of_image.append(record)
            else:
                problems.append(
                    self.problem(f"Annotation {shown(record.get('id'))} belongs to no image of the file.")
                )
        return found

    def problem(self, reason: str, *, by_rule: bool = False) -> Problem:
        return Problem(str(self.path), reason, by_rule)


def id_of(value: object) -> int | str | None:
    """An id: a number, which some tools write as 7.0, or a text; None for anything else."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) else None


def read_coco(path: Path) -> CocoJson:
    """Read such a file.

    Raises:
        BrokenFileError: missing, or no JSON object.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise BrokenFileError(path, "The file is not of the format of COCO.")
    return CocoJson(path, content)
