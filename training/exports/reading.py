"""Which export a file or folder is, and what it holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from ritm_model.conversion import ConversionError, from_coco
from ritm_model.conversion.from_coco import CocoPhotograph
from ritm_model.conversion.regions import About, Photograph
from ritm_model.datasets.coco_json import Record
from ritm_model.datasets.files import read_bytes
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.images.names import IMAGE_SUFFIXES
from ritm_model.learning.coco_layout import ANNOTATIONS
from training.exports import cvat_images, datumaro, label_studio, segmentation_mask
from training.exports.errors import ExportError
from training.exports.label_studio import Annotation
from training.exports.unpacking import unpacked

_PAPERS = frozenset({".txt", ".md", ".yaml", ".yml", ".xml", ".png"})


@dataclass
class Found:
    """What was read.

    Attributes:
        photographs: whose files are there.
        annotations: of Label Studio, whose images must be fetched.
        problems: what is left out.
    """

    photographs: list[Photograph] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_export(path: Path, work: Path, roots: tuple[Path, ...]) -> Found:
    """Read an export, or a folder of several.

    Args:
        path: a file, or a folder.
        work: an empty folder for what must be unpacked.
        roots: folders in which images are looked for that the export does not hold.

    Raises:
        RitmError: it is a single file or export, and cannot be read.
    """
    found = Found()
    if path.is_dir() and not (kind := _layout(path)):
        objects: list[object] = []
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            if file.name.startswith(".") or file.suffix.lower() in IMAGE_SUFFIXES | _PAPERS:
                continue
            try:
                _read_file(file, work, roots, found, objects)
            except (ExportError, DatasetError, ConversionError) as error:
                found.problems.append(Problem(str(file), str(error)))
        found.annotations += label_studio.newest(objects, str(path), found.problems)
    elif path.is_dir():
        _read_layout(path, kind, roots, found)
    else:
        objects = []
        _read_file(path, work, roots, found, objects)
        found.annotations += label_studio.newest(objects, str(path), found.problems)
    return found


def _read_file(path: Path, work: Path, roots: tuple[Path, ...], found: Found, objects: list[object]) -> None:
    """Read a zip or JSON file; rows of Label Studio are gathered, since they are judged together."""
    if path.suffix.lower() == ".zip":
        folder = unpacked(path, work / f"zip{len(list(work.iterdir()))}")
        if kind := _layout(folder):
            _read_layout(folder, kind, roots, found)
            return
        inner = [file for file in sorted(folder.rglob("*.json")) if file.is_file()]
        if not inner:
            raise ExportError(f"{path} is no export of a kind that is known.")
        for file in inner:
            _read_file(file, work, roots, found, objects)
        return
    if path.suffix.lower() == ".xml":
        _read_layout(path.parent, "cvat", roots, found)
        return
    content = _json(path)
    if label_studio.is_annotation(content):
        objects.append(content)
    elif isinstance(content, list) and label_studio.is_tasks(content):
        objects += content
    elif isinstance(content, dict) and isinstance(content.get("images"), list):
        _add_coco(path, roots, found)
    elif isinstance(content, dict) and isinstance(content.get("items"), list):
        found.photographs += datumaro.read(path, path.parent.parent, roots, found.problems)
    else:
        raise ExportError(f"{path} is no export of a kind that is known.")


def _layout(folder: Path) -> str:
    """The kind of export that a folder is by its files; nothing if it is none."""
    if (folder / "annotations.xml").is_file():
        return "cvat"
    if (folder / "labelmap.txt").is_file():
        return "segmentation mask"
    if any((folder / "annotations").glob("*.json")):
        return "annotations"
    return "coco" if (folder / ANNOTATIONS).is_file() else ""


def _read_layout(folder: Path, kind: str, roots: tuple[Path, ...], found: Found) -> None:
    if kind == "cvat":
        found.photographs += cvat_images.read(folder, roots, found.problems)
    elif kind == "segmentation mask":
        found.photographs += segmentation_mask.read(folder, roots, found.problems)
    elif kind == "coco":
        _add_coco(folder / ANNOTATIONS, roots, found)
    else:
        for path in sorted((folder / "annotations").glob("*.json")):
            content = _json(path)
            if isinstance(content, dict) and isinstance(content.get("items"), list):
                found.photographs += datumaro.read(path, folder, roots, found.problems)
            else:
                _add_coco(path, roots, found)


def _add_coco(path: Path, roots: tuple[Path, ...], found: Found) -> None:
    subset = path.stem.removeprefix("instances_")
    beside = path.parent.parent / "images"
    folders = [beside / subset, beside, path.parent.parent / subset, *roots]
    images = None
    content = _json(path)
    records = content.get("images") if isinstance(content, dict) else None
    names = [record.get("file_name") for record in records or () if isinstance(record, dict)]
    for folder in folders:
        if any(isinstance(name, str) and "\0" not in name and (folder / name).is_file() for name in names):
            images = folder
            break
    collection = from_coco(path, images, About(source="coco"))
    found.problems += collection.problems
    found.photographs += [
        _with_cvat_masks(photograph)
        for photograph in collection.photographs
        if isinstance(photograph, CocoPhotograph)
    ]


def _with_cvat_masks(photograph: CocoPhotograph) -> CocoPhotograph:
    """CVAT flags every mask as a crowd; it also writes `occluded`, which nobody else does."""

    def as_object(record: Record) -> Record:
        attributes = record.get("attributes")
        is_cvat = isinstance(attributes, dict) and "occluded" in attributes
        return {**record, "iscrowd": 0} if is_cvat else record

    named = tuple((as_object(record), category) for record, category in photograph.annotations)
    return replace(photograph, annotations=named)


def _json(path: Path) -> object:
    """Raises BrokenFileError."""
    data = read_bytes(path)
    try:
        content: object = json.loads(data)
    except (ValueError, RecursionError):
        raise BrokenFileError(path, "The file is not JSON.") from None
    return content
