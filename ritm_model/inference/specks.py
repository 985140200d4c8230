"""Specks of a mask: components too small to be meant."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click

Mask = npt.NDArray[np.bool_]

MIN_REGION_PIXELS = 16
"""What annotators get unless an administrator says otherwise."""


def drop_specks(mask_HW: Mask, clicks: Sequence[Click], min_pixels: int) -> Mask:
    """Remove components (8-neighbours) smaller than `min_pixels`: they only lengthen the answer.

    Components with a positive click stay, and so does the largest, so that a mask never vanishes. Clicks may
    lie beside the mask.
    """
    # Outlines are found twenty times faster than components are labelled.
    outlines, nesting = cv2.findContours(mask_HW.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outer = [outline for index, outline in enumerate(outlines) if nesting[0, index, 3] < 0]
    specks = [outline for outline in outer if _pixels(outline) < min_pixels]
    if specks and len(specks) == len(outer):
        specks.sort(key=_pixels)
        specks.pop()
    for click in clicks:
        x, y = math.floor(click.x), math.floor(click.y)
        if click.is_positive and mask_HW[max(y, 0) : y + 1, max(x, 0) : x + 1].any():
            specks = [speck for speck in specks if cv2.pointPolygonTest(speck, (x, y), False) < 0]
    if not specks:
        return mask_HW
    tidy_HW = mask_HW.copy()
    for speck in specks:
        cv2.drawContours(tidy_HW.view(np.uint8), [speck], 0, 0, cv2.FILLED)
    return tidy_HW


def _pixels(outline: npt.NDArray[Any]) -> float:
    """Pixels inside an outline and on it, by Pick's theorem; the outline runs through pixel centres."""
    return cv2.contourArea(outline) + len(outline) / 2 + 1 if len(outline) > 1 else 1
