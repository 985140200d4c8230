"""From regions to objects: which clicks belong together, and where they are in pixels."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal, NamedTuple, TypeAlias
from uuid import UUID, uuid5

import numpy as np

from ritm_backend.label_studio.config import LabelingConfig
from ritm_backend.label_studio.errors import TaskError
from ritm_backend.label_studio.masks import check_same_picture
from ritm_backend.label_studio.options import MOST_POINTS_OF_ONE
from ritm_backend.label_studio.regions import (
    BoxRegion,
    BrushMask,
    Frame,
    Json,
    KeyPoint,
    Reading,
    Region,
    read_regions,
)
from ritm_model.clicks import Click
from ritm_model.inference import Box, Stroke, stroke_clicks
from ritm_ops.label_studio.shapes import Brush, ShapeError

_REGION_IDS = UUID(
    "8f0a3c3e-52c5-4d0c-9a55-0c2f5b6f1d7e"
)  # random; a new one would give every region a new id
_ID_LENGTH = 12

_Key: TypeAlias = tuple[str, int | None, str | None, str | None]
"""Image, its number, label and parent: what regions of one object have in common."""


@dataclass(frozen=True, slots=True)
class ObjectPrompt:
    """All clicks on one object of one image, in order, strokes of a brush over it, one box around it."""

    label: str | None
    points: tuple[KeyPoint, ...]
    box: BoxRegion | None = None
    strokes: tuple[BrushMask, ...] = ()

    @property
    def regions(self) -> tuple[Region, ...]:
        """The box, the strokes and the points."""
        return (*([self.box] if self.box else ()), *self.strokes, *self.points)

    @property
    def newest(self) -> Region:
        """What was added last; the box if there are neither points nor strokes."""
        return self.regions[-1]

    @property
    def first(self) -> Region:
        """What the object began with; it names the object."""
        return self.regions[0]

    @property
    def frame(self) -> Frame:
        """The picture the object is on, as the newest region says."""
        return self.newest.frame

    @property
    def is_asked_for(self) -> bool:
        """Whether anything says where the object is, rather than only where it is not."""
        return bool(self.box or self.strokes) or any(_positive(point) for point in self.points)

    def clicks(self, width: int, height: int) -> tuple[Click, ...]:
        """The clicks in pixels of the upright image, clamped into it, those of strokes and box among them.

        Raises:
            TaskError: A stroke cannot be read, or the box lies outside the image.
            PromptError: Nothing of a stroke is left.
        """
        of_strokes = (click for stroke in self.strokes for click in _clicks_of(stroke, width, height))
        clicks = (*of_strokes, *(_click(p, width, height) for p in self.points))
        region = self.region(width, height)
        return clicks if region is None else region.leading(clicks)

    def region(self, width: int, height: int) -> Box | None:
        """The box in pixels, upright: of a turned box, what surrounds it. None without a box.

        The editor lets boxes reach over the edges of an image, so it is clipped; one pixel remains at least.

        Raises:
            TaskError: It lies wholly outside.
        """
        if self.box is None:
            return None
        xs, ys = zip(*_corners(self.box, width, height), strict=True)
        if min(xs) >= width or min(ys) >= height or max(xs) <= 0 or max(ys) <= 0:
            raise TaskError("The box lies outside the image.")
        left, top = min(max(min(xs), 0.0), width - 1.0), min(max(min(ys), 0.0), height - 1.0)
        right, bottom = min(max(xs), float(width)), min(max(ys), float(height))
        return Box(left, top, max(right, left + 1), max(bottom, top + 1))


class Source(NamedTuple):
    """Where regions of a task stand."""

    kind: Literal["draft", "annotation", "prediction"]
    entry: Json


def stable_id(task_id: object, prompt: ObjectPrompt) -> str:
    """The id of the region that an object's clicks make: the same at every click, for every process.

    The editor replaces a region by one of the same id, so the object keeps its identity while it is refined.
    """
    frame = prompt.frame
    name = json.dumps([str(task_id), frame.to_name, frame.item_index, prompt.label, prompt.first.id])
    return uuid5(_REGION_IDS, name).hex[:_ID_LENGTH]


def objects_in(
    reading: Reading, config: LabelingConfig, most_unsigned: int | None = None
) -> Iterator[ObjectPrompt]:
    """The objects that the points and boxes of one result list ask for.

    Signs: the editor marks fresh clicks with `is_positive`. After a page is reloaded, the clicks of its draft
    come back without it and are never removed. So where any point has a sign, those without are stale; where
    none has, they were imported, and are positive.

    Clicks on the same image with the same label and parent are one object. A box belongs to the object of its
    label; of several pending boxes the newest counts. So do masks of a smart brush: they are strokes.

    With `most_unsigned`, imported points of one label that are more than so many are counted things: each is
    an object of its own, and so is each of several boxes, with the points in it.
    """
    is_smart = cache(config.is_smart)  # there may be many thousands of regions
    points = [p for p in reading.points() if is_smart(p.from_name, p.frame.to_name)]
    if any(p.is_positive is not None for p in points):
        points = [p for p in points if p.is_positive is not None]
    boxes: dict[_Key, list[BoxRegion]] = {}
    for asking in reading.boxes():
        if is_smart(asking.from_name, asking.frame.to_name):
            boxes.setdefault(_key(asking), []).append(asking)
    strokes: dict[_Key, list[BrushMask]] = {}
    for stroke in reading.masks():
        if config.is_smart_brush(stroke.from_name, stroke.frame.to_name):
            strokes.setdefault(_key(stroke), []).append(stroke)
    groups: dict[_Key, list[KeyPoint]] = {key: [] for key in (*boxes, *strokes)}
    for point in points:
        groups.setdefault(_key(point), []).append(point)
    for key, members in groups.items():
        alike = boxes.get(key, [])
        found = ObjectPrompt(
            key[2], tuple(members), alike[-1] if alike else None, tuple(strokes.get(key, ()))
        )
        if most_unsigned is None or (len(alike) <= 1 and not _are_counted(members, most_unsigned)):
            yield found
        else:
            yield from _separated(found, alike, most_unsigned)


def _are_counted(points: Sequence[KeyPoint], most_unsigned: int) -> bool:
    return len(points) > most_unsigned and points[0].is_positive is None


def _separated(found: ObjectPrompt, boxes: Sequence[BoxRegion], most_unsigned: int) -> Iterator[ObjectPrompt]:
    """Each box an object, with the points in it unless they are counted things; each other point one, too."""
    held, free = _held(found.points, boxes)
    for box, points in zip(boxes, held, strict=True):
        if _are_counted(points, most_unsigned):
            free += points
            points = []
        yield ObjectPrompt(found.label, tuple(points), box)
    yield from (ObjectPrompt(found.label, (point,)) for point in free)


def _held(
    points: Sequence[KeyPoint], boxes: Sequence[BoxRegion]
) -> tuple[list[list[KeyPoint]], list[KeyPoint]]:
    """For each box the points of which it is the smallest one around them; and the points in none."""
    held: list[list[KeyPoint]] = [[] for _ in boxes]
    if not boxes:
        return held, list(points)
    free: list[KeyPoint] = []
    sides_B4 = np.array([_percent_bounds(box) for box in boxes])
    left_B, top_B, right_B, bottom_B = sides_B4.T
    areas_B = (right_B - left_B) * (bottom_B - top_B)
    for point in points:
        x, y = point.x, point.y
        around_B = (left_B <= x) & (x <= right_B) & (top_B <= y) & (y <= bottom_B)
        smallest = int(np.where(around_B, areas_B, np.inf).argmin())
        (held[smallest] if around_B[smallest] else free).append(point)
    return held, free


def _percent_bounds(box: BoxRegion) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the upright box around a box, in percent."""
    width, height = box.frame.width or 100, box.frame.height or 100
    xs, ys = zip(*_corners(box, width, height), strict=True)
    return min(xs) / width * 100, min(ys) / height * 100, max(xs) / width * 100, max(ys) / height * 100


