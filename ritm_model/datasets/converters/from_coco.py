"""From any file in the format of COCO: polygons, runs, packed runs, crowds.

Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from ritm_model.datasets.problems import ConversionError
from ritm_model.datasets.photograph import About, Collection, Kind, Photograph, Region
from ritm_model.datasets.readers.coco_json import CocoJson, Record, read_coco
from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.errors import shown
from ritm_model.masks.coco import MaskError, coco_mask, image_size_of


@dataclass(frozen=True, slots=True)
class CocoPhotograph:
    """A photograph with its annotations out of the JSON file, each with the name of its category."""

    name: str
    image: Path
    about: About
    truth: str
    record: Record = field(repr=False)
    annotations: tuple[tuple[Record, str], ...] = field(repr=False)

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Crowds become ignored regions: nobody knows where one object of them ends."""
        self._check_size(height, width)
        for annotation, category in self.annotations:
            key = shown(annotation.get("id"))
            try:
                mask_HW = coco_mask(annotation.get("segmentation"), height, width)
            except MaskError as error:
                yield Problem(self.truth, f"Annotation {key}: {error}")
            else:
                yield Region(mask_HW, key, category, _kind(annotation), _parent(annotation))

    def _check_size(self, height: int, width: int) -> None:
        try:
            said = image_size_of(self.record)
        except MaskError as error:
            raise BrokenFileError(self.truth, f"Image {self.name}: {error}") from None
        if said != (height, width):
            sizes = f"{width} x {height} pixels, its annotations are for {said[1]} x {said[0]}"
            raise BrokenFileError(self.image, f"The photograph has {sizes}.")


def from_coco(path: Path, images: Path | None, about: About) -> Collection:
    """Find all photographs of a file.

    Args:
        path: of the JSON file.
        images: folder of the photographs; None for the folder of the file, or `images` in it.
        about: what is said of every photograph; licences that the file names come first.

    Raises:
        BrokenFileError: it is no such file.
        ConversionError: the folder does not hold any of the photographs.
    """
    source = read_coco(path)
    problems: list[Problem] = []
    records = source.by_id("images", problems)
    annotations = source.annotations_of(records, problems)
    categories = source.categories(problems)
    licenses = _licenses(source, problems)
    folder = _folder(path, images, list(records.values()))
    photographs: list[Photograph] = []
    for number, record in records.items():
        try:
            image = inside(folder, record.get("file_name"))
        except BrokenFileError as error:
            problems.append(error.problem)
            continue
        said = replace(
            about,
            number=number if isinstance(number, int) else None,
            license=licenses.get(_id(record, "license"), ("", ""))[0] or about.license,
            license_class=_text(record, "license_class") or about.license_class,
            source=about.source or _text(record, "source"),
            split=about.split or _text(record, "split"),
        )
        named = tuple((item, categories.get(_id(item, "category_id"), "")) for item in annotations[number])
        name = image.relative_to(folder).as_posix()
        photographs.append(CocoPhotograph(name, image, said, str(path), record, named))
    return Collection(
        photographs,
        problems,
        _category_ids(categories),
        {name: url for name, url in licenses.values() if name},
    )


def _kind(annotation: Record) -> Kind:
    if annotation.get("iscrowd") or annotation.get("ignore"):
        return "ignored"
    return "stuff" if annotation.get("stuff") else "object"


def _parent(annotation: Record) -> str | None:
    parent = annotation.get("parent")
    return shown(parent) if isinstance(parent, int | str) else None


def _id(record: Record, key: str) -> int | str:
    value = record.get(key)
    return value if isinstance(value, int | str) else ""


def _text(record: Record, key: str) -> str:
    value = record.get(key)
    return shown(value) if isinstance(value, str) else ""


def _licenses(source: CocoJson, problems: list[Problem]) -> dict[int | str, tuple[str, str]]:
    """Name and address of each licence, where the file has them."""
    if "licenses" not in source.content:
        return {}
    return {
        number: (_text(record, "name"), _text(record, "url"))
        for number, record in source.by_id("licenses", problems).items()
    }


def _category_ids(categories: dict[int | str, str]) -> dict[str, int]:
    """Numbers that categories keep; of several with one name, the first counts."""
    ids: dict[str, int] = {}
    for number, name in categories.items():
        if isinstance(number, int):
            ids.setdefault(name, number)
    return ids


def _folder(path: Path, images: Path | None, records: list[Record]) -> Path:
    """The first folder that has one of the photographs."""
    folders = [images] if images is not None else [path.parent, path.parent / "images"]
    names = [name for record in records if isinstance(name := record.get("file_name"), str)]
    for folder in folders:
        if any("\0" not in name and (folder / name).is_file() for name in names):
            return folder
    where = " or ".join(map(str, folders))
    raise ConversionError(f"None of the photographs of {path} is in {where}.")
