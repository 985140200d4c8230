"""Masks as COCO writes them: polygons, and runs of pixels, plain or packed into text.

Shapes: H x W the image.
"""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from pycocotools import mask as coco

from ritm_model.images import DEFAULT_MAX_PIXELS

Mask = npt.NDArray[np.bool_]

LONGEST_OUTLINE = 2_000_000
"""Pixels around the polygons of one mask; COCO's tools take some 40 bytes and half a microsecond for each."""


class MaskError(ValueError):
    """What stands for a mask is none. The message is a sentence."""


def coco_mask(segmentation: object, height: int, width: int) -> Mask:
    """Paint a `segmentation` of COCO, in the way of COCO's own tools.

    Args:
        segmentation: what `polygons` takes, or runs {"size", "counts"}, also several in a list; without a
            size, that of the image.
        height: of the image.
        width: of the image.

    Returns:
        H x W bool.

    Raises:
        MaskError: it is neither, or leaves the image by far.
    """
    if isinstance(segmentation, dict):
        size = segmentation.get("size")
        if size is not None and _as_numbers(size) != [height, width]:
            raise MaskError(f"The runs are for another size than the image's {width} x {height} pixels.")
        return decode_runs(segmentation.get("counts"), height, width)
    mask_HW = np.zeros((height, width), np.bool_)
    if isinstance(segmentation, list) and is_runs(segmentation):
        for part in segmentation:
            mask_HW |= coco_mask(part, height, width)
        return mask_HW
    rings = polygons(segmentation, height, width)
    if sum(map(_outline_pixels, rings)) > LONGEST_OUTLINE:
        raise MaskError(f"The outline of the polygons is longer than {LONGEST_OUTLINE:,} pixels.")
    points = [polygon.ravel().tolist() for polygon in rings]
    painted = coco.frPyObjects(points, height, width)  # type: ignore[arg-type]  # floats, too
    for runs in painted:
        mask_HW |= decode_runs(runs["counts"], height, width)
    return mask_HW


def is_runs(segmentation: object) -> bool:
    """Whether it is written as runs, or as a list of them, and not as polygons."""
    parts = segmentation if isinstance(segmentation, list) else [segmentation]
    return bool(parts) and all(isinstance(part, dict) for part in parts)


def _outline_pixels(ring_N2: npt.NDArray[np.float64]) -> int:
    """How long COCO's tools find a ring: the longer side of each edge, and a pixel for the corner."""
    edges_N2 = np.abs(ring_N2 - np.roll(ring_N2, 1, axis=0))
    return int(edges_N2.max(axis=1).sum()) + len(ring_N2)


def filled_polygons(segmentation: object, height: int, width: int) -> Mask:
    """Paint polygons as the paper's LVIS reader does: corners rounded, outline included.

    Raises:
        MaskError: they are none, or leave the image by far.
    """
    mask_HW = np.zeros((height, width), np.uint8)
    for polygon in polygons(segmentation, height, width):
        cv2.fillPoly(mask_HW, [np.round(polygon).astype(np.int32)], [1])
    return mask_HW > 0


def polygons(segmentation: object, height: int, width: int) -> list[npt.NDArray[np.float64]]:
    """The polygons that can be painted: N x 2 (x, y) each. `broken_parts` tells of the others.

    Args:
        segmentation: a list of polygons [x, y, x, y, …]. Other tools write one polygon without the outer
            list, or points as pairs [x, y]; they are read, too.
        height: of the image.
        width: of the image.

    Raises:
        MaskError: there is no polygon of at least three points near the image.
    """
    parts = _parts(segmentation)
    checked = [part for part in parts if not _broken(part, height, width)]
    if not checked:
        raise MaskError(
            _broken(parts[0], height, width) if parts else "There are no polygons; a box alone is no mask."
        )
    return [np.asarray(part, np.float64).reshape(-1, 2) for part in checked]


def broken_parts(segmentation: object, height: int, width: int) -> list[str]:
    """A sentence for each polygon that is left out beside others."""
    broken = [_broken(part, height, width) for part in _parts(segmentation) if not isinstance(part, dict)]
    return [
        f"Part {place} of {len(broken)} is left out: {reason}"
        for place, reason in enumerate(broken, 1)
        if reason and not all(broken)
    ]


def _parts(segmentation: object) -> list[object]:
    """One list of numbers a polygon, if it is well written."""
    parts = _as_numbers(segmentation)
    if not isinstance(parts, list) or not parts:
        return []
    is_flat = all(type(part) in (int, float) for part in parts)
    is_points = len(parts) >= 3 and all(isinstance(part, list) and len(part) == 2 for part in parts)
    return [_flat(_as_numbers(part)) for part in ([parts] if is_flat or is_points else parts)]


