"""Results of Label Studio that enclose pixels, and the masks that they stand for.

    for drawing in read_results(annotation["result"]).drawings:
        mask_HW = drawing.mask(height, width)

A result list may come from the editor, from an import, or from anybody who can reach the server: what is no
drawing is counted, and what is broken is named. One region may stand in several results with the same id, one
for each control (`polygon` and `labels`, or `brushlabels` and a stray `keypointlabels`): the first that has a
shape gives it, a tool's before that of a list of labels; the first that has a label names it. Different
shapes of one control are different regions.

Shapes: H x W the upright photograph; places are in percent of its width and height.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from ritm_model.images import DEFAULT_MAX_PIXELS
from ritm_ops.label_studio.shapes import KINDS, Kind, Mask, Shape, ShapeError, number, shape_of

Json: TypeAlias = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Drawing:
    """One region that encloses pixels.

    Attributes:
        id: of the region.
        kind: "brush", "bitmask", "polygon", "rectangle" or "ellipse".
        from_name: the control that drew it, or nothing.
        to_name: the image tag that it was drawn on, or nothing.
        item_index: which of the tag's pictures, or None where nothing says it.
        label: or None.
        size: (height, width) of the picture that it was drawn on, or None where the result does not say.
        shape: what encloses the pixels.
        origin: "manual", "prediction" or "prediction-changed", or nothing where the result does not say. The
            editor (1.23.2) leaves "prediction" on a polygon that somebody has moved as a whole.
        parent: id of the region that it belongs to, or nothing.
    """

    id: str
    kind: Kind
    from_name: str
    to_name: str
    item_index: int | None
    label: str | None
    size: tuple[int, int] | None
    shape: Shape = field(repr=False)
    origin: str = ""
    parent: str = ""

    def mask(self, height: int, width: int) -> Mask:
        """Paint it on a photograph.

        Returns:
            H x W bool.

        Raises:
            ShapeError: it is damaged, or was drawn on a picture of another size.
        """
        if self.size is not None:
            check_size(self.size, height, width)
        return self.shape.mask(height, width)


@dataclass(frozen=True, slots=True)
class Results:
    """What a result list holds.

    Attributes:
        drawings: in the order of the list.
        broken: id and reason of each region that cannot be read.
        others: how many there are of each type that encloses nothing.
    """

    drawings: tuple[Drawing, ...]
    broken: tuple[tuple[str, str], ...]
    others: Mapping[str, int]


def read_results(results: object) -> Results:
    """Read the `result` list of a draft, annotation or prediction."""
    drawings: dict[str, Drawing] = {}
    labels: dict[str, str] = {}
    from_lists: set[str] = set()
    broken: list[tuple[str, str]] = []
    others: Counter[str] = Counter()
    for place, result in enumerate(results if isinstance(results, list) else ()):
        kind = result.get("type") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(kind, str):
            others["broken result"] += 1
            continue
        given = result.get("id")
        id = given if isinstance(given, str) and given else f"#{place}"
        label = label_of(result)
        if label is not None:
            labels.setdefault(id, label)
        value = result.get("value")
        repeats = isinstance(value, dict) and ("rle" in value or "imageDataURL" in value)
        if kind == "labels" and not (isinstance(value, dict) and "rle" in value):
            continue  # names a region that another result draws
        if kind not in KINDS:
            others[f"{kind} that repeats a mask" if repeats else kind] += 1
            continue
        try:
            drawing = _drawing(id, kind, label, result)
        except ShapeError as error:
            broken.append((id, str(error)))
        else:
            if kind != "labels" and id in from_lists:
                drawings[id] = drawing
                from_lists.discard(id)
                continue
            if kind == "labels" and id not in drawings:
                from_lists.add(id)
            same = drawings.setdefault(id, drawing)
            if same.from_name == drawing.from_name and _place(same) != _place(drawing):  # a used id
                drawings[f"{id}-{place}"] = replace(drawing, id=f"{id}-{place}")
    named = (replace(drawing, label=drawing.label or labels.get(id)) for id, drawing in drawings.items())
    return Results(tuple(named), tuple(broken), others)


def _place(drawing: Drawing) -> tuple[object, ...]:
    return drawing.shape, drawing.to_name, drawing.item_index


def _drawing(id: str, kind: str, label: str | None, result: Json) -> Drawing:
    index = number(result.get("item_index"))
    return Drawing(
        id,
        KINDS[kind],
        _text(result.get("from_name")),
        _text(result.get("to_name")),
        int(index) if index is not None else None,
        label,
        size_of(result),
        shape_of(KINDS[kind], result.get("value")),
        _text(result.get("origin")),
        _text(result.get("parentID")),
    )


def size_of(result: Json) -> tuple[int, int] | None:
    """Height and width of the picture that a result was drawn on, or None where it does not say.

    Raises:
        ShapeError: no picture has such sides.
    """
    sides = [number(result.get(key)) for key in ("original_height", "original_width")]
    if None in sides or sides == [0, 0]:  # an image that was imported, or that did not load
        return None
    height, width = (int(side) if side is not None else 0 for side in sides)
    if height < 1 or width < 1 or height * width > DEFAULT_MAX_PIXELS:
        raise ShapeError(f"An image of {width} x {height} pixels cannot be used.")
    return height, width


def label_of(result: Json) -> str | None:
    """The first label of a result, or None."""
    value, kind = result.get("value"), result.get("type")
    if not isinstance(value, dict):
        return None
    of_others = (key for key in value if isinstance(key, str) and key.endswith("labels"))
    for key in ("labels", kind, *of_others):
        labels = value.get(key)
        if isinstance(labels, list) and labels and isinstance(labels[0], str) and labels[0]:
            return labels[0]
    return None


def check_size(size: tuple[int, int], height: int, width: int) -> None:
    """Raise ShapeError unless a mask of this (height, width) fits the photograph."""
    if size == (height, width):
        return
    turned = size == (width, height)
    hint = "; one of them was turned by its orientation tag" if turned else ""
    raise ShapeError(
        f"The mask is for {size[1]} x {size[0]} pixels, the photograph has {width} x {height}{hint}."
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
