"""A picture of an answer: the image, the mask on it, and the clicks that asked for it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click

Colour = tuple[int, int, int]
OBJECT: Colour = (46, 134, 255)
POSITIVE: Colour = (34, 187, 85)
NEGATIVE: Colour = (230, 57, 70)
WHITE: Colour = (255, 255, 255)
OPACITY = 0.45
SUBPIXEL_BITS = 4


def draw_overlay(
    image_HW3: npt.NDArray[np.uint8],
    mask_HW: npt.NDArray[np.bool_],
    clicks: Sequence[Click] = (),
    *,
    colour: Colour = OBJECT,
    opacity: float = OPACITY,
) -> npt.NDArray[np.uint8]:
    """Tint the mask, draw its outline and a dot per click: green with a plus, or red with a minus.

    Lines and dots grow with the image, so that they can be seen when it is shown smaller.

    Args:
        image_HW3: uint8 RGB; it is left as it is.
        mask_HW: bool.
        clicks: in pixels of the image, drawn in order.
        colour: RGB of the mask.
        opacity: of the tint, in [0, 1].

    Returns:
        H x W x 3 uint8 RGB.
    """
    unit = max(1.0, max(mask_HW.shape) / 600)
    picture_HW3 = image_HW3.copy()
    tint_N3 = picture_HW3[mask_HW] * (1 - opacity) + np.array(colour) * opacity
    picture_HW3[mask_HW] = tint_N3.round().astype(np.uint8)
    outlines, _ = cv2.findContours(mask_HW.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(picture_HW3, outlines, -1, WHITE, round(3 * unit), cv2.LINE_AA)
    cv2.drawContours(picture_HW3, outlines, -1, colour, round(1.5 * unit), cv2.LINE_AA)
    for click in clicks:
        _draw_click(picture_HW3, click, unit)
    return picture_HW3


def _draw_click(picture_HW3: npt.NDArray[np.uint8], click: Click, unit: float) -> None:
    colour = POSITIVE if click.is_positive else NEGATIVE
    centre = _fixed_point(click.x), _fixed_point(click.y)
    disk = {"thickness": cv2.FILLED, "lineType": cv2.LINE_AA, "shift": SUBPIXEL_BITS}
    cv2.circle(picture_HW3, centre, _fixed_point(7.5 * unit), WHITE, **disk)
    cv2.circle(picture_HW3, centre, _fixed_point(6 * unit), colour, **disk)
    arm = _fixed_point(3.5 * unit)
    width = max(1, round(1.2 * unit))
    line = {"thickness": width, "lineType": cv2.LINE_AA, "shift": SUBPIXEL_BITS}
    cv2.line(picture_HW3, (centre[0] - arm, centre[1]), (centre[0] + arm, centre[1]), WHITE, **line)
    if click.is_positive:
        cv2.line(picture_HW3, (centre[0], centre[1] - arm), (centre[0], centre[1] + arm), WHITE, **line)


def _fixed_point(pixels: float) -> int:
    return round(pixels * (1 << SUBPIXEL_BITS))
