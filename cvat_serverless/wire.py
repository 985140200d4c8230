"""What every reader and writer of CVAT's JSON has to know."""

from __future__ import annotations

from typing import TypeGuard

import cv2
import numpy as np
import numpy.typing as npt

CONFIDENCE_SPEC_ID = 0
"""The attribute of a shape that holds the model's confidence."""

MIN_OUTLINE_POINTS = 3
"""The browser drops a shape whose longest outline has fewer points: one or two pixels."""


def is_number(value: object) -> TypeGuard[int | float]:
    """JSON as Python reads it may hold NaN, infinities and integers beyond any float; these pass, too."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def has_outline(mask_HW: npt.NDArray[np.bool_]) -> bool:
    """Whether the browser shows a mask at all."""
    outlines, _ = cv2.findContours(mask_HW.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return any(len(outline) >= MIN_OUTLINE_POINTS for outline in outlines)
