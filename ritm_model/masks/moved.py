"""The mask of one frame, moved to where its object is in the next.

Shapes: H x W the frames.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.images import Pixels

LONGEST_SIDE = 512
"""Flow is computed on frames no larger than this: motion is smooth, and the time grows with the pixels."""

Mask = npt.NDArray[np.bool_]


def moved(mask_HW: Mask, before_HW3: Pixels, after_HW3: Pixels) -> Mask:
    """Move a mask by the optical flow between two frames.

    For each pixel of the later frame, the flow says where it was in the earlier one; it is on the object if
    it was there.

    Args:
        mask_HW: bool, of the earlier frame.
        before_HW3: uint8 RGB, the earlier frame.
        after_HW3: the later frame, of the same size.

    Raises:
        ValueError: they are not of one size.
    """
    if mask_HW.shape != before_HW3.shape[:2] or before_HW3.shape != after_HW3.shape:
        raise ValueError(
            f"Frames of {before_HW3.shape[:2]} and {after_HW3.shape[:2]} pixels and a mask of "
            f"{mask_HW.shape} are not of one size."
        )
    height, width = mask_HW.shape
    scale = min(1.0, LONGEST_SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small_before_hw, small_after_hw = (_grey(each, size) for each in (before_HW3, after_HW3))
    if min(size) < 16:  # too small for the patches that the flow compares
        return mask_HW.copy()
    flow_hw2 = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(
        small_after_hw, small_before_hw, np.zeros((size[1], size[0], 2), np.float32)
    )
    flow_HW2 = cv2.resize(flow_hw2, (width, height), interpolation=cv2.INTER_LINEAR)
    flow_HW2 = flow_HW2 * np.array([width / size[0], height / size[1]], np.float32)
    columns_HW, rows_HW = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    soft_HW = cv2.remap(
        mask_HW.astype(np.float32),
        columns_HW + flow_HW2[..., 0],
        rows_HW + flow_HW2[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=[0, 0, 0, 0],
    )
    moved_HW: Mask = soft_HW > 0.5
    return moved_HW


def _grey(image_HW3: Pixels, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    grey = cv2.cvtColor(cv2.resize(image_HW3, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.uint8)
