"""Clicking into a region that is already there: refine it instead of making a new one.

The rule. An object refines an existing region if its first click, positive or negative, lies inside a region
of the same image and label (of any label, if the click has none): a brush, bitmask, polygon or ellipse, else
a rectangle that is no smart tool's. Regions are looked for in the user's newest draft alone, because it is
all that the open editor shows; without a draft in predictions, the newest first, and before them in
annotations where the project says so (`sources_on_screen`). Of regions with the same id only the first found
counts, because the others are older versions of it. Its mask becomes the previous mask, a rectangle the
region of interest; its id, label and control are kept, so the editor replaces it, all but the id of a
bitmask.

A first positive click beside a region, no farther than a part of the root of its area, refines it, too, if a
model has predicted it, nobody has touched it, and no other region is as near: far more such clicks mean that
region than a new object, as `bench/clicks/beside.py` shows. A box begins a new object wherever it is drawn.

What a person made, changed or submitted is kept where no click is about it. What a model predicted and nobody
has touched is a first guess, which a click may change as a whole: that takes fewer clicks, as
`bench/clicks/boxes.py` shows. It is untouched in a prediction whose region stands in no annotation, and in
the draft of a new annotation if the editor marks it as predicted and a prediction shows it so.

Memory. Choices and masks are bounded by bytes, not by time: what was not used for longest goes first.

The choice must not change while the object is being clicked. But what Label Studio sends changes
meanwhile: a draft is saved about five seconds after each change, so a region accepted just before the first
click can appear at the second, with the first click inside it. Therefore:

* The choice, also that nothing is refined, is made once per first click (its id and its place, as a dragged
  click is a new question) and holds while it is remembered.
* A region with the id that this object's own mask has is never chosen: it is the result of these very
  clicks, come back through the draft, and replaying the clicks gives it again.
* Forgotten, after a restart or in another process, the choice is made again from what Label Studio holds
  then. While an object is pending, that is the same, unless a draft was saved in between.

What this cannot see: a mask accepted less than those five seconds ago.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from time import monotonic
from typing import NamedTuple

import numpy as np

from ritm_backend.label_studio import regions
from ritm_backend.label_studio.config import LabelingConfig
from ritm_backend.label_studio.errors import TaskError
from ritm_backend.label_studio.masks import PackedMask
from ritm_backend.label_studio.prompts import (
    ObjectPrompt,
    Source,
    predictions_of,
    sources,
    sources_on_screen,
    stable_id,
)
from ritm_backend.label_studio.regions import Json, KeyPoint
from ritm_backend.lru import BytesLru
from ritm_ops.label_studio.results import Drawing, read_results
from ritm_ops.label_studio.shapes import Bitmask, Brush, Polygon, Rectangle, Shape, ShapeError

_OVERHEAD = 512  # bytes of an entry without its mask
_SAME_IOU = 0.98  # the editor rounds what it was given
_REACH = 0.15  # of the root of a region's area; farther clicks mean new objects too often
_MARGIN = 2.0  # pixels by which a painted shape may leave its bounds


@dataclass(frozen=True, slots=True)
class Existing:
    """A region to be refined: its mask, or its rectangle.

    `key` names the mask's content. `is_guess` says that it is a model's, and nobody has touched it.
    """

    id: str
    kind: str
    from_name: str
    label: str | None
    mask: PackedMask
    key: str
    rectangle: Rectangle | None = None
    is_guess: bool = False

    @property
    def can_be_replaced(self) -> bool:
        """Whether the editor replaces it by an answer with its id.

        A bitmask takes all clicks inside itself until it is selected; and of a selected region with the id of
        a suggestion, the editor (1.23.2) shows nothing any more.
        """
        return self.kind != "bitmask"


def within(prompt: ObjectPrompt, existing: Existing) -> ObjectPrompt:
    """The object with the existing rectangle as its box."""
    shape = existing.rectangle
    if shape is None:
        return prompt
    box = regions.BoxRegion(
        id=existing.id,
        from_name=existing.from_name,
        frame=prompt.frame,
        label=existing.label,
        parent=None,
        x=shape.x,
        y=shape.y,
        width=shape.width,
        height=shape.height,
        rotation=shape.rotation,
    )
    return replace(prompt, box=box)


class _Candidate(NamedTuple):
    drawing: Drawing
    source: Source


class _Search(NamedTuple):
    """Where a first click lies, in pixels of a picture of `size` (width, height), and among what."""

    task: Json
    candidates: list[_Candidate]
    place: tuple[float, float]
    size: tuple[int, int]
    deadline: float


@dataclass(frozen=True, slots=True)
class _Choice:
    existing: Existing | None


class ExistingRegions:
    """Finds the region a first click refines, and remembers the choice and the painted masks.

    Args:
        memory: Bytes to remember with, half of them for the choices and half for the masks. No time limit.
    """

    def __init__(self, memory: int) -> None:
        self._choices: BytesLru[object, _Choice] = BytesLru(memory // 2)
        self._masks: BytesLru[str, PackedMask] = BytesLru(memory // 2)

    def choose(
        self,
        task: Json,
        prompt: ObjectPrompt,
        size: tuple[int, int],
        config: LabelingConfig,
        *,
        of_everyone: bool,
        deadline: float = math.inf,
    ) -> Existing | None:
        """The region that the object's clicks refine, if any, by the rule of this module.

        Args:
            task: As Label Studio sends it. Broken regions in it are passed over.
            prompt: The object. A box never refines.
            size: Width and height of the picture in the editor, in pixels.
            config: The labeling configuration.
            of_everyone: Whether annotations are looked into, whoever made them.
            deadline: Until when regions are looked at, in seconds of the monotonic clock.

        Raises:
            TaskError: There are so many large regions that the deadline has passed.
        """
        first = prompt.first
        if not isinstance(first, KeyPoint):
            return None
        own_id = stable_id(task.get("id"), prompt)
        key = (own_id, first.x, first.y)
        choice = self._choices.get(key)
        if choice is None:
            candidates = [
                each
                for each in _candidates(task, config, of_everyone=of_everyone)
                if each.drawing.id != own_id and _is_comparable(each.drawing, prompt, size)
            ]
            # A rectangle often stands around a mask.
            candidates.sort(key=lambda each: each.drawing.kind == "rectangle")
            search = _Search(task, candidates, _pixel(first, size), size, deadline)
            found = self._first_around(search)
            if found is None and first.is_positive is not False:
                found = self._only_beside(search)
            nbytes = _OVERHEAD + (found.mask.bits.nbytes if found else 0)
            choice = self._choices.setdefault(key, _Choice(found), nbytes)
        return choice.existing

    def _first_around(self, search: _Search) -> Existing | None:
        for candidate, key, mask in self._painted(search):
            if mask.contains(*search.place):
                is_guess = self._is_untouched(search.task, candidate, mask, search.size)
                return _existing(candidate.drawing, key, mask, is_guess=is_guess)
        return None

    def _only_beside(self, search: _Search) -> Existing | None:
        masks = [each for each in search.candidates if each.drawing.kind != "rectangle"]
        near = [
            (candidate, key, mask)
            for candidate, key, mask in self._painted(search._replace(candidates=masks), _REACH)
            if mask.is_within(_REACH * math.sqrt(mask.area), *search.place)
        ]
        if len(near) != 1:
            return None
        ((candidate, key, mask),) = near
        found = _existing(candidate.drawing, key, mask, is_guess=True)
        is_guess = self._is_untouched(search.task, candidate, mask, search.size)
        return found if found.can_be_replaced and is_guess else None

    def _painted(self, search: _Search, reach: float = 0.0) -> Iterator[tuple[_Candidate, str, PackedMask]]:
        """The masks of candidates which may lie around the place, or so near to it."""
        (x, y), (width, height) = search.place, search.size
        for candidate in search.candidates:
            left, top, right, bottom = candidate.drawing.shape.bounds(height, width)
            margin = _MARGIN + reach * math.sqrt(max(right - left, 0) * max(bottom - top, 0))
            if not (left - margin <= x <= right + margin and top - margin <= y <= bottom + margin):
                continue
            if monotonic() > search.deadline:
                raise TaskError("The task has so many large regions that there was no time for them.")
            try:
                key, mask = self._paint(candidate.drawing, search.size)
            except ShapeError:
                continue  # somebody else's trouble, and no reason to refuse this click
            yield candidate, key, mask

    def _is_untouched(
        self, task: Json, candidate: _Candidate, mask: PackedMask, size: tuple[int, int]
    ) -> bool:
        drawing, source = candidate
        if source.kind == "prediction":
            annotated = (each for each in sources(task) if each.kind == "annotation")
            return all(other.id != drawing.id for other in _drawings(annotated))
        if source.kind == "annotation" or source.entry.get("annotation") is not None:
            return False  # submitted
        if drawing.origin != "prediction":
            return False
        return any(
            other.id == drawing.id and self._shows(other, mask, size)
            for other in _drawings(predictions_of(task))
        )

    def _shows(self, drawing: Drawing, mask: PackedMask, size: tuple[int, int]) -> bool:
        try:
            _, other = self._paint(drawing, size)
        except ShapeError:
            return False
        first_HW, second_HW = mask.unpack(), other.unpack()
        either = np.count_nonzero(first_HW | second_HW)
        return bool(np.count_nonzero(first_HW & second_HW) >= _SAME_IOU * either)

    def _paint(self, drawing: Drawing, size: tuple[int, int]) -> tuple[str, PackedMask]:
        content = _content(drawing.shape)
        key = sha256(b"%s:%dx%d:" % (drawing.kind.encode(), *size) + content).hexdigest()
        mask = self._masks.get(key)
        if mask is None:
            mask = PackedMask.pack(drawing.mask(size[1], size[0]))
            self._masks.setdefault(key, mask, _OVERHEAD + mask.bits.nbytes)
        return key, mask


def _existing(drawing: Drawing, key: str, mask: PackedMask, *, is_guess: bool) -> Existing:
    rectangle = drawing.shape if isinstance(drawing.shape, Rectangle) else None
    return Existing(
        drawing.id, drawing.kind, drawing.from_name, drawing.label, mask, key, rectangle, is_guess=is_guess
    )


def _pixel(point: KeyPoint, size: tuple[int, int]) -> tuple[float, float]:
    """Where a point lies in a picture of (width, height), clamped into it."""
    width, height = size
    x, y = point.x / 100 * width, point.y / 100 * height
    return min(max(x, 0.0), width - 1.0), min(max(y, 0.0), height - 1.0)


def _content(shape: Shape) -> bytes:
    match shape:
        case Brush():
            return shape.bytes()
        case Bitmask():
            return shape.url.encode()
        case Polygon():
            return repr(shape.points).encode()
    return repr(shape).encode()


def _drawings(found: Iterable[Source]) -> Iterator[Drawing]:
    for source in found:
        yield from read_results(source.entry.get("result")).drawings


def _candidates(task: Json, config: LabelingConfig, *, of_everyone: bool) -> Iterator[_Candidate]:
    seen: set[str] = set()
    for source in sources_on_screen(task, of_everyone=of_everyone):
        for drawing in reversed(read_results(source.entry.get("result")).drawings):
            if drawing.id in seen:
                continue
            seen.add(drawing.id)
            if drawing.kind != "rectangle" or not _asks(drawing, config):
                yield _Candidate(drawing, source)


def _asks(rectangle: Drawing, config: LabelingConfig) -> bool:
    """Whether a rectangle is a smart tool's: left behind from asking for a mask."""
    tools = config.of_image(rectangle.to_name, "rectanglelabels", "rectangle")
    return any(tool.name == rectangle.from_name and tool.is_smart for tool in tools)


def _is_comparable(drawing: Drawing, prompt: ObjectPrompt, size: tuple[int, int]) -> bool:
    ours = prompt.frame
    return (
        drawing.to_name == ours.to_name
        and (drawing.item_index or 0) == (ours.item_index or 0)
        and drawing.size in (None, (size[1], size[0]))
        and prompt.label in (None, drawing.label)
    )
