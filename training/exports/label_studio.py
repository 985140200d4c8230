"""Label Studio: what its target storage keeps, and its JSON and JSON_MIN files.

target storage  one object per annotation, with its task inside
JSON            a list of tasks, each with its annotations
JSON_MIN        a list of annotations, whose results stand under the names of their controls
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ritm_model.datasets.problems import Problem
from ritm_model.errors import shown
from ritm_model.images import DEFAULT_MAX_PIXELS
from training.exports.shapes import Brush, Drawn, Outline, Paint

Record = Mapping[str, Any]

BRUSHES = ("brushlabels", "brush")
POLYGONS = ("polygonlabels", "polygon")
_LABELS = ("brushlabels", "polygonlabels", "keypointlabels", "rectanglelabels", "ellipselabels", "labels")
_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of a task.

    Attributes:
        id: of the annotation.
        task: of its task.
        when: when it was changed last, then its id: of several, the greatest is the newest.
        reference: where Label Studio says that the image is.
        drawn: its masks.
        version: a digest of what was drawn.
    """

    id: str
    task: str
    when: tuple[datetime, int]
    reference: str
    drawn: tuple[Drawn, ...] = field(repr=False)
    version: str


def is_annotation(content: object) -> bool:
    """Whether this is one object of the target storage."""
    return isinstance(content, dict) and isinstance(content.get("result"), list) and "task" in content


def is_tasks(content: object) -> bool:
    """Whether this is a JSON or JSON_MIN file."""
    return isinstance(content, list) and all(
        isinstance(item, dict) and ("annotations" in item or "annotation_id" in item) for item in content
    )


def newest(content: object, file: str, problems: list[Problem]) -> list[Annotation]:
    """The annotations of a file, or of several target objects as a list, that count: one a task.

    Args:
        content: parsed JSON for which `is_annotation` or `is_tasks` holds, or a list of the former.
        file: what problems name.
        problems: hears of everything that is left out.
    """
    found: dict[str, Annotation] = {}
    for annotation in _annotations(content if isinstance(content, list) else [content], file, problems):
        other = found.get(annotation.task)
        first, last = (annotation, other) if other and other.when > annotation.when else (other, annotation)
        found[annotation.task] = last or annotation
        if first is not None:
            reason = f"Annotation {first.id} of task {first.task} is older than annotation {last.id}."
            problems.append(Problem(file, reason, by_rule=True))
    return list(found.values())


def _annotations(rows: list[Any], file: str, problems: list[Problem]) -> Iterator[Annotation]:
    for row in rows:
        if is_annotation(row):
            yield from _read(row, row["task"], row["result"], file, problems)
        elif isinstance(row, dict) and isinstance(row.get("annotations"), list):
            for annotation in row["annotations"]:
                if isinstance(annotation, dict):
                    yield from _read(annotation, row, annotation.get("result"), file, problems)
                else:
                    problems.append(Problem(file, f"Task {shown(row.get('id'))} has a broken annotation."))
        elif isinstance(row, dict):
            about = {**row, "id": row.get("annotation_id")}
            task = {"id": row.get("id"), "data": row}
            yield from _read(about, task, list(_flat_results(row)), file, problems)


def _flat_results(row: Record) -> Iterator[Record]:
    """Results of JSON_MIN in the shape that JSON has."""
    for name, values in row.items():
        for place, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, dict) and ("rle" in value or "points" in value):
                kind = next(
                    (key for key in _LABELS if key in value), "brush" if "rle" in value else "polygon"
                )
                size = {key: value.get(key) for key in ("original_width", "original_height")}
                yield {"id": f"{name}-{place}", "type": kind, "value": value, **size}


def _read(
    annotation: Record, task: object, results: object, file: str, problems: list[Problem]
) -> Iterator[Annotation]:
    number = shown(annotation.get("id"))
    if not isinstance(task, dict) or not isinstance(results, list):
        problems.append(Problem(file, f"Annotation {number} has no task or no result."))
        return
    if annotation.get("was_cancelled"):
        problems.append(Problem(file, f"Annotation {number} was cancelled.", by_rule=True))
        return
    drawn = tuple(_drawn(results, f"{file}, annotation {number}", problems))
    if not drawn:
        problems.append(Problem(file, f"Annotation {number} has no mask.", by_rule=True))
        return
    reference = _reference(task.get("data"), results)
    if reference is None:
        problems.append(Problem(file, f"Task {shown(task.get('id'))} does not say where its image is."))
        return
    told = json.dumps(results, sort_keys=True, default=str).encode()
    when = annotation.get("updated_at") or annotation.get("created_at")
    order = annotation.get("id")
    yield Annotation(
        number,
        shown(task.get("id")),
        (_time(when), order if type(order) is int else 0),
        reference,
        drawn,
        hashlib.sha256(told).hexdigest(),
    )


