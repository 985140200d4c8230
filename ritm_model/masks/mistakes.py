"""Masks with mistakes, as a model or a hurried annotator might have left them, made from the truth.

As in DAVIS-585, for any data set: the object with some mistakes of three kinds, IoU 0.75 to 0.85. An IoU is
drawn from [0.75, 0.85). Mistakes are added until the mask is no better than that:

* 65 % at the edge: a patch centred on the object's outline is filled or cleared, either with equal chance;
* 25 % outside: a patch that does not touch the object is filled, as if something else had been found too;
* 10 % inside: a patch that does not touch the outline is cleared, a hole.

A patch is a disk with a wavy edge of 3 to 12 % of the object's area. A mistake that would take the IoU below
0.75 is made again with half the area. Where there is no room for a kind, the edge gets the mistake. Objects
of a few pixels, for which no patch fits, lose single pixels; the IoU is then as close as pixels allow.

Shapes: H x W the image.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.masks.overlap import Mask, Truth, iou
from ritm_model.simulation import IGNORED, OBJECT

LOWEST, HIGHEST = 0.75, 0.85
KINDS = ("edge", "outside", "inside")
CHANCES = (0.65, 0.25, 0.10)
PATCH_SHARE = (0.03, 0.12)
TRIES = 60
WAVES = 24


def with_mistakes(truth_HW: Truth, random: np.random.Generator) -> Mask:
    """Make mistakes.

    Args:
        truth_HW: 1 on the object, of which there is at least a pixel, -1 where nothing counts.
        random: decides which mistakes.

    Returns:
        H x W bool with an IoU in [0.75, 0.85), False on ignored pixels.
    """
    is_object_HW = truth_HW == OBJECT
    counts_HW = truth_HW != IGNORED
    goal = random.uniform(LOWEST, HIGHEST)
    depth_HW = _distance(np.pad(is_object_HW, 1))[1:-1, 1:-1]  # the frame is an edge, too
    gap_HW = _distance(~is_object_HW)

    mask_HW: Mask = is_object_HW
    area = float(np.count_nonzero(is_object_HW)) * random.uniform(*PATCH_SHARE)
    for _ in range(TRIES):
        if iou(mask_HW, truth_HW) <= goal:
            break
        kind = str(random.choice(KINDS, p=CHANCES))
        worse_HW: Mask = _with_mistake(random, mask_HW, kind, area, depth_HW, gap_HW) & counts_HW
        if iou(worse_HW, truth_HW) >= LOWEST:
            mask_HW = worse_HW
            area = float(np.count_nonzero(is_object_HW)) * random.uniform(*PATCH_SHARE)
        else:
            area /= 2
    if iou(mask_HW, truth_HW) >= HIGHEST:
        mask_HW = _without_pixels(random, mask_HW, truth_HW, goal)
    return mask_HW


def _with_mistake(
    random: np.random.Generator,
    mask_HW: Mask,
    kind: str,
    area: float,
    depth_HW: npt.NDArray[np.float32],
    gap_HW: npt.NDArray[np.float32],
) -> Mask:
    radius = math.sqrt(area / math.pi)
    reach = 1.3 * radius + 1  # the farthest that a patch extends
    if kind == "outside":
        # Beside the object rather than anywhere: within three radii of the closest place that fits.
        places = np.flatnonzero((gap_HW > reach) & (gap_HW < reach + 3 * radius + 1))
        fills = True
    elif kind == "inside":
        places = np.flatnonzero(depth_HW > reach)
        fills = False
    else:
        places = np.zeros(0, np.intp)
        fills = bool(random.random() < 0.5)
    if not places.size:
        places = np.flatnonzero((depth_HW > 0) & (depth_HW <= 1))
    row, column = np.unravel_index(int(random.choice(places)), mask_HW.shape)
    patch_HW = _patch(random, mask_HW.shape, int(row), int(column), radius)
    return mask_HW | patch_HW if fills else mask_HW & ~patch_HW


def _patch(random: np.random.Generator, shape: tuple[int, ...], row: int, column: int, radius: float) -> Mask:
    """A disk whose radius swings by up to 30 % on the way round."""
    angle = np.linspace(0, 2 * math.pi, WAVES, endpoint=False)
    swing = sum(
        random.uniform(0, 0.15) * np.sin(wave * angle + random.uniform(0, 2 * math.pi)) for wave in (2, 3)
    )
    around = radius * (1 + swing)
    outline = np.stack([column + around * np.cos(angle), row + around * np.sin(angle)], axis=1)
    patch_HW = np.zeros(shape, np.uint8)
    cv2.fillPoly(patch_HW, [np.round(outline).astype(np.int32)], [1])
    return patch_HW.astype(np.bool_)


def _without_pixels(random: np.random.Generator, mask_HW: Mask, truth_HW: Truth, goal: float) -> Mask:
    """Clear pixels of the object, one by one, for as long as that brings the IoU closer to the goal."""
    mask_HW = mask_HW.copy()
    for pixel in random.permutation(np.flatnonzero(mask_HW & (truth_HW == OBJECT))):
        before = iou(mask_HW, truth_HW)
        mask_HW.flat[pixel] = False
        if abs(iou(mask_HW, truth_HW) - goal) >= abs(before - goal):
            mask_HW.flat[pixel] = True
            break
    return mask_HW


def _distance(region_HW: Mask) -> npt.NDArray[np.float32]:
    distance_HW: npt.NDArray[np.float32] = np.asarray(
        cv2.distanceTransform(region_HW.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32
    )
    return distance_HW
