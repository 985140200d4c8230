"""Where the simulated user of training clicks next: anywhere in the middle of the largest mistake.

Unlike the annotator of the evaluation (`ritm_model.simulation`), who always takes the deepest pixel, this
one draws among all pixels at least half as deep.

Shapes: B batch, H and W the image, h and w a bounding box in it, P = 2N points (N positive, then N
negative), 3 = (row, column, order), K candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ritm_model.cpus import usable_cpus

THRESHOLD = 0.49


class Chooser(Protocol):
    """The part of `numpy.random.Generator` that is used here."""

    def integers(self, high: int, /) -> int | np.integer[npt.NBitBase]:
        """Draw from 0 … high - 1."""


def next_points(
    probability_B1HW: Tensor, truth_B1HW: Tensor, points_BP3: Tensor, order: int, randoms: Sequence[Chooser]
) -> Tensor:
    """Add one simulated corrective click per sample.

    Clicks fill the slots of each half from its end, so that they overwrite clicks sampled beforehand only
    where a half is nearly full. A sample without mistakes gets none.

    Args:
        probability_B1HW: the mask so far, in [0, 1].
        truth_B1HW: 1 on the object; 0 and the ignored -1 are background.
        points_BP3: clicks so far; not changed.
        order: 1 for the first simulated corrective click, 2 for the next, …
        randoms: one for each sample; draws once if the sample has a mistake, in the order of the batch.

    Returns:
        The clicks with the new ones, on the device of `points_BP3`.
    """
    assert 1 <= order <= points_BP3.shape[1] // 2
    probabilities = probability_B1HW[:, 0].float().cpu().numpy()
    truths = truth_B1HW[:, 0].cpu().numpy() > 0.5
    slots = points_BP3.shape[1] // 2
    points = points_BP3.clone()
    with ThreadPoolExecutor(usable_cpus()) as pool:  # OpenCV and numpy let other threads work meanwhile
        found = list(pool.map(candidates, probabilities, truths))
    for sample, ((is_positive, candidates_K2), random) in enumerate(zip(found, randoms, strict=True)):
        if len(candidates_K2):
            row, column = candidates_K2[int(random.integers(len(candidates_K2)))]
            slot = (slots if is_positive else 2 * slots) - order
            points[sample, slot] = torch.tensor([row, column, order], dtype=points.dtype)
    return points


def first_correction(
    given_HW: npt.NDArray[np.bool_], truth_HW: npt.NDArray[np.int8], slots: int, random: Chooser
) -> npt.NDArray[np.float32]:
    """Give `slots` rows of points; one is a click that corrects the given mask, if it has mistakes."""
    points_P3 = np.full((slots, 3), -1, np.float32)
    is_positive, candidates_K2 = candidates(given_HW.astype(np.float32), truth_HW == 1)
    if len(candidates_K2):
        chosen = candidates_K2[int(random.integers(len(candidates_K2)))]
        points_P3[0 if is_positive else slots // 2] = (*chosen, 0)
    return points_P3


def candidates(
    probability_HW: npt.NDArray[np.float32], truth_HW: npt.NDArray[np.bool_]
) -> tuple[bool, npt.NDArray[np.int64]]:
    """List the pixels, (row, column) in reading order, that the next click may hit, and its sign.

    The deepest missing pixel competes with the deepest superfluous one; a tie goes to the negative click.
    """
    missing_hw, missing_from = _depth(truth_HW & (probability_HW < THRESHOLD))
    superfluous_hw, superfluous_from = _depth(~truth_HW & (probability_HW > THRESHOLD))
    deepest_missing, deepest_superfluous = missing_hw.max(initial=0), superfluous_hw.max(initial=0)
    is_positive = bool(deepest_missing > deepest_superfluous)
    depth_hw, origin = (missing_hw, missing_from) if is_positive else (superfluous_hw, superfluous_from)
    return is_positive, np.argwhere(depth_hw > max(deepest_missing, deepest_superfluous) / 2) + origin


def _depth(region_HW: npt.NDArray[np.bool_]) -> tuple[npt.NDArray[np.float32], tuple[int, int]]:
    """Distance to the edge of the region or of the frame, by the fast 5 x 5 approximation of the paper.

    Returns:
        The distances in the region's bounding box, beyond which all are 0, and its first (row, column).
    """
    left, top, width, height = cv2.boundingRect(region_HW.view(np.uint8))
    box_hw = region_HW[top : top + height, left : left + width].view(np.uint8)
    depth_hw = cv2.distanceTransform(np.pad(box_hw, 1), cv2.DIST_L2, cv2.DIST_MASK_5)[1:-1, 1:-1]
    return depth_hw.astype(np.float32, copy=False), (top, left)
