"""Label Studio: what its target storages keep, and its JSON and JSON_MIN files, row by row.

target storage  one object per annotation, with its task inside; or one per task, with its annotations
JSON            a list of tasks, each with its annotations (once `completions`), drafts and predictions
JSON_MIN        a list of annotations, whose results stand under the names of their controls
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ritm_model.errors import shown
from ritm_ops.label_studio.results import Drawing, Json, read_results
from ritm_ops.label_studio.shapes import Polygon, ShapeError
from training.exports.tasks.assigning import Tags, assigned, pictures_of

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)
_LISTS = ("annotations", "completions")
_LONGEST_ID = 19  # digits; longer ones do not fit into the library
_LATEST = 1 << 34  # later seconds since 1970 are milliseconds
_EXACT_FIRST = ("brush", "bitmask", "polygon", "ellipse", "rectangle")
NOT_DRAWN = "still to be drawn: nobody has annotated the task"
DRAFTS = "drafts, which nobody has submitted"
SKIPPED = "predictions for tasks that somebody has skipped"


@dataclass(frozen=True, slots=True)
class Rules:
    """How rows are read.

    Attributes:
        tags: of the labeling configuration, if it is known.
        boxes: take rectangles as masks, too.
        predictions: take the newest prediction of tasks that nobody has annotated.
    """

    tags: Tags | None = None
    boxes: bool = False
    predictions: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """What an annotation has drawn on one picture: `packed` results, and a `digest` of them."""

    reference: str
    digest: str
    packed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation, or a prediction, of a task.

    Attributes:
        id: of the annotation.
        task: of its task.
        key: tells tasks apart, also those of several servers with the same id.
        when: when it was changed last, ISO in UTC.
        number: its id as a number, which decides among those of one moment.
        authors: what its author is called: id, address, name.
        ground_truth: somebody has marked it as such.
        reviewed: its last review accepted it; None where nothing is said of reviews.
        prediction: nobody drew it but a model.
        parts: what was drawn, picture by picture.
        problems: what is left out of it: reason, and whether by rule.
    """

    id: str
    task: str
    key: str
    when: str
    number: int
    authors: tuple[str, ...]
    ground_truth: bool
    reviewed: bool | None
    prediction: bool
    parts: tuple[Part, ...]
    problems: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Broken:
    """A row, or a part of one, that cannot be read."""

    reason: str
    by_rule: bool = False


@dataclass(frozen=True, slots=True)
class Unused:
    """What is not used of a row, as it ends the sentence "of its annotations, 3 are …"."""

    reason: str


def is_row(content: object) -> bool:
    """Whether this is an annotation or a task of Label Studio."""
    return isinstance(content, dict) and (
        ("task" in content and "result" in content)
        or "annotation_id" in content
        or (
            isinstance(content.get("data"), dict)
            or (
                any(isinstance(content.get(key), list) for key in (*_LISTS, "predictions"))
                and not {"images", "categories", "items"} & content.keys()
            )
        )
    )


def read_row(row: Json, rules: Rules) -> Iterator[Annotation | Broken | Unused]:
    """The annotations of a row for which `is_row` holds, cancelled ones left out."""
    if "task" in row and "result" in row:
        yield _read(row, row["task"], row["result"], rules)
    elif "annotation_id" in row:
        about = {**row, "id": row.get("annotation_id"), "completed_by": row.get("annotator")}
        results = list(_flat_results(row))
        drawn = {result["from_name"] for result in results}  # a bitmask looks like a picture of the task
        data = {name: value for name, value in row.items() if name not in drawn}
        yield _read(about, {"id": row.get("id"), "data": data}, results, rules)
    else:
        if not any(row.get(key) for key in (*_LISTS, "predictions")):
            yield Unused(NOT_DRAWN)
        for _ in _listed(row.get("drafts")):
            yield Unused(DRAFTS)
        is_skipped = any(_is_cancelled(item) for key in _LISTS for item in _listed(row.get(key)))
        for key in (*_LISTS, "predictions"):
            for place, item in enumerate(_listed(row.get(key))):
                if not isinstance(item, dict):
                    yield Broken(f"Entry {place} of the {key} of task {shown(row.get('id'))} is no record.")
                elif is_skipped and key == "predictions":
                    yield Unused(SKIPPED)
                else:
                    yield _read(item, row, item.get("result"), rules, is_prediction=key == "predictions")