def _as_numbers(values: object) -> Any:
    """A list of numbers that some programs write as text; anything else as it is."""
    if isinstance(values, list) and values and all(isinstance(value, str) for value in values):
        with suppress(ValueError):
            return [float(value) for value in values]
    return values


def _flat(part: object) -> object:
    if isinstance(part, list) and part and all(isinstance(point, list) and len(point) == 2 for point in part):
        return [side for point in part for side in _as_numbers(point)]
    return part


def _broken(numbers: object, height: int, width: int) -> str:
    """Why something is no polygon, or nothing."""
    if not isinstance(numbers, list) or len(numbers) < 6 or len(numbers) % 2:
        return "A polygon is not a list of at least three points x, y."
    if not all(type(number) in (int, float) for number in numbers):
        return "A polygon holds something that is no number."
    reach = 2 * max(height, width)
    if not all(-reach <= number <= reach for number in numbers):
        return "A polygon leaves the image by far."
    return ""


def decode_runs(counts: object, height: int, width: int) -> Mask:
    """Paint runs, which go down the columns and begin with background.

    Args:
        counts: lengths as a list, or packed into text or bytes.
        height: of the image.
        width: of the image.

    Raises:
        MaskError: damaged, or not as many pixels as the image has.
    """
    pixels, counts = height * width, _as_numbers(counts)
    if isinstance(counts, str | bytes):
        lengths = _unpacked(_bytes_of(counts) if isinstance(counts, str) else counts)
    elif isinstance(counts, list) and all(_is_whole(count) for count in counts):
        lengths = np.array([count if 0 <= count <= pixels else -1 for count in counts], np.int64)
    else:
        raise MaskError("The runs are neither numbers nor text.")
    # Each length is checked before the sum, which could overflow.
    if ((lengths < 0) | (lengths > pixels)).any() or lengths.sum() != pixels:
        raise MaskError("The runs do not cover the image.")
    values = np.arange(len(lengths)) % 2 == 1
    return np.repeat(values, lengths).reshape(width, height).T


def _is_whole(count: object) -> bool:
    return type(count) is int or (isinstance(count, float) and count.is_integer())


def _bytes_of(text: str) -> bytes:
    """Packed runs out of JSON. Some programs write the text b'...' of bytes; no runs begin like that."""
    if text[:2] in ("b'", 'b"') and text[-1] == text[1]:
        try:
            value = ast.literal_eval(text)
        except (SyntaxError, ValueError):
            value = None
        if isinstance(value, bytes):
            return value
    return text.encode("latin1", "replace")


def _unpacked(text: bytes) -> npt.NDArray[np.int64]:
    """Five bits a letter, the lowest first; from the fourth number on differences to the last but one."""
    letters = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not letters.size:
        return letters
    if letters.min() < 0 or letters.max() >= 64:
        raise MaskError("The packed runs are damaged.")
    if letters[-1] & 32:
        raise MaskError("The packed runs are cut off.")
    ends = np.flatnonzero(letters & 32 == 0)
    starts = np.concatenate(([0], ends[:-1] + 1))
    shifts = 5 * (np.arange(letters.size) - np.repeat(starts, ends - starts + 1))
    if shifts.max() > 35:
        raise MaskError("The packed runs are damaged.")
    lengths: npt.NDArray[np.int64] = np.add.reduceat((letters & 31) << shifts, starts)
    is_negative = letters[ends] & 16 > 0
    lengths[is_negative] -= 32 << shifts[ends[is_negative]]
    for first in (1, 2):
        np.cumsum(lengths[first::2], out=lengths[first::2])
    return lengths


def image_size_of(record: object) -> tuple[int, int]:
    """Height and width that a record of COCO gives, as 160 or 160.0.

    Raises:
        MaskError: none, or impossible ones.
    """
    sides = [record.get(key) for key in ("height", "width")] if isinstance(record, dict) else [None, None]
    known = [side for side in sides if type(side) is int or (isinstance(side, float) and side.is_integer())]
    if len(known) < len(sides):
        raise MaskError("The image has no height and width.")
    height, width = map(int, known)
    if height < 1 or width < 1 or height * width > DEFAULT_MAX_PIXELS:
        raise MaskError(f"An image of {width} x {height} pixels cannot be used.")
    return height, width
