"""Masks with mistakes are as bad as they should be, the same every time, and bad in three ways."""

import cv2
import numpy as np
import pytest

from ritm_model.evaluation.initial_mask import initial_mask
from ritm_model.masks.overlap import iou


def ellipse(height: int = 200, width: int = 300) -> np.ndarray:
    centre, axes = (width // 2, height // 2), (width // 4, height // 3)
    return cv2.ellipse(np.zeros((height, width), np.uint8), centre, axes, 20, 0, 360, 1, -1).astype(np.int8)


@pytest.mark.parametrize("size", [(20, 20), (200, 300), (701, 333)])
@pytest.mark.parametrize("name", [f"sample{i}.jpg" for i in range(10)])
def test_the_iou_is_between_75_and_85_percent(size: tuple[int, int], name: str) -> None:
    truth = ellipse(*size)
    assert 0.75 <= iou(initial_mask(truth, name), truth) < 0.85


def test_the_mistakes_follow_from_the_name() -> None:
    truth = ellipse()
    first, again, other = (initial_mask(truth, name) for name in ("a", "a", "b"))
    assert (first == again).all()
    assert (first != other).any()


def test_the_mistakes_are_at_the_edge_outside_and_inside() -> None:
    truth = ellipse()
    is_object = truth == 1
    counts = {"apart": 0, "hole": 0, "grown": 0, "eaten": 0}
    for i in range(60):
        mask = initial_mask(truth, f"{i}")
        too_much, missing = mask & ~is_object, is_object & ~mask
        for region, beside, touching, apart in (
            (too_much, is_object, "grown", "apart"),
            (missing, ~is_object, "eaten", "hole"),
        ):
            count, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=8)
            reached = cv2.dilate(beside.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
            for label in range(1, count):
                counts[touching if (reached & (labels == label)).any() else apart] += 1
    assert min(counts.values()) >= 4, counts
    assert counts["grown"] + counts["eaten"] > counts["apart"] > counts["hole"], counts


def test_ignored_pixels_stay_clear() -> None:
    truth = ellipse()
    truth[:, 200:] = -1
    mask = initial_mask(truth, "a")
    assert not mask[:, 200:].any()
    assert 0.75 <= iou(mask, truth) < 0.85


@pytest.mark.parametrize("pixels", [3, 7, 50])
def test_objects_of_a_few_pixels_come_as_close_as_pixels_allow(pixels: int) -> None:
    truth = np.zeros((40, 40), np.int8)
    truth[10].flat[:pixels] = 1
    truth[11].flat[: max(pixels - 40, 0)] = 1
    pixels = int((truth == 1).sum())
    assert 0.75 - 1e-9 <= iou(initial_mask(truth, "tiny"), truth) < 0.85 + 1 / pixels


def test_one_pixel_is_kept() -> None:
    truth = np.zeros((9, 9), np.int8)
    truth[4, 4] = 1
    assert initial_mask(truth, "dot")[4, 4]


def test_an_object_that_fills_the_frame_is_no_exception() -> None:
    truth = np.ones((80, 90), np.int8)
    assert 0.75 <= iou(initial_mask(truth, "all"), truth) < 0.85


def test_no_object_is_refused() -> None:
    with pytest.raises(ValueError, match="empty has no object"):
        initial_mask(np.zeros((9, 9), np.int8), "empty")
