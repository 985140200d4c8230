"""CVAT's mask encoding: `[run, run, …, left, top, right, bottom]`.

The runs go row by row inside the box and count unset and set pixels in turn, unset first (a run of 0
when the first pixel is set). Both ends of the box are inclusive. The runs add up to its area.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ritm_model.errors import RitmError

BOX_LENGTH = 4
_LARGEST = 2.0**53
"""Beyond it floats skip whole numbers, and no frame is as large."""


class MaskRleError(RitmError):
    """Numbers that are no CVAT mask."""


def encode(mask_HW: npt.NDArray[np.bool_]) -> list[int]:
    """Encode a mask inside the smallest box that holds it.

    Args:
        mask_HW: bool, at least one pixel set.

    Raises:
        ValueError: nothing is set, so that there is no box.
    """
    rows = np.flatnonzero(mask_HW.any(axis=1))
    if rows.size == 0:
        raise ValueError("An empty mask has no box.")
    top, bottom = int(rows[0]), int(rows[-1])
    columns = np.flatnonzero(mask_HW[top : bottom + 1].any(axis=0))
    left, right = int(columns[0]), int(columns[-1])

    pixels = mask_HW[top : bottom + 1, left : right + 1].ravel()
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges = np.concatenate(([0], changes, [pixels.size]))
    runs: list[int] = np.diff(edges).tolist()
    if pixels[0]:
        runs.insert(0, 0)
    return [*runs, left, top, right, bottom]


def decode(points: Sequence[float], *, width: int, height: int) -> npt.NDArray[np.bool_]:
    """Paint an encoded mask on an empty frame.

    Args:
        points: as `encode` returns them; whole numbers may come as floats, as CVAT's API sends them.
        width: of the frame in pixels.
        height: of the frame in pixels.

    Returns:
        The mask, bool height x width.

    Raises:
        MaskRleError: a number is not whole, the box leaves the frame or does not fit the runs.
    """
    try:
        numbers = np.asarray(points, dtype=np.float64)
    except OverflowError as error:
        raise MaskRleError("A mask holds a number that is larger than any frame.") from error
    if numbers.ndim != 1 or numbers.size <= BOX_LENGTH:
        raise MaskRleError("A mask needs at least one run and the four numbers of its box.")
    if not np.isfinite(numbers).all() or (numbers != np.floor(numbers)).any() or (numbers < 0).any():
        raise MaskRleError("A mask holds a number that is not whole or below zero.")
    if (numbers > _LARGEST).any():
        raise MaskRleError("A mask holds a number that is larger than any frame.")
    runs = numbers[:-BOX_LENGTH]
    left, top, right, bottom = (int(number) for number in numbers[-BOX_LENGTH:])
    if not (left <= right < width and top <= bottom < height):
        raise MaskRleError(
            f"The box {left}, {top}, {right}, {bottom} of a mask does not fit a frame of {width} x {height}."
        )
    box_height, box_width = bottom - top + 1, right - left + 1
    if runs.sum() != box_height * box_width:
        raise MaskRleError(
            f"The runs of a mask cover {runs.sum():.0f} pixels, its box {box_height * box_width}."
        )
    is_set = np.arange(runs.size) % 2 == 1
    mask_HW = np.zeros((height, width), dtype=np.bool_)
    mask_HW[top : bottom + 1, left : right + 1] = np.repeat(is_set, runs.astype(np.int64)).reshape(
        box_height, box_width
    )
    return mask_HW
