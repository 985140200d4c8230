"""Specks of a mask: components too small to be meant."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from ritm_model.clicks import Click
from ritm_model.masks.contours import Contours, Mask, Walk_N12

MIN_REGION_PIXELS = 16
"""What annotators get unless an administrator says otherwise."""


def drop_specks(mask_HW: Mask, clicks: Sequence[Click], min_pixels: int) -> Mask:
    """Remove components (8-neighbours) smaller than `min_pixels`: they only lengthen the answer.

    Components with a positive click stay, and so does the largest, so that a mask never vanishes. Clicks may
    lie beside the mask.
    """
    return without_specks(mask_HW, clicks, min_pixels)[0]


def without_specks(mask_HW: Mask, clicks: Sequence[Click], min_pixels: int) -> tuple[Mask, Contours]:
    """The mask as from `drop_specks`, and its contours, which are found on the way."""
    # Contours are found twenty times faster than components are labelled.
    found = Contours.of(mask_HW)
    pixels = {place: _pixels(found.walks[place]) for place in found.outer}
    specks = [place for place in pixels if pixels[place] < min_pixels]
    if specks and len(specks) == len(pixels):
        specks.sort(key=pixels.__getitem__)
        specks.pop()
    for click in clicks:
        x, y = math.floor(click.x), math.floor(click.y)
        if click.is_positive and mask_HW[max(y, 0) : y + 1, max(x, 0) : x + 1].any():
            specks = [
                place for place in specks if cv2.pointPolygonTest(found.walks[place], (x, y), False) < 0
            ]
    if not specks:
        return mask_HW, found
    tidy_HW = mask_HW.copy()
    for place in specks:
        cv2.drawContours(tidy_HW.view(np.uint8), [found.walks[place]], 0, 0, cv2.FILLED)
    return tidy_HW, found.without(specks)


def _pixels(outline: Walk_N12) -> float:
    """Pixels inside an outline and on it, by Pick's theorem; the outline runs through pixel centres."""
    return cv2.contourArea(outline) + len(outline) / 2 + 1 if len(outline) > 1 else 1
