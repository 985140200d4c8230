"""Sequences: what was drawn on the frame before, moved to where it is on the next one, to begin with.

Frames of one sequence lie in one folder, and their names differ by their last number alone, as `clip_007.jpg`
and `clip_008.jpg` do.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ritm_model.errors import RitmError
from ritm_model.images import Pixels, decode_image
from ritm_model.images.names import loose_key
from ritm_model.masks.brush_rle import encode
from ritm_model.masks.moved import Mask, moved
from ritm_ops.label_studio.client import JSON, LabelStudioClient
from ritm_ops.label_studio.results import Drawing, read_results
from ritm_ops.label_studio.shapes import ShapeError
from training.next.judging import Fetcher
from training.next.project import Task

LEAST_AGREEMENT = 0.7
"""A mask that comes back from the next frame less like itself is left out: the flow has lost its object."""

_FRAME = re.compile(r"(.*?)([0-9]{1,9})([^0-9]*)")


@dataclass(frozen=True, slots=True)
class Moved:
    """What a task begins with.

    Attributes:
        before: the task of the frame before.
        results: regions, as Label Studio has them; at least one.
    """

    before: int
    results: tuple[JSON, ...]

    @property
    def digest(self) -> str:
        """Of the regions."""
        return hashlib.sha256(json.dumps(self.results, sort_keys=True).encode()).hexdigest()[:16]


def frames_before(tasks: Mapping[int, Task]) -> dict[int, Task]:
    """Of unlabelled tasks of sequences, the labelled task of the frame right before, by their number."""
    sequences: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for task in tasks.values():
        found = _frame_of(task)
        if found is not None:
            sequences.setdefault(found[0], []).append((found[1], task.id))
    before: dict[int, Task] = {}
    for frames in sequences.values():
        frames.sort()
        for (_, earlier), (_, later) in pairwise(frames):
            if tasks[earlier].is_labelled and not tasks[later].is_labelled:
                before[later] = tasks[earlier]
    return before


def moved_regions(client: LabelStudioClient, fetcher: Fetcher, before: Task, after: Task) -> Moved | None:
    """Move what was drawn by brush on one frame to the next.

    Returns:
        None where nothing was drawn, nothing is left of it, or the frames cannot be read.

    Raises:
        LabelStudioError: Label Studio cannot be reached, or refuses.
    """
    drawings = [each for each in _drawn(client, before) if each.kind == "brush" and each.label is not None]
    if not drawings:
        return None
    try:
        before_HW3, after_HW3 = (
            decode_image(fetcher.fetch(task.references[0], task_id=task.id)) for task in (before, after)
        )
    except RitmError:  # that a picture cannot be read is said where it is judged
        return None
    if before_HW3.shape != after_HW3.shape:
        return None
    results = [
        _result(drawing, mask_HW)
        for drawing in drawings
        if (mask_HW := _moved_mask(drawing, before_HW3, after_HW3)) is not None
    ]
    return Moved(before.id, tuple(results)) if results else None


def _frame_of(task: Task) -> tuple[tuple[str, ...], int] | None:
    if len(task.references) != 1 or task.has_more:
        return None
    folder, _, name = task.references[0].partition("?")[0].rpartition("/")
    found = _FRAME.fullmatch(loose_key(name))
    return ((folder, found[1], found[3]), int(found[2])) if found else None


def _drawn(client: LabelStudioClient, task: Task) -> Sequence[Drawing]:
    """Of the newest annotation that was not cancelled."""
    answer = client.call("GET", f"/api/tasks/{task.id}/")
    annotations = answer.get("annotations") if isinstance(answer, dict) else None
    known = [
        each
        for each in (annotations if isinstance(annotations, list) else [])
        if isinstance(each, dict) and not each.get("was_cancelled")
    ]
    if not known:
        return ()
    newest = max(known, key=lambda each: (str(each.get("updated_at")), str(each.get("id"))))
    return read_results(newest.get("result")).drawings


def _moved_mask(drawing: Drawing, before_HW3: Pixels, after_HW3: Pixels) -> Mask | None:
    try:
        mask_HW = drawing.mask(*before_HW3.shape[:2])
    except ShapeError:
        return None
    moved_HW = moved(mask_HW, before_HW3, after_HW3)
    back_HW = moved(moved_HW, after_HW3, before_HW3)
    union = int((back_HW | mask_HW).sum())
    is_lost = not moved_HW.any() or (back_HW & mask_HW).sum() < LEAST_AGREEMENT * union
    return None if is_lost else moved_HW


def _result(drawing: Drawing, mask_HW: Mask) -> JSON:
    height, width = mask_HW.shape
    rle: list[JSON] = list(encode(mask_HW))
    return {
        "id": hashlib.sha256(drawing.id.encode("utf-8", "surrogatepass")).hexdigest()[:10],
        "type": "brushlabels",
        "from_name": drawing.from_name,
        "to_name": drawing.to_name,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": rle, "brushlabels": [drawing.label]},
    }