def objects_of_task(
    task: Json, config: LabelingConfig, most_unsigned: int = MOST_POINTS_OF_ONE
) -> tuple[list[ObjectPrompt], list[str]]:
    """The objects whose clicks already stand in a task: imported, or submitted without their mask.

    Only the newest source that has any is used, a draft before annotations before predictions: the clicks of
    two annotators must not mix. Returns the objects and notes for the log.
    """
    notes: list[str] = []
    for source in sources(task):
        reading = read_regions(source.entry.get("result"))
        notes += reading.notes
        # A mask that stands in a task is finished.
        reading = replace(reading, regions=(*reading.points(), *reading.boxes()))
        objects = [found for found in objects_in(reading, config, most_unsigned) if found.is_asked_for]
        if objects:
            return objects, notes
    return [], notes


def sources(task: Json) -> Iterator[Source]:
    """The task's drafts, then annotations, then predictions, each newest first.

    An annotation with a draft is left out, because the draft is its newer self; so is a cancelled one.
    """
    drafts = _newest_first(task.get("drafts"))
    yield from (Source("draft", draft) for draft in drafts)
    drafted = {id for draft in drafts if isinstance(id := draft.get("annotation"), int)}
    for annotation in _newest_first(task.get("annotations")):
        id = annotation.get("id")
        is_drafted = isinstance(id, int) and id in drafted
        if not is_drafted and annotation.get("was_cancelled") is not True:
            yield Source("annotation", annotation)
    yield from predictions_of(task)


