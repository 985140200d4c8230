"""From where a team's labels lie to one folder of the COCO-RLE layout."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from ritm_model.datasets.photograph import Collection, Photograph
from ritm_model.datasets.problems import Problem
from ritm_model.datasets.readers.coco_rle import ANNOTATIONS, IMAGES
from ritm_model.datasets.readers.outlines.recognised import layout_of
from ritm_model.datasets.writing import convert
from ritm_model.errors import shown
from ritm_ops.pictures import PictureAccess
from training.exports.errors import ExportError, NoLabelsError
from training.exports.library import Library, LibraryInUseError
from training.exports.reading import Reader
from training.exports.source import Source, open_source
from training.exports.tasks.assigning import Tags
from training.exports.tasks.choosing import chosen_photographs
from training.exports.tasks.keeping import Keeper
from training.exports.tasks.rows import Rules
from training.exports.tasks.stored import StoredPhotograph, remembering
from training.exports.unchanged import LastTime
from training.whose import CHOSEN, NEWEST, Whose

_SHOWN_AUTHORS = 6
NO_MASKS = "that are no masks"
"""Says of what was drawn that it encloses no pixels."""
_BOXES = (" rectangle.", " rectanglelabels.")

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is taken of an export.

    Attributes:
        whose: of several annotations of a task, those that count.
        labeling_config: of Label Studio's project, XML; where its tags are not called like the task's data.
        boxes: take rectangles as masks, too.
        predictions: take the newest prediction of tasks that nobody has annotated.
        cache: folder that remembers what was read, for the next time; None remembers nothing.
    """

    whose: Whose = NEWEST
    labeling_config: str | None = None
    boxes: bool = False
    predictions: bool = False
    cache: Path | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """What was collected.

    Attributes:
        folder: of the COCO-RLE layout; its `conversion.json` says what was taken and what was left out.
        photographs: how many were taken.
        objects: how many of their objects.
        left_out: how many things were left out, whether broken or by rule.
        unused: how many annotations were not used, by reason.
        fingerprint: SHA-256 of the data: the same labels and images give the same.
    """

    folder: Path
    photographs: int
    objects: int
    left_out: int
    unused: Mapping[str, int] = field(hash=False)
    fingerprint: str


def collect(
    source: str,
    out: Path,
    *,
    images: PictureAccess,
    options: Options | None = None,
    progress: OnProgress | None = None,
) -> Collected:
    """Read an export and write it as one folder of the COCO-RLE layout.

    Args:
        source: `s3://bucket/prefix`, `file:///folder`, or the path of a folder or file: Label Studio's target
            storage, JSON or JSON_MIN; zips of CVAT; COCO.
        out: the folder to write; new or empty.
        images: where images may come from that the export does not hold.
        options: what is taken.
        progress: called with how many photographs are done and how many there are.

    Raises:
        RitmError: nothing could be taken, or a place cannot be read or written.
    """
    options = options or Options()
    tags = Tags.read(options.labeling_config) if options.labeling_config else None
    rules = Rules(tags, options.boxes, options.predictions)
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.absolute().parent, prefix=".collect-") as folder:
            told = f"{source} {options.labeling_config} {rules.boxes} {rules.predictions}"
            with closing(_library(options.cache, Path(folder), source, _digest(told))) as library:
                return _collected(source, out, images, options, rules, library, progress)
    except sqlite3.Error as error:
        raise ExportError(f"What was read of {shown(source)} cannot be kept: {error}.") from None
    except OSError as error:
        raise ExportError(f"Labels cannot be collected into {out}: {error.strerror}.") from None


def _library(cache: Path | None, folder: Path, source: str, rules: str) -> Library:
    """What is remembered of a source; nothing where another process reads it at this moment."""
    if cache is not None:
        with suppress(LibraryInUseError):
            return Library(cache / _digest(source)[:16], rules)
    return Library(folder, rules)