def _listed(rows: object) -> list[Any]:
    return rows if isinstance(rows, list) else []


def unpacked_drawings(packed: bytes) -> list[Drawing]:
    """The drawings of a part."""
    rows = json.loads(zlib.decompress(packed))
    for row in rows:
        if isinstance(row["value"].get("rle"), str):
            row["value"]["rle"] = base64.b64decode(row["value"]["rle"])
    return list(read_results(rows).drawings)


def _flat_results(row: Json) -> Iterator[Json]:
    """Results of JSON_MIN in the shape that JSON has."""
    for name, values in row.items():
        for place, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, dict) and (kind := _flat_kind(value)):
                size = {key: value.get(key) for key in ("original_width", "original_height", "item_index")}
                yield {"id": f"{name}-{place}", "type": kind, "from_name": name, "value": value, **size}


def _flat_kind(value: Json) -> str:
    of_labels = next((key for key in value if key.endswith("labels") and key != "labels"), "")
    for key, kind in (
        ("rle", "brush"),
        ("imageDataURL", "bitmask"),
        ("points", "polygon"),
        ("radiusX", "ellipse"),
    ):
        if key in value:
            return of_labels or kind
    return of_labels or "rectangle" if "width" in value and "height" in value else ""


def _read(
    annotation: Json, task: object, results: object, rules: Rules, *, is_prediction: bool = False
) -> Annotation | Broken:
    number = shown(annotation.get("id"))
    what = "Prediction" if is_prediction else "Annotation"
    if not isinstance(task, dict) or not isinstance(results, list):
        return Broken(f"{what} {number} has no task or no result.")
    if _is_cancelled(annotation):
        return Broken(f"{what} {number} was cancelled.", by_rule=True)
    data = task.get("data")
    parts, problems = _parts(results, data, rules)
    when = annotation.get("updated_at") or annotation.get("created_at")
    pictures = json.dumps([shown(task.get("id")), sorted(map(str, pictures_of(data).values()))])
    return Annotation(
        number,
        shown(task.get("id")),
        hashlib.sha256(pictures.encode()).hexdigest()[:24],
        _time(when).isoformat(),
        _order(annotation.get("id")),
        _authors(annotation.get("completed_by")),
        annotation.get("ground_truth") is True,
        _reviewed(annotation),
        is_prediction,
        tuple(parts),
        tuple(problems),
    )


def _is_cancelled(annotation: object) -> bool:
    """Whether somebody has skipped the task."""
    return isinstance(annotation, dict) and bool(annotation.get("was_cancelled") or annotation.get("skipped"))


def _is_open(drawing: Drawing) -> bool:
    """Whether it is a polygon that nobody has closed."""
    return isinstance(drawing.shape, Polygon) and not drawing.shape.is_closed


def _of_one_kind(drawings: list[Drawing]) -> list[Drawing]:
    """Without second kinds of the same object, such as the box that a project has beside each polygon.

    They have the label of another region, and that region as their parent. The most exact kind stays.
    """
    ids = {drawing.id for drawing in drawings}
    objects = [(each.parent if each.parent in ids else each.id, each.label) for each in drawings]
    ranks = [_EXACT_FIRST.index(each.kind) for each in drawings]
    best: dict[tuple[str, str | None], int] = {}
    for key, rank in zip(objects, ranks, strict=True):
        best[key] = min(rank, best.get(key, rank))
    triples = zip(drawings, objects, ranks, strict=True)
    return [drawing for drawing, key, rank in triples if rank == best[key]]