def predictions_of(task: Json) -> Iterator[Source]:
    """The task's predictions, newest first."""
    return (Source("prediction", prediction) for prediction in _newest_first(task.get("predictions")))


def sources_on_screen(task: Json, *, of_everyone: bool) -> Iterator[Source]:
    """Where the regions can be that the annotator sees.

    A draft is the full state of the open editor, so with drafts it is the newest one alone: what the
    annotator deleted stands in older versions still. Without, predictions, after all annotations if those
    of everyone are asked for: nothing in a request tells whose annotation is open, or that it is a new one.
    """
    drafts = _newest_first(task.get("drafts"))
    if drafts:
        yield Source("draft", drafts[0])
    elif of_everyone:
        yield from sources(task)
    else:
        yield from predictions_of(task)


def _newest_first(entries: object) -> Sequence[Json]:
    known: Iterable[object] = entries if isinstance(entries, list) else ()
    return sorted((e for e in known if isinstance(e, dict)), key=_age, reverse=True)


def _age(entry: Json) -> tuple[str, int]:
    when = entry.get("updated_at") or entry.get("created_at")
    id = entry.get("id")
    return when if isinstance(when, str) else "", id if isinstance(id, int) else 0


def _key(region: Region) -> _Key:
    return region.frame.to_name, region.frame.item_index, region.label, region.parent


def _clicks_of(stroke: BrushMask, width: int, height: int) -> Iterator[Click]:
    columns, rows = stroke.frame.width or width, stroke.frame.height or height
    check_same_picture((width, height), (columns, rows))
    try:
        drawn_HW = Brush(stroke.rle).mask(rows, columns)
    except ShapeError as error:
        raise TaskError(f"The stroke of the brush cannot be read: {error}") from None
    for click in stroke_clicks(Stroke(drawn_HW), (rows, columns)):
        yield replace(click, x=click.x * width / columns, y=click.y * height / rows)


def _click(point: KeyPoint, width: int, height: int) -> Click:
    x, y = point.x / 100 * width, point.y / 100 * height
    return Click(min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0), _positive(point))


def _positive(point: KeyPoint) -> bool:
    return point.is_positive is not False


def _corners(box: BoxRegion, width: int, height: int) -> list[tuple[float, float]]:
    """The box's corners in pixels. The editor turns it in pixels, not in percent, about its first corner."""
    x, y = box.x / 100 * width, box.y / 100 * height
    w, h = box.width / 100 * width, box.height / 100 * height
    cos, sin = math.cos(math.radians(box.rotation)), math.sin(math.radians(box.rotation))
    return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in ((0, 0), (w, 0), (w, h), (0, h))]
