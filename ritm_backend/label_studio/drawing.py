"""A mask as the `value` of results, by the kind of region."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np

from ritm_backend.label_studio.masks import Mask, resize
from ritm_backend.label_studio.options import Kind, ProjectOptions
from ritm_model.inference import State
from ritm_model.inference.specks import without_specks
from ritm_model.masks import bitmask, brush_rle
from ritm_model.masks.contours import Contours
from ritm_model.masks.outline import Ring_N2
from ritm_model.masks.polygon import polygons

Value: TypeAlias = dict[str, object]

_DECIMALS = 4  # of percent: a hundredth of a pixel at 10,000 pixels


@dataclass(frozen=True, slots=True)
class MaskPart:
    """What a mask holds: from row and column `corner` on, in a `frame` of height and width.

    Its contours are `contours`, if they are known.
    """

    inside: Mask
    corner: tuple[int, int]
    frame: tuple[int, int]
    contours: Contours | None = None


def visible_part(state: State, size: tuple[int, int], min_region_pixels: int) -> MaskPart | None:
    """The mask without specks, for a picture of (width, height); None if it is empty."""
    answer = state.prediction
    if answer is None or answer.mask_roi is None:
        return None
    box = answer.mask_roi
    clicks = [replace(click, x=click.x - box.left, y=click.y - box.top) for click in state.clicks]
    inside, contours = without_specks(answer.mask_inside, clicks, min_region_pixels)
    height, width = state.frame
    if size == (width, height):
        return MaskPart(inside, (box.top, box.left), state.frame, contours)
    mask_HW = np.zeros(state.frame, np.bool_)
    mask_HW[box.slices] = inside
    resized = resize(mask_HW, *size)
    return MaskPart(resized, (0, 0), (size[1], size[0])) if resized.any() else None


def rings_of(part: MaskPart, options: ProjectOptions) -> list[Ring_N2]:
    """The polygons around a mask, in pixels."""
    return polygons(
        part.inside, options.polygon_iou, options.polygon_holes, part.corner, part.frame, part.contours
    )


def polygon_value(ring_N2: Ring_N2, frame: tuple[int, int]) -> Value:
    height, width = frame
    percent_N2 = np.clip(ring_N2 / (width, height) * 100, 0, 100).round(_DECIMALS)
    return {"points": percent_N2.tolist(), "closed": True}


def value_of(kind: Kind, part: MaskPart) -> Value:
    """The value of a region of any kind but polygons, of which a mask may need several."""
    match kind:
        case "brush":
            return {
                "format": "rle",
                "rle": brush_rle.encode_part(part.inside, part.corner, part.frame),
            }
        case "bitmask":
            return {"imageDataURL": bitmask.encode_part(part.inside, part.corner, part.frame)}
        case "box":
            return _box(part)
        case "ellipse":
            return _ellipse(part)
        case "polygon":
            raise ValueError("A mask may need several polygons.")


def _box(part: MaskPart) -> Value:
    """The smallest upright rectangle around the mask."""
    (top, left), (height, width) = part.corner, part.frame
    x, y, columns, rows = cv2.boundingRect(part.inside.view(np.uint8))
    return {
        "x": _percent(left + x, width),
        "y": _percent(top + y, height),
        "width": _percent(columns, width),
        "height": _percent(rows, height),
        "rotation": 0,
    }


def _ellipse(part: MaskPart) -> Value:
    """The ellipse with the mask's centre and its second moments, which for an ellipse is the mask itself.

    `radiusX` is along the axis that lies flatter: in percent of the width, the other would leave 0..100 for
    what stands upright in a tall picture.
    """
    (top, left), (height, width) = part.corner, part.frame
    moments = cv2.moments(part.inside.view(np.uint8), binaryImage=True)
    area = moments["m00"]
    x, y = left + moments["m10"] / area + 0.5, top + moments["m01"] / area + 0.5
    # A pixel by itself has a spread of 1/12.
    xx, yy, xy = moments["mu20"] / area + 1 / 12, moments["mu02"] / area + 1 / 12, moments["mu11"] / area
    middle, reach = (xx + yy) / 2, math.hypot((xx - yy) / 2, xy)
    flat, steep = 2 * math.sqrt(middle + reach), 2 * math.sqrt(max(middle - reach, 1 / 12))
    angle = math.degrees(math.atan2(2 * xy, xx - yy) / 2)  # of the longer axis, from -90 to 90
    if abs(angle) > 45:
        flat, steep, angle = steep, flat, angle + 90
    return {
        "x": _percent(x, width),
        "y": _percent(y, height),
        "radiusX": _percent(flat, width),
        "radiusY": _percent(steep, height),
        "rotation": round(angle % 180, 2),
    }


def _percent(pixels: float, side: int) -> float:
    return round(min(max(pixels / side * 100, 0.0), 100.0), _DECIMALS)