def _drawn(results: list[Any], where: str, problems: list[Problem]) -> Iterator[Drawn]:
    """The masks of an annotation; what else was drawn is told once for each kind."""
    named = {
        shown(item.get("id")): item for item in results if isinstance(item, dict) and _kind(item) == "labels"
    }
    others: dict[str, int] = {}
    for item in results:
        kind = _kind(item) if isinstance(item, dict) else ""
        value = item.get("value") if kind else None
        if kind not in (*BRUSHES, *POLYGONS) or not isinstance(value, dict):
            is_ghost = isinstance(value, dict) and "rle" in value
            others_kind = f"{kind} that repeats a mask" if is_ghost else kind or "broken result"
            others[others_kind] = others.get(others_kind, 0) + 1
            continue
        key = shown(item.get("id"))
        paint = _paint(kind, value, item)
        if isinstance(paint, str):
            problems.append(Problem(where, f"Result {key}: {paint}"))
            continue
        label = _label(value) or _label(named.get(key, {}).get("value"))
        yield Drawn(key, label, (paint,))
    for kind, count in sorted(others.items()):
        problems.append(Problem(where, f"Results that are no masks: {count} of {shown(kind)}.", by_rule=True))


def _paint(kind: str, value: Record, item: Record) -> Paint | str:
    """What paints a result, or a sentence that says why nothing can."""
    sides = item.get("original_height"), item.get("original_width")
    if not all(type(side) is int and side > 0 for side in sides):
        return "It does not say how large its image is."
    height, width = int(str(sides[0])), int(str(sides[1]))
    if height * width > DEFAULT_MAX_PIXELS:
        return f"An image of {width} x {height} pixels is too large."
    if item.get("item_index"):
        return "It belongs to a further image of its task."
    if kind in BRUSHES:
        rle = value.get("rle")
        try:
            if value.get("format") == "rle" and isinstance(rle, list):
                return Brush(bytes(rle), (height, width))
        except (TypeError, ValueError):
            pass
        return "It holds no brush mask."
    points = value.get("points")
    if not isinstance(points, list) or not all(map(_is_point, points)):
        return "It holds no polygon."
    pixels = [(x / 100 * width, y / 100 * height) for x, y in points]
    return Outline(tuple(number for point in pixels for number in point), (height, width))


def _is_point(point: object) -> bool:
    return (
        isinstance(point, list)
        and len(point) == 2
        and all(
            type(number) in (int, float) and abs(number) < 1e6 and math.isfinite(number) for number in point
        )
    )


def _kind(item: Record) -> str:
    kind = item.get("type")
    return kind if isinstance(kind, str) else ""


def _label(value: object) -> str:
    """The first label of a result, or nothing."""
    if isinstance(value, dict):
        for key in _LABELS:
            labels = value.get(key)
            if isinstance(labels, list) and labels and isinstance(labels[0], str):
                return shown(labels[0])
    return ""


def _reference(data: object, results: list[Any]) -> str | None:
    """The image of a task: what its control names, `image`, or the only value that looks like one."""
    if not isinstance(data, dict):
        return None
    controls = [item.get("to_name") for item in results if isinstance(item, dict)]
    for key in (*controls, "image", "img"):
        if isinstance(key, str) and isinstance(data.get(key), str):
            return str(data[key])
    likely = [
        value
        for value in data.values()
        if isinstance(value, str) and value.startswith(("s3://", "/data/", "http://", "https://", "data:"))
    ]
    return likely[0] if len(likely) == 1 else None


def _time(text: object) -> datetime:
    try:
        time = datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else _LONG_AGO
    except ValueError:
        return _LONG_AGO
    return time if time.tzinfo else time.replace(tzinfo=timezone.utc)