def _parts(results: list[Any], data: object, rules: Rules) -> tuple[list[Part], list[tuple[str, bool]]]:
    """What was drawn on each picture; what else was drawn is told once for each kind."""
    read = read_results(results)
    others = dict(read.others)
    drawings = [drawing for drawing in read.drawings if rules.boxes or drawing.kind != "rectangle"]
    if left := len(read.drawings) - len(drawings):
        others["rectangle"] = others.get("rectangle", 0) + left
    closed = [drawing for drawing in drawings if not _is_open(drawing)]
    if left := len(drawings) - len(closed):
        others["polygon that nobody has closed"] = left
    drawings = _of_one_kind(closed)
    if left := len(closed) - len(drawings):
        others["second kinds of the same object"] = left
    problems = [(f"Result {shown(id)}: {reason}", False) for id, reason in read.broken]
    problems += [
        (f"Results that are no masks: {count} of {shown(kind)}.", True)
        for kind, count in sorted(others.items())
    ]
    found, unassigned = assigned(drawings, data, rules.tags)
    problems += [(f"Result {shown(id)}: {reason}", False) for id, reason in unassigned]
    parts = [_packed(reference, of_picture, problems) for reference, of_picture in found.items()]
    return parts, problems


def _packed(reference: str, drawings: list[Drawing], problems: list[tuple[str, bool]]) -> Part:
    rows = []
    for drawing in drawings:
        try:
            rows.append(_row(drawing))
        except ShapeError as error:  # noqa: PERF203  (one broken result is one broken result)
            problems.append((f"Result {shown(drawing.id)}: {error}", False))
    told = json.dumps(rows).encode()
    return Part(reference, hashlib.sha256(told).hexdigest(), zlib.compress(told, 1))


def _row(drawing: Drawing) -> dict[str, object]:
    """A result that reads as the same drawing; bytes as text."""
    value = drawing.shape.value()
    rle = value.get("rle")
    if isinstance(rle, bytes):
        value["rle"] = base64.b64encode(rle).decode()
    height, width = drawing.size or (None, None)
    label = {"labels": [drawing.label]} if drawing.label else {}
    size = {"original_width": width, "original_height": height}
    return {"id": drawing.id, "type": drawing.kind, **size, "value": {**value, **label}}


def _order(id: object) -> int:
    """An id as a number, also where it is text; 0 for any other."""
    if isinstance(id, str) and id.isascii() and id.isdecimal() and len(id) < _LONGEST_ID:
        id = int(id)
    return id if type(id) is int and abs(id) < 1 << 62 else 0


def _authors(completed_by: object) -> tuple[str, ...]:
    if isinstance(completed_by, Mapping):
        found = [completed_by.get(key) for key in ("id", "email", "username")]
        names = [completed_by.get(key) for key in ("first_name", "last_name")]
        found.append(" ".join(name for name in names if isinstance(name, str) and name) or None)
    else:
        found = [completed_by]
    return tuple(str(name).casefold() for name in found if isinstance(name, int | str))


def _reviewed(annotation: Json) -> bool | None:
    """Whether the last review accepted it, as Label Studio Enterprise says it."""
    reviews = annotation.get("reviews")
    if isinstance(reviews, list):
        known = [review for review in reviews if isinstance(review, dict)]
        known.sort(key=lambda review: _time(review.get("created_at")))
        return bool(known) and known[-1].get("accepted") is True
    return None


def _time(text: object) -> datetime:
    """A time in ISO, or in seconds since 1970, as `completions` have it."""
    try:
        if isinstance(text, int | float):
            return datetime.fromtimestamp(text / 1000 if text > _LATEST else text, timezone.utc)
        time = datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else _LONG_AGO
        return time.astimezone(timezone.utc) if time.tzinfo else time.replace(tzinfo=timezone.utc)
    except (ValueError, OverflowError, OSError):
        return _LONG_AGO
