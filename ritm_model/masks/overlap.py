"""How alike are two masks?

Shapes: H x W the image. Truth is int8: 1 on the object, -1 where nothing counts, 0 elsewhere.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.simulation import IGNORED, OBJECT

Mask = npt.NDArray[np.bool_]
Truth = npt.NDArray[np.int8]

BOUNDARY_SHARE = 0.02
"""Width of the band of `boundary_iou`, as a part of the image's diagonal."""


def iou(mask_HW: Mask, truth_HW: Truth) -> float:
    """Intersection over union, in [0, 1], ignored pixels left out; nan if both are empty."""
    return _iou(mask_HW, truth_HW == OBJECT, truth_HW != IGNORED)


def boundary_iou(mask_HW: Mask, truth_HW: Truth) -> float:
    """Intersection over union of the two inner borders, in [0, 1]; nan if both are empty.

    The border of a mask is what lies in it no further than 2 % of the image's diagonal from its edge, so
    that a large object does not hide a coarse outline. The frame is an edge, too.
    """
    width = max(round(BOUNDARY_SHARE * math.hypot(*mask_HW.shape)), 1)
    is_object_HW = truth_HW == OBJECT
    return _iou(_border(mask_HW, width), _border(is_object_HW, width), truth_HW != IGNORED)


def _iou(first_HW: Mask, second_HW: Mask, counts_HW: Mask) -> float:
    union = np.count_nonzero((first_HW | second_HW) & counts_HW)
    both = np.count_nonzero(first_HW & second_HW & counts_HW)
    return both / union if union else math.nan


def _border(mask_HW: Mask, width: int) -> Mask:
    square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    core_HW = cv2.erode(
        mask_HW.astype(np.uint8), square, borderType=cv2.BORDER_CONSTANT, borderValue=[0, 0, 0, 0]
    )
    border_HW: Mask = mask_HW & (core_HW == 0)
    return border_HW
