"""Pictures of one annotation, click by click: what was marked, what ought to be, where the clicks were.

Shapes: H x W the image, h x w a frame.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ritm_model.clicks import Click
from ritm_model.images.overlay import draw_overlay
from ritm_model.masks.overlap import Mask, Truth
from ritm_model.simulation import OBJECT

FRAME_HEIGHT, FRAME_WIDTH = 240, 340
LEAST_MARGIN, MARGIN_SHARE = 8, 0.12
QUALITY = 72
DASH = 7  # pixels of the outline, and of the gap after it
TRUTH_COLOUR = (255, 214, 10)
BLACK = (0, 0, 0)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Viewport:
    """The part of an image that the frames show: its first column and row, its size, and the scale."""

    x: int
    y: int
    width: int
    height: int
    scale: float

    @property
    def frame_size(self) -> tuple[int, int]:
        """Width and height of a frame in pixels."""
        return max(1, round(self.width * self.scale)), max(1, round(self.height * self.scale))


def view_of(truth_HW: Truth, clicks: Sequence[Click]) -> Viewport:
    """Look at the object and all clicks, with a margin, as large as a frame may be."""
    rows, columns = np.nonzero(truth_HW == OBJECT)
    xs = [int(columns.min()), int(columns.max()), *(int(click.x) for click in clicks)]
    ys = [int(rows.min()), int(rows.max()), *(int(click.y) for click in clicks)]
    margin = LEAST_MARGIN + round(MARGIN_SHARE * max(max(xs) - min(xs), max(ys) - min(ys)))
    height, width = truth_HW.shape
    left, top = max(0, min(xs) - margin), max(0, min(ys) - margin)
    right, bottom = min(width, max(xs) + 1 + margin), min(height, max(ys) + 1 + margin)
    scale = min(FRAME_WIDTH / (right - left), FRAME_HEIGHT / (bottom - top))
    return Viewport(left, top, right - left, bottom - top, scale)


def draw_frame(
    image_HW3: Pixels, mask_HW: Mask, truth_HW: Truth, clicks: Sequence[Click], view: Viewport
) -> Pixels:
    """The mask tinted, the truth as a dashed line, the clicks with their signs; h x w x 3 uint8 RGB."""
    seen = slice(view.y, view.y + view.height), slice(view.x, view.x + view.width)
    way = cv2.INTER_AREA if view.scale < 1 else cv2.INTER_CUBIC
    picture_hw3 = cv2.resize(image_HW3[seen], view.frame_size, interpolation=way).astype(np.uint8)
    picture_hw3 = draw_overlay(picture_hw3, _resized(mask_HW[seen], view))
    _draw_dashed(picture_hw3, _resized(truth_HW[seen] == OBJECT, view))
    moved = [
        Click((click.x - view.x) * view.scale, (click.y - view.y) * view.scale, click.is_positive)
        for click in clicks
    ]
    return draw_overlay(picture_hw3, np.zeros(picture_hw3.shape[:2], np.bool_), moved)


def to_webp(picture_hw3: Pixels) -> bytes:
    """A small picture file."""
    file = io.BytesIO()
    Image.fromarray(picture_hw3).save(file, "WEBP", quality=QUALITY, method=4)
    return file.getvalue()


def _resized(mask_HW: Mask, view: Viewport) -> Mask:
    way = cv2.INTER_AREA if view.scale < 1 else cv2.INTER_LINEAR
    soft_hw = cv2.resize(mask_HW.astype(np.float32), view.frame_size, interpolation=way)
    mask_hw: Mask = soft_hw >= 0.5
    return mask_hw


def _draw_dashed(picture_hw3: Pixels, mask_hw: Mask) -> None:
    outlines, _ = cv2.findContours(mask_hw.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    for colour, width in ((BLACK, 4), (TRUTH_COLOUR, 2)):
        for outline in outlines:
            for start in range(0, len(outline), 2 * DASH):
                dash = outline[start : start + DASH]
                cv2.polylines(picture_hw3, [dash], False, colour, width, cv2.LINE_AA)
