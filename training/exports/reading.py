"""Which export each file is, and what it holds: rows of Label Studio go to the library, others come out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ritm_model.datasets.converters import from_coco
from ritm_model.datasets.json_stream import members, outline, values
from ritm_model.datasets.photograph import About, Photograph
from ritm_model.datasets.problems import ConversionError, DatasetError, Problem
from ritm_model.datasets.readers.outlines.labelme import labelme
from ritm_model.datasets.readers.outlines.recognised import layout_of
from ritm_model.datasets.readers.outlines.via import via
from ritm_model.datasets.readers.outlines.yolo import yolo
from ritm_model.images.names import IMAGE_SUFFIXES
from ritm_model.mistaken import other_tool
from ritm_ops.object_store import ObjectMissingError
from training.exports.ahead import done_ahead
from training.exports.errors import ExportError
from training.exports.library import Library
from training.exports.source import Source
from training.exports.tasks.rows import Broken, Rules, Unused, is_row, read_row
from training.exports.tools import cvat_images, datumaro, segmentation_mask
from training.exports.tools.supersede import Export, described, newest_only, told_apart
from training.exports.unpacking import is_hidden, most_bytes_of, unpacked

_PAPERS = frozenset(
    {
        *(".txt", ".md", ".yaml", ".yml", ".pdf", ".csv", ".tsv", ".html", ".log", ".ini", ".db"),
        *(".heic", ".heif", ".avif", ".svg", ".dcm", ".nii", ".mp4", ".mov", ".avi", ".mkv", ".webm", ".mp3"),
        *(".wav", ".npy", ".npz", ".pkl", ".pt", ".pth", ".onnx", ".safetensors", ".py", ".ipynb"),
    }
)
"""What lies beside exports and is none, by its name."""
_LAYOUTS = {"annotations.xml": "cvat", "labelmap.txt": "segmentation mask", "data.yaml": "yolo"}
_OUTLINES = {"yolo": yolo, "labelme": labelme, "via": via}
_TABLES = frozenset({".csv", ".tsv"})
_PAGES = ("tasks", "results")
"""Under these names, Label Studio's API answers with lists of tasks."""
_UNKNOWN = (
    "is no export of a kind that is known: JSON, JSON_MIN or target storage of Label Studio; CVAT for "
    "images, COCO, Datumaro, Segmentation mask or YOLO segmentation; export it as one of these"
)
_BARE_MASK = re.compile(r"task-\d+-annotation-\d+-by-.*\.(png|npy)", re.IGNORECASE)
_BARE_MASKS = (
    "holds masks of Label Studio that do not say on which photographs they are: export JSON there, in which "
    "the masks are, too"
)
_SMALL_BYTES = 1 << 20  # of a file that is read at once
_LARGE_BYTES = 16 << 20  # of a file of an object store that is copied before it is read
_MOST_ZIPS = 4  # one in the other; more is made to swell

Listed = tuple[str, int, str]
"""Key, size in bytes, tag."""


