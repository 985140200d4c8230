"""Photographs whose drawings stand in the library, and their records from an earlier run."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ritm_model.datasets.photograph import About, Mask, Photograph, Region
from ritm_model.datasets.problems import Problem
from ritm_model.datasets.writing.records import Conversion, Record
from ritm_model.errors import shown
from ritm_ops.label_studio.shapes import ShapeError
from training.exports.errors import ExportError
from training.exports.library import FORMAT, Library
from training.exports.tasks.rows import unpacked_drawings
from training.exports.unchanged import linked_or_copied

SAME_OBJECT_IOU = 0.5
"""Two objects of one label that overlap more are the same object, drawn by two people."""
_ABOUT = About(source="label_studio")


@dataclass(frozen=True, slots=True)
class StoredPhotograph:
    """A photograph of a task.

    Attributes:
        name: where it goes in the data set.
        image: its file.
        sha256: of its file.
        reference: as the task has it.
        place: tells it apart from all others, in every run.
        rows: the annotations that count, the newest first.
        digests: of what they have drawn.
        truth: what problems name.
        library: where the drawings are.
    """

    name: str
    image: Path
    sha256: str
    reference: str
    place: str
    rows: tuple[int, ...]
    digests: tuple[str, ...]
    truth: str
    library: Library = field(repr=False)

    @property
    def about(self) -> About:
        return _ABOUT

    @property
    def key(self) -> str:
        """Of all that its record follows from."""
        told = json.dumps([FORMAT, self.sha256, self.digests])
        return hashlib.sha256(told.encode()).hexdigest()

    def told(self, text: str) -> str:
        """A text in which the picture is called as its task calls it, if it is one that is kept here."""
        if not self.image.is_relative_to(self.library.folder):
            return text
        return text.replace(str(self.image), f"{self.truth}, image {shown(self.reference)}")

    def regions(self, height: int, width: int) -> Iterator[Region | Problem]:
        """Objects of several annotations that overlap come once, as the newest has them."""
        earlier: list[tuple[str, Mask]] = []
        for place, row in enumerate(self.rows):
            own: list[tuple[str, Mask]] = []
            for drawing in unpacked_drawings(self.library.packed(row, self.reference)):
                try:
                    mask_HW = drawing.mask(height, width)
                except ShapeError as error:
                    yield Problem(self.truth, f"Object {drawing.id}: {error}")
                    continue
                label = drawing.label or ""
                if any(label == other and iou(mask_HW, known) > SAME_OBJECT_IOU for other, known in earlier):
                    continue
                if len(self.rows) > 1:
                    own.append((label, mask_HW))
                key = drawing.id if len(self.rows) == 1 else f"{place}-{drawing.id}"
                yield Region(mask_HW, key, label)
            earlier += own


def iou(first_HW: Mask, second_HW: Mask) -> float:
    """Intersection over union; 0 for two empty masks."""
    union = (first_HW | second_HW).sum()
    return float((first_HW & second_HW).sum() / union) if union else 0.0


def remembering(
    library: Library, renamed: Callable[[str], str]
) -> Callable[[Conversion], Callable[[Photograph], Record]]:
    """What converts a photograph, or takes its record from an earlier run.

    Args:
        library: of records.
        renamed: replaces names of this machine's folders in problems.
    """

    def wrap(work: Conversion) -> Callable[[Photograph], Record]:
        def convert(photograph: Photograph) -> Record:
            if not isinstance(photograph, StoredPhotograph):
                return _renamed(work(photograph), renamed)
            record: Record | None = library.record(photograph.place, photograph.key)
            if record is None:
                record = _renamed(work(photograph), lambda text: renamed(photograph.told(text)))
                library.keep_record(photograph.place, photograph.key, record)
            elif record["image"] is not None:
                _place(photograph.image, work.images / photograph.name, library)
            return {**record, "name": photograph.name}

        return convert

    return wrap


def _renamed(record: Record, renamed: Callable[[str], str]) -> Record:
    problems = [[renamed(file), renamed(reason), by_rule] for file, reason, by_rule in record["problems"]]
    return {**record, "problems": problems}


def _place(image: Path, path: Path, library: Library) -> None:
    """A link where the library keeps the picture, which never changes; else a copy."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if image.is_relative_to(library.folder):
            linked_or_copied(image, path)
        else:
            shutil.copyfile(image, path)
    except OSError as error:
        raise ExportError(f"{path} cannot be written: {error.strerror}.") from None


def photograph_name(task: str, reference: str, base: str, *, is_shared: bool) -> str:
    """Where a picture goes in the data set; with a digest where several would have one name."""
    base = base or "image"
    task = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in task)
    if not is_shared:
        return f"{task}-{base}"
    return f"{task}-{hashlib.sha256(reference.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}-{base}"
