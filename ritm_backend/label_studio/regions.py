"""Regions of Label Studio, read with care: points, boxes and brush masks.

A result list may come from the editor, from an import, or from anybody who can reach the server. What
cannot be understood is left out, with a note for the log. One region may stand in several results with the
same id, one per control (`keypoint` and `labels`, or `brushlabels` and a stray `keypointlabels`), so results
are merged by id: the first that has a shape gives it, a tool's before that of a list of labels; the first
that has a label names it.

Percent coordinates refer to the upright image: EXIF orientation is applied, the rotation that an annotator
chose for the view is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ritm_backend.label_studio.body import UnreadRle

_POINTS = ("keypointlabels", "keypoint")
_BOXES = ("rectanglelabels", "rectangle")
_BRUSHES = ("brushlabels", "brush")
_KNOWN = (*_POINTS, *_BOXES, *_BRUSHES, "labels")
_LARGEST_SIDE = 1_000_000
_SHOWN_CHARACTERS = 40

Json: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Frame:
    """The picture a region lies on, as the editor sees it; None where the result does not say."""

    to_name: str
    item_index: int | None
    width: int | None
    height: int | None
    rotation: int | float


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """A click; x and y in percent of the image. `is_positive` is None where nothing says the sign."""

    id: str
    from_name: str
    frame: Frame
    label: str | None
    parent: str | None
    x: float
    y: float
    is_positive: bool | None


@dataclass(frozen=True, slots=True)
class BoxRegion:
    """A box, in percent of the image, turned clockwise by `rotation` degrees about its first corner."""

    id: str
    from_name: str
    frame: Frame
    label: str | None
    parent: str | None
    x: float
    y: float
    width: float
    height: float
    rotation: float


@dataclass(frozen=True, slots=True)
class BrushMask:
    """A mask whose `rle` nobody has looked at yet."""

    id: str
    from_name: str
    frame: Frame
    label: str | None
    parent: str | None
    rle: Sequence[int] | UnreadRle


Region: TypeAlias = KeyPoint | BoxRegion | BrushMask


@dataclass(frozen=True, slots=True)
class Reading:
    """The regions of one result list, in its order, and why others were left out."""

    regions: tuple[Region, ...]
    notes: tuple[str, ...]

    def points(self) -> list[KeyPoint]:
        return [region for region in self.regions if isinstance(region, KeyPoint)]

    def masks(self) -> list[BrushMask]:
        return [region for region in self.regions if isinstance(region, BrushMask)]

    def boxes(self) -> list[BoxRegion]:
        return [region for region in self.regions if isinstance(region, BoxRegion)]


def read_regions(results: object) -> Reading:
    """Read a `result` list of a context, draft, annotation or prediction."""
    if not isinstance(results, list):
        return Reading((), () if results is None else ("The result is not a list.",))
    regions: dict[str, Region] = {}
    labels: dict[str, str] = {}
    from_lists: set[str] = set()
    notes: list[str] = []
    for index, result in enumerate(results):
        if not isinstance(result, dict) or result.get("type") not in _KNOWN:
            continue  # other tools, relations, text
        given = result.get("id")
        id = given if isinstance(given, str) and given else f"#{index}"
        if (label := _label(result)) is not None:
            labels.setdefault(id, label)
        is_list = result["type"] == "labels"
        is_better = id in from_lists and not is_list
        if id in regions and not is_better:
            continue
        region = _read(id, result)
        if isinstance(region, str):
            notes.append(f"Left out the region {id[:_SHOWN_CHARACTERS]!r}: {region}")
        elif region is not None:
            regions[id] = region
            (from_lists.add if is_list else from_lists.discard)(id)
    named = (replace(region, label=labels.get(id)) for id, region in regions.items())
    return Reading(tuple(named), tuple(notes))


def _read(id: str, result: Json) -> Region | str | None:
    """One region; a sentence if it is broken; None if the result only repeats another control's region."""
    value = result.get("value")
    if not isinstance(value, dict):
        return "it has no value."
    type = result["type"]
    if type == "labels" and ("x" not in value or "radiusX" in value) and "rle" not in value:
        return None  # names a region that another tool drew
    if "rle" in value:
        return _read_mask(id, result, value) if type in _BRUSHES or type == "labels" else None
    if type in _POINTS or (type == "labels" and "height" not in value):
        return _read_point(id, result, value)
    if type in _BOXES or type == "labels":
        return _read_box(id, result, value)
    return "its brush has no rle."


def _read_point(id: str, result: Json, value: Json) -> KeyPoint | str:
    x, y = number(value.get("x")), number(value.get("y"))
    if x is None or y is None:
        return "x and y must be numbers."
    return KeyPoint(*_common(id, result), x, y, _sign(result, value))


def _read_box(id: str, result: Json, value: Json) -> BoxRegion | str:
    x, y = number(value.get("x")), number(value.get("y"))
    width, height = number(value.get("width")), number(value.get("height"))
    if x is None or y is None or width is None or height is None:
        return "x, y, width and height must be numbers."
    if width <= 0 or height <= 0:
        return "width and height must be positive."
    return BoxRegion(*_common(id, result), x, y, width, height, number(value.get("rotation")) or 0.0)


def _read_mask(id: str, result: Json, value: Json) -> BrushMask | str:
    rle = value["rle"]
    if not isinstance(rle, list | UnreadRle):
        return "its rle is not a list."
    return BrushMask(*_common(id, result), rle)


def _common(id: str, result: Json) -> tuple[str, str, Frame, str | None, str | None]:
    return (
        id,
        _text(result.get("from_name")) or "",
        _frame(result),
        _label(result),
        _text(result.get("parentID")),
    )


def _frame(result: Json) -> Frame:
    index = result.get("item_index")
    rotation = result.get("image_rotation")
    return Frame(
        to_name=_text(result.get("to_name")) or "",
        item_index=index if isinstance(index, int) and not isinstance(index, bool) else None,
        width=_side(result.get("original_width")),
        height=_side(result.get("original_height")),
        rotation=rotation if isinstance(rotation, int | float) and number(rotation) is not None else 0,
    )


def _label(result: Json) -> str | None:
    value = result.get("value")
    if not isinstance(value, dict):
        return None
    for key in ("labels", result["type"]):
        labels = value.get(key)
        if isinstance(labels, list) and labels and isinstance(labels[0], str) and labels[0]:
            return labels[0]
    return None


def _sign(result: Json, value: Json) -> bool | None:
    for sign in (result.get("is_positive"), value.get("positive")):
        if isinstance(sign, bool) or (isinstance(sign, int) and sign in (0, 1)):
            return bool(sign)
    return None


def number(value: object) -> float | None:
    """A finite number of ordinary size, else None: JSON may hold NaN, Infinity and 10**400."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) < 1e9 else None  # false for NaN, too


def _side(value: object) -> int | None:
    side = number(value)
    return int(side) if side is not None and 1 <= side <= _LARGEST_SIDE else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
