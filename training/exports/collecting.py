"""From where a team's labels lie to one folder of the COCO-RLE layout."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ritm_model.conversion import Collection, convert
from ritm_model.conversion.regions import About, Photograph
from ritm_model.datasets.problems import Problem
from ritm_model.errors import shown
from ritm_model.learning.coco_layout import ANNOTATIONS, IMAGES
from ritm_ops.object_store import ObjectMissingError, StoreError
from training.exports.errors import ExportError
from training.exports.label_studio import Annotation
from training.exports.pictures import ImageAccess, Pictures, base_name
from training.exports.reading import read_export
from training.exports.shapes import Labelled
from training.exports.unpacking import fetched

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected.

    Attributes:
        folder: of the COCO-RLE layout; its `conversion.json` says what was taken and what was left out.
        photographs: how many were taken.
        objects: how many of their objects.
        left_out: how many things were left out, whether broken or by rule.
        fingerprint: SHA-256 of the data: the same labels and images give the same.
    """

    folder: Path
    photographs: int
    objects: int
    left_out: int
    fingerprint: str


def collect(source: str, out: Path, *, images: ImageAccess, progress: OnProgress | None = None) -> Collected:
    """Read an export and write it as one folder of the COCO-RLE layout.

    Args:
        source: `s3://bucket/prefix`, `file:///folder`, or the path of a folder or file: Label Studio's target
            storage, JSON or JSON_MIN; zips of CVAT; COCO.
        out: the folder to write; new or empty.
        images: where images may come from that the export does not hold.
        progress: called with how many photographs are done and how many there are.

    Raises:
        RitmError: nothing could be taken, or a place cannot be read or written.
    """
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".collect-") as folder:
            return _collected(source, out, images, progress, Path(folder))
    except OSError as error:
        raise ExportError(f"Labels cannot be collected into {out}: {error.strerror}.") from None


def _collected(
    source: str, out: Path, access: ImageAccess, progress: OnProgress | None, work: Path
) -> Collected:
    unzipped = work / "unzipped"
    unzipped.mkdir()
    found = read_export(fetched(source, work, access.store_seconds), unzipped, access.local_roots)
    photographs: list[Photograph] = list(found.photographs)
    photographs += _with_images(found.annotations, Pictures(access), work / "images", found.problems)
    photographs.sort(key=lambda photograph: photograph.name)
    if not photographs:
        raise ExportError(f"There is nothing to take from {shown(source)}{_first(found.problems)}")
    # Names of temporary folders would make the manifest differ from run to run.
    problems = [
        Problem(item.file.replace(f"{work}{os.sep}", ""), item.reason, item.by_rule)
        for item in found.problems
    ]
    outcome = convert(
        Collection(photographs, problems), out, {"converter": "exports", "from": source}, on_progress=progress
    )
    return Collected(
        out,
        outcome.photographs,
        sum(outcome.counts.values()),
        len(outcome.problems),
        _fingerprint(out),
    )


def _with_images(
    annotations: list[Annotation], pictures: Pictures, folder: Path, problems: list[Problem]
) -> Iterator[Labelled]:
    """Get the image of each annotation; without one it is left out.

    Raises:
        StoreError: a bucket that has given other images fails, or none gives any: that may pass.
    """
    folder.mkdir()
    given: set[str] = set()
    failures: dict[str, StoreError] = {}
    for place, annotation in enumerate(annotations):
        reference = annotation.reference
        name = f"{annotation.task}-{base_name(reference) or 'image'}"
        truth = f"annotation {annotation.id}"
        bucket = reference.split("/")[2] if reference.startswith("s3://") else ""
        try:
            path = pictures.local(reference)
            if path is None:
                path = folder / str(place)
                path.write_bytes(pictures.fetch(reference))
                given.add(bucket)
        except (ExportError, StoreError) as error:
            problems.append(Problem(truth, str(error)))
            if isinstance(error, StoreError) and not isinstance(error, ObjectMissingError):
                failures[bucket] = error
        else:
            yield Labelled(name, path, truth, annotation.drawn, About(source="label_studio"))
    for bucket, failure in failures.items():
        if bucket in given or not given:
            raise failure


def _first(problems: list[Problem]) -> str:
    if not problems:
        return "."
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f": {problems[0]}{more}"


def _fingerprint(folder: Path) -> str:
    """Of the annotations and of the images, as they are written; the writer gives the same for the same."""
    digest = hashlib.sha256()
    for path in (
        folder / ANNOTATIONS,
        *sorted(item for item in (folder / IMAGES).rglob("*") if item.is_file()),
    ):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
