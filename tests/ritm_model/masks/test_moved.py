"""Masks follow their objects from frame to frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ritm_model.images import read_image
from ritm_model.masks.moved import moved

SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.fixture(scope="module")
def bear() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    mask_HW = cv2.imread(str(SAMPLES / "masks/bear.png"), cv2.IMREAD_UNCHANGED) == 1
    return read_image(SAMPLES / "images/bear.jpg"), mask_HW


def iou(one_HW: npt.NDArray[np.bool_], other_HW: npt.NDArray[np.bool_]) -> float:
    return float((one_HW & other_HW).sum() / (one_HW | other_HW).sum())


@pytest.mark.parametrize(("right", "down", "larger"), [(12, -7, 1.0), (-20, 10, 1.04), (0, 0, 0.93)])
def test_a_mask_follows_its_object(bear, right: int, down: int, larger: float) -> None:  # type: ignore[no-untyped-def]
    image_HW3, mask_HW = bear
    height, width = mask_HW.shape
    move = cv2.getRotationMatrix2D((width / 2, height / 2), 2, larger)
    move[:, 2] += right, down
    after_HW3 = cv2.warpAffine(image_HW3, move, (width, height), borderMode=cv2.BORDER_REFLECT)
    truth_HW = cv2.warpAffine(mask_HW.astype(np.uint8), move, (width, height)) > 0
    found_HW = moved(mask_HW, image_HW3, after_HW3)
    assert iou(found_HW, truth_HW) > 0.95 > iou(mask_HW, truth_HW)


def test_where_nothing_moves_the_mask_stays(bear) -> None:  # type: ignore[no-untyped-def]
    image_HW3, mask_HW = bear
    assert iou(moved(mask_HW, image_HW3, image_HW3), mask_HW) > 0.995
    nothing_HW = np.zeros_like(mask_HW)
    assert not moved(nothing_HW, image_HW3, image_HW3).any()


def test_frames_that_are_too_small_for_flow_keep_their_mask() -> None:
    tiny_HW3 = np.zeros((9, 12, 3), np.uint8)
    mask_HW = np.zeros((9, 12), np.bool_)
    mask_HW[2:5, 3:6] = True
    assert np.array_equal(moved(mask_HW, tiny_HW3, tiny_HW3), mask_HW)


def test_frames_of_several_sizes_are_refused(bear) -> None:  # type: ignore[no-untyped-def]
    image_HW3, mask_HW = bear
    with pytest.raises(ValueError, match="not of one size"):
        moved(mask_HW, image_HW3, image_HW3[:-1])
