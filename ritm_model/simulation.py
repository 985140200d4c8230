"""The simulated annotator: where does the next click go, given the object and the mask so far?

It clicks into the middle of the largest mistake, as the paper's evaluation does, so that the number of
clicks it needs (NoC) says how good a model is.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click

OBJECT = 1
IGNORED = -1


def next_click(
    mask_HW: npt.NDArray[np.bool_],
    truth_HW: npt.NDArray[np.integer],
    not_clicked_HW: npt.NDArray[np.bool_] | None = None,
) -> Click:
    """Click where the mask is wrong, as far inside the mistake as possible.

    The deepest pixel of the missing parts competes with the deepest of the superfluous ones; depth is the
    Euclidean distance to the mistake's edge or to the frame's. A tie goes to the negative click, and among
    pixels of equal depth to the first in reading order. A perfect mask gives a negative click at (0, 0).

    Args:
        mask_HW: the mask so far, bool.
        truth_HW: 1 on the object, -1 where nothing counts, anything else is background.
        not_clicked_HW: False on every pixel that was clicked before, which is not clicked again.

    Returns:
        A click on a pixel, with whole coordinates.
    """
    is_object_HW = truth_HW == OBJECT
    counts_HW = truth_HW != IGNORED
    missing_HW = squared_depth(is_object_HW & ~mask_HW & counts_HW)
    superfluous_HW = squared_depth(~is_object_HW & mask_HW & counts_HW)
    if not_clicked_HW is not None:
        missing_HW *= not_clicked_HW
        superfluous_HW *= not_clicked_HW

    is_positive = bool(missing_HW.max() > superfluous_HW.max())
    depth_HW = missing_HW if is_positive else superfluous_HW
    row, column = np.unravel_index(int(depth_HW.argmax()), depth_HW.shape)
    return Click(x=float(column), y=float(row), is_positive=is_positive)


def squared_depth(region_HW: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """Squared distance of each pixel of a region to the nearest outside it; beyond the frame is outside.

    Squares of distances between pixels are whole numbers. Rounded to them they are exact, while the last bits
    of the distances depend on the processor, the number of threads and where the array lies in memory, and
    with them which of two equally deep pixels would be clicked.
    """
    padded = np.pad(region_HW.astype(np.uint8), 1)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    squares: npt.NDArray[np.float32] = np.rint(depth * depth)
    return squares