def _collected(
    source: str,
    out: Path,
    access: PictureAccess,
    options: Options,
    rules: Rules,
    library: Library,
    progress: OnProgress | None,
) -> Collected:
    unused: Counter[str] = Counter()
    found = open_source(source, library, access.store_seconds)
    reader = Reader(found, library, rules, access.folders)
    keeper = Keeper(library, access)
    library.set_access(access.digest)
    count = found.set_listing()
    keeper.ask_for_tags()
    last_time = LastTime(library, f"{source} {options.whose} {access.digest}")
    is_kept = options.cache is not None and not reader.roots  # pictures in folders change without a sign
    if is_kept and (told := last_time.give(out)) is not None:
        return Collected(out, **told)
    photographs: list[Photograph]
    photographs, problems = reader.read(count, unused)
    only_tasks = not photographs
    problems += library.problems()
    unused.update(library.unused())
    photographs += chosen_photographs(library, keeper, options.whose, rules, unused, problems)
    photographs.sort(key=lambda photograph: photograph.name)
    if not photographs:
        kind = NoLabelsError if all(problem.by_rule for problem in problems) else ExportError
        authors = library.authors(_SHOWN_AUTHORS) if options.whose.users else []
        reason = _reason(problems, unused, authors) if problems or unused else _no_export(found)
        raise kind(f"There is nothing to take from {shown(source)}{reason}")
    problems += [
        Problem(shown(source), f"Annotations that are {reason}: {count}.", by_rule=True)
        for reason, count in sorted(unused.items())
    ]
    outcome = convert(
        Collection(photographs, problems),
        out,
        {"converter": "exports", "from": source},
        on_progress=progress,
        wrapped=remembering(library, reader.renamed),
    )
    library.clear_pictures()
    known = {item.name: item.sha256 for item in photographs if isinstance(item, StoredPhotograph)}
    images = _images(out)
    told = {
        "photographs": outcome.photographs,
        "objects": sum(outcome.counts.values()),
        "left_out": len(outcome.problems),
        "unused": dict(unused),
        "fingerprint": _fingerprint(out, images, known),
    }
    # What is broken now may be whole the next time.
    if is_kept and only_tasks and all(problem.by_rule for problem in outcome.problems):
        last_time.keep(out, told, {name: known[name] for name in images})
    return Collected(out, **told)


def _no_export(source: Source) -> str:
    layout = layout_of(source.folder) if source.store is None and not source.only else ""
    if not layout:
        return ": it holds no export."
    return f": `ritm dataset from-masks {shown(source.name)} OUT --layout {layout}` reads it."


def _reason(problems: list[Problem], unused: Mapping[str, int], authors: list[str]) -> str:
    """Why nothing is left: the first thing that is broken, or else what was not used.

    Args:
        problems: what is left out.
        unused: how many annotations are not used, by reason.
        authors: some of who has annotated, where annotations of certain users were wanted.
    """
    if not any(not problem.by_rule for problem in problems) and unused:
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(unused.items()))
        users = f" They are of {', '.join(map(shown, authors))}." if authors else ""
        hint = " (--whose and --predictions decide what is used)" if CHOSEN & unused.keys() else ""
        others = next((f" {problem.reason}" for problem in problems if NO_MASKS in problem.reason), "")
        others += " --boxes takes boxes as masks." if others.endswith(_BOXES) else ""
        return f": of its annotations, {told}{hint}.{users}{others}"
    first = next((problem for problem in problems if not problem.by_rule), problems[0])
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f": {first}{more}"


def _images(folder: Path) -> list[str]:
    """The names of images below `images`, in order."""
    images = folder / IMAGES
    found = ((os.path.relpath(place, images), names) for place, _, names in os.walk(images))
    return sorted(os.path.normpath(f"{place}/{name}") for place, names in found for name in names)


def _fingerprint(folder: Path, images: Sequence[str], known: Mapping[str, str]) -> str:
    """Of the annotations and of the images, as they are written; the writer gives the same for the same.

    Args:
        folder: of the COCO-RLE layout.
        images: names of all its images.
        known: SHA-256 of images, by their names, that need not be read again.
    """
    digest = hashlib.sha256(_file_digest(folder / ANNOTATIONS))
    for name in images:
        sha256 = known.get(name)
        digest.update(bytes.fromhex(sha256) if sha256 else _file_digest(folder / IMAGES / name))
    return digest.hexdigest()


def _file_digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _digest(text: str) -> str:
    return hashlib.sha256(json.dumps(text).encode()).hexdigest()