@dataclass
class Reader:
    """Reads a source.

    Attributes:
        source: what is read.
        library: hears of rows of Label Studio.
        rules: how these are read.
        roots: folders in which images are looked for that the export does not hold.
        folders: folders of this machine, with what people know instead of them.
    """

    source: Source
    library: Library
    rules: Rules
    roots: tuple[Path, ...]
    folders: dict[str, str] = field(default_factory=dict)
    _exports: list[Export] = field(default_factory=list)
    _room: dict[str, int] = field(default_factory=dict)  # bytes that each zip may still hold

    def read(self, count: int, unused: Counter[str]) -> tuple[list[Photograph], list[Problem]]:
        """Read what has changed. Returns the photographs of other tools, and what is left out of them.

        Args:
            count: how many files the source has, as `Source.set_listing` has said.
            unused: hears how many photographs of older exports there are.

        Raises:
            RitmError: the source is one file, which cannot be read; or it cannot be had.
        """
        claimed: list[str] = []
        for folder, kind in self._layouts():
            claimed.append(folder)
            with self._one_of_many(folder or self.source.name, is_only=count == 1):
                export = self._export(self.source.name if not folder else folder.rstrip("/"))
                self._read_layout(self.source.whole(folder), kind, export)
        changed = [item for item in self.library.changed() if not _is_below(item[0], claimed)]
        for item, body in self._ahead(changed):
            with self._one_of_many(item[0], is_only=count == 1):
                self._read_file(item, body)
        exports = newest_only(self._exports, unused)
        photographs = told_apart(exports, unused)
        problems = [problem for export in exports for problem in export.problems]
        return photographs, [self._shown(problem) for problem in problems]

    def renamed(self, text: str) -> str:
        """A text without the names of folders that are only used while reading."""
        for folder, label in self.folders.items():
            text = text.replace(f"{folder}{os.sep}", f"{label}: ").replace(folder, label)
        return text.replace(f"{self.library.folder}{os.sep}", "")

    def _shown(self, problem: Problem) -> Problem:
        return Problem(self.renamed(problem.file), self.renamed(problem.reason), problem.by_rule)

    @contextmanager
    def _one_of_many(self, key: str, *, is_only: bool) -> Iterator[None]:
        """A file that cannot be read is left out by name, unless it is the only one."""
        before = len(self._exports)
        try:
            yield
        except (ExportError, DatasetError, ConversionError, ObjectMissingError) as error:
            text = self.renamed(str(error))
            if is_only or key == self.source.only:
                raise ExportError(text) from None
            del self._exports[before:]  # half an export must not take the place of an older one
            self._exports.append(Export(key, problems=[Problem(key, text)]))

    def _export(self, label: str, part: str = "") -> Export:
        export = Export(label, *described(label), part=part)
        self._exports.append(export)
        return export

    def _layouts(self) -> Iterator[tuple[str, str]]:
        """Folders that are one export each, as CVAT unpacks."""
        found: dict[str, str] = {}
        for key, _, _ in self.library.listed():
            folder, _, name = key.rpartition("/")
            if name in _LAYOUTS and not is_hidden(key):
                found.setdefault(f"{folder}/" if folder else "", _LAYOUTS[name])
        yield from found.items()

    def _ahead(self, changed: list[Listed]) -> Iterator[tuple[Listed, Future[bytes] | None]]:
        """Files that may be exports; small ones of an object store are fetched ahead."""
        wanted = [item for item in changed if self._may_be_export(item[0])]
        if self.source.store is None:
            yield from ((item, None) for item in wanted)
            return
        small = [item for item in wanted if item[1] < _LARGE_BYTES and not _is_zip(item[0])]
        yield from done_ahead(lambda item: self.source.read(item[0]), small)
        yield from ((item, None) for item in wanted if item[1] >= _LARGE_BYTES or _is_zip(item[0]))

    def _may_be_export(self, key: str) -> bool:
        if self.source.only:
            return True
        if _is_xml(key):
            return _is_cvat(key) and not is_hidden(key)
        return not is_hidden(key) and PurePosixPath(key).suffix.lower() not in IMAGE_SUFFIXES | _PAPERS

    def _read_file(self, item: Listed, body: Future[bytes] | None) -> None:
        key, size, tag = item
        if _is_zip(key):
            self._read_zip(key, tag)
        elif _is_xml(key):
            folder = self.source.whole(_folder_of(key))
            self._read_layout(folder, "cvat", self._export(key), self.source.file(key, tag))
        elif (size > _SMALL_BYTES and body is None) or not self._read_small(
            key, tag, body.result() if body else self.source.read(key)
        ):
            self._read_json(key, tag, self.source.file(key, tag))

    def _read_small(self, key: str, tag: str, body: bytes) -> bool:
        """Read one row of Label Studio; False if it is something else."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return False
        if not is_row(content):
            return False
        with self.library.changing():
            self.library.remove(key)
            self._add(key, content, 0)
            self.library.has_read(key, tag)
        return True

    def _read_json(self, key: str, tag: str, path: Path) -> None:
        """Rows of Label Studio, one or many; or a document of another tool."""
        label = self._label(key)
        if path.suffix.lower() in _TABLES:
            raise ExportError(f"{label} is a table, which has no masks: export JSON from Label Studio.")
        document = outline(path, label)
        page = next((name for name in _PAGES if isinstance((document or {}).get(name), list)), None)
        if document is not None and not is_row(document) and page is None:
            self.library.remove(key)
            self._read_document(key, path, document)
            return
        problems: list[Problem] = []
        found = values(path, label, problems)
        if page is not None:
            found = (member.value for member in members(path, label) if member.span and member.key == page)
        with self.library.changing():
            self.library.remove(key)
            place, rows, value = -1, 0, None
            for place, value in enumerate(found):
                rows += self._add(key, value, place)
            if not rows:
                raise ExportError(
                    f"{label} {'holds no task' if place < 0 else other_tool(value) or _UNKNOWN}."
                )
            for problem in problems:
                self.library.add_problem(key, problem.reason)
            self.library.has_read(key, tag)

    def _add(self, key: str, row: object, place: int) -> int:
        """Give a row, the `place`-th of its file, to the library. Returns 1 if it is one."""
        if not isinstance(row, dict) or not is_row(row):
            reason = f"Entry {place + 1} is neither a task nor an annotation of Label Studio."
            self.library.add_problem(key, reason)
            return 0
        for found in read_row(row, self.rules):
            if isinstance(found, Broken):
                self.library.add_problem(key, found.reason, by_rule=found.by_rule)
            elif isinstance(found, Unused):
                self.library.add_unused(key, found.reason)
            else:
                self.library.add(key, found)
        return 1

    def _read_document(self, key: str, path: Path, content: dict[str, object]) -> None:
        in_annotations = path.parent.name == "annotations"
        below = _folder_of(key.rpartition("/")[0]) if in_annotations and "/" in key else _folder_of(key)
        export = self._export(key)
        if any(isinstance(content.get(name), list) for name in ("images", "items")):
            self.source.whole(below)
        self._read_known(path, content, export, self._label(key))

    def _read_known(self, path: Path, content: dict[str, object], export: Export, label: str) -> None:
        if isinstance(content.get("images"), list):
            _add_coco(path, self.roots, export)
        elif isinstance(content.get("items"), list):
            export.photographs += datumaro.read(
                path, path.parent.parent, self.roots, export.problems, boxes=self.rules.boxes
            )
        else:
            raise ExportError(f"{label} {other_tool(content) or _UNKNOWN}.")

    def _read_zip(self, key: str, tag: str) -> None:
        with self.library.changing():
            self.library.remove(key)
            self._read_unpacked(key, tag, self._unpacked(key, tag, self._label(key)), key)

    def _read_unpacked(self, key: str, tag: str, folder: Path, name: str, depth: int = 1) -> None:
        """What a zip holds: exports as they are, and as zips of their own; their rows are those of `key`.

        Args:
            key: of the zip, or of the one that it lies in.
            tag: of that.
            folder: of what it holds.
            name: of the zip: its key, or its path below the key.
            depth: how many zips lie around what it holds.
        """
        label = self._label(key) + name.removeprefix(key)
        roots = {path.parent: kind for file, kind in _LAYOUTS.items() for path in folder.rglob(file)}
        files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
        inner = [file for file in files if file.suffix.lower() == ".json" and not roots]
        renamed = [file for file in files if _is_cvat(file.name) and not roots]
        zips = [file for file in files if _is_zip(file.name)]
        if not (roots or renamed or zips) and (layout := layout_of(folder)):
            self._read_layout(folder, layout, self._export(name))
            return
        count = len(roots) + len(inner) + len(renamed) + len(zips)
        if not count:
            what = _BARE_MASKS if any(_BARE_MASK.match(file.name) for file in files) else _UNKNOWN
            raise ExportError(f"{label} {what}.")
        # Of an export of a task, a part must not take the place of an older whole.
        is_whole = count == 1 or bool(described(name)[0].kind)
        for root, kind in sorted(roots.items()):
            part = "" if root == folder else root.relative_to(folder).as_posix()
            with self._one_of_many(f"{name}/{part}".rstrip("/"), is_only=is_whole):
                self._read_layout(root, kind, self._export(name, part))
        for file in (*renamed, *inner):
            inside = file.relative_to(folder).with_suffix("").as_posix()
            with self._one_of_many(f"{name}/{inside}{file.suffix}", is_only=is_whole):
                if file in renamed:
                    self._read_layout(file.parent, "cvat", self._export(name, inside), file)
                else:
                    self._read_member(key, file, name, inside)
        for file in zips:
            inside = file.relative_to(folder).as_posix()
            with self._one_of_many(f"{name}/{inside}", is_only=count == 1):
                if depth == _MOST_ZIPS:
                    raise ExportError(f"{label}/{inside} lies in {depth} zips: unpack the outer ones first.")
                content = self._unpacked(f"{name}/{inside}", tag, f"{label}/{inside}", file, key)
                self._read_unpacked(key, tag, content, f"{name}/{inside}", depth + 1)

    def _read_member(self, key: str, path: Path, name: str, part: str) -> None:
        """A JSON file of a zip; its rows are the zip's. `part` tells it from others of the zip."""
        document = outline(path)
        if document is None or is_row(document):
            for place, value in enumerate(values(path, str(path), [])):
                self._add(key, value, place)
        else:
            self._read_known(path, document, self._export(name, part), str(path))

    def _unpacked(
        self, key: str, tag: str, label: str, path: Path | None = None, outermost: str = ""
    ) -> Path:
        """The folder of a zip, unpacked now or in an earlier run.

        Args:
            key: of the zip, or a name for one that lies in it.
            tag: of the zip.
            label: what people know it by.
            path: its file; None for that of the key.
            outermost: the key of the zip that it lies in, by whose size all in it is measured.
        """
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        folder = self.library.folder / "unpacked" / name
        self.folders[str(folder)] = label
        if self.library.copied(f"content of {key}") == tag and folder.is_dir():
            return folder
        path = path or self.source.file(key, tag)
        self.folders.setdefault(str(path), label)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        outermost = outermost or key
        room = self._room.get(outermost)
        if room is None:
            room = most_bytes_of(self.source.file(outermost, tag))
        self._room[outermost] = room - unpacked(path, folder, room)
        self.library.has_copied(f"content of {key}", tag)
        return folder

    def _read_layout(self, folder: Path, kind: str, export: Export, path: Path | None = None) -> None:
        if kind == "cvat":
            path = path or folder / "annotations.xml"
            export.photographs += cvat_images.read(
                path, folder, self.roots, export.problems, boxes=self.rules.boxes
            )
        elif kind in _OUTLINES:
            collection = _OUTLINES[kind](folder, "", self.roots)
            export.photographs += collection.photographs
            export.problems += collection.problems
        else:
            export.photographs += segmentation_mask.read(folder, self.roots, export.problems)
        export.identity, export.when = described(export.label, folder)

    def _label(self, key: str) -> str:
        return f"{self.source.name.rstrip('/')}/{key}" if not self.source.only else self.source.name


def _is_xml(key: str) -> bool:
    return key.lower().endswith(".xml")


def _is_cvat(key: str) -> bool:
    """Whether an XML file is one of CVAT by its name, which browsers and people change."""
    return _is_xml(key) and "annotations" in key.rpartition("/")[2].lower()


def _is_zip(key: str) -> bool:
    return key.lower().endswith(".zip")


def _is_below(key: str, folders: list[str]) -> bool:
    return any(key.startswith(folder) for folder in folders)


def _folder_of(key: str) -> str:
    folder = key.rpartition("/")[0]
    return f"{folder}/" if folder else ""


def _add_coco(path: Path, roots: tuple[Path, ...], export: Export) -> None:
    subset = path.stem.removeprefix("instances_")
    beside = path.parent.parent / "images"
    own = (beside / subset, beside, path.parent.parent / subset, path.parent, path.parent / "images")
    collection = from_coco(path, About(source="coco"), own, roots)
    export.problems += collection.problems
    export.photographs += collection.photographs
