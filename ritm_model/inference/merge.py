"""Putting an answer together from the one before and a new one.

Shapes: H x W the image, h x w a grid of probabilities over part of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Roi, Size, clamp, hull
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Mask, Prediction
from ritm_model.inference.zoom_in import scaled

LARGEST_GRID = 1024
"""Longer side of the probabilities that are kept of an answer put together from two."""


@dataclass(frozen=True, slots=True)
class ProgressiveMerge:
    """Change the mask only where the annotator has clicked, and leave what was right before alone.

    Of all that a new answer would change, the connected part (8 neighbours) with the click in it is taken.
    Where the click lies beside everything that would change, the answer is taken as it is.
    (Chen et al., "FocalClick", 2022.)

    Attributes:
        from_mask: from the first click on, when a mask was given to be kept but for corrections.
        from_click: from this click on, counted from 1, when it was not; None for never.
    """

    from_mask: bool = True
    from_click: int | None = None

    def applies(self, clicks: int, *, from_mask: bool) -> bool:
        """Whether the answer to the last of so many clicks is merged."""
        if from_mask:
            return self.from_mask
        return self.from_click is not None and clicks >= self.from_click


class MaskChange(NamedTuple):
    """Pixels of the image.

    Attributes:
        box: where they lie.
        inside: which pixels of the box belong to them.
    """

    box: Roi
    inside: Mask


def clicked_change(before: Prediction, after: Prediction, clicks: Sequence[Click]) -> MaskChange | None:
    """The connected parts (8 neighbours) of the difference with clicks in them; None if all lie elsewhere."""
    box, differs = _difference(before, after)
    filled = differs.astype(np.uint8)
    for click in clicks:
        row, column = math.floor(click.y) - box.top, math.floor(click.x) - box.left
        if 0 <= row < filled.shape[0] and 0 <= column < filled.shape[1] and filled[row, column] == 1:
            cv2.floodFill(filled, None, (column, row), 2, flags=8)
    inside = filled == 2
    return MaskChange(box, inside) if inside.any() else None


def overlaid(before: Prediction, after: Prediction, change: MaskChange) -> Prediction:
    """The answer that is `after` inside `change` and `before` elsewhere.

    The mask is so to the pixel. The probabilities are kept on the grid of `after`, as far as it reaches.
    """
    box = hull(before.mask_roi, after.mask_roi) or change.box
    inside = _within(change, box)
    mask = np.where(inside, after.mask_in(box), before.mask_in(box))
    soft = _overlaid_soft(before, after, change)
    of_mask = SoftMap(mask, box, soft.frame).crop(soft.roi, _grid(soft)) >= 0.5
    score = float(soft.values_hw[of_mask].mean(dtype=np.float64)) if of_mask.any() else 0.0
    return Prediction.marked(soft, mask, box, score)


def _overlaid_soft(before: Prediction, after: Prediction, change: MaskChange) -> SoftMap:
    frame = after.soft.frame
    seen = after.soft.roi
    roi = hull(seen, before.object_roi) or seen
    grid = _grid(after.soft)
    if roi != seen:
        density = min(1.0, max(grid[0] / seen.size[0], grid[1] / seen.size[1]))
        grid = scaled(roi.size, min(density, LARGEST_GRID / max(roi.size)))
    from_after = SoftMap(change.inside, change.box, frame).crop(roi, grid) >= 0.5
    values_hw = np.where(from_after, _on_grid(after.soft, roi, grid), _on_grid(before.soft, roi, grid))
    return SoftMap(values_hw.astype(np.float32, copy=False), roi, frame)


def _on_grid(soft: SoftMap, roi: Roi, grid: Size) -> Mask | np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return soft.values_hw if (soft.roi, _grid(soft)) == (roi, grid) else soft.crop(roi, grid)


def _grid(soft: SoftMap) -> Size:
    return soft.values_hw.shape[0], soft.values_hw.shape[1]


def _difference(before: Prediction, after: Prediction) -> MaskChange:
    box = hull(before.mask_roi, after.mask_roi)
    if box is None:
        return MaskChange(Roi(0, -1, 0, -1), np.zeros((0, 0), np.bool_))
    return MaskChange(box, before.mask_in(box) ^ after.mask_in(box))


def _within(change: MaskChange, box: Roi) -> Mask:
    """Which pixels of the box belong to the change."""
    inside = np.zeros(box.size, np.bool_)
    shared = clamp(change.box, box)
    if min(shared.size) > 0:
        inside[shared.within(box)] = change.inside[shared.within(change.box)]
    return inside
