"""Shapes of strangers are painted at a cost that follows from the picture, or refused."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.masks import coco as coco_module
from ritm_model.masks.coco import LONGEST_OUTLINE, MaskError, coco_mask
from ritm_model.masks.figures import ellipse_mask

HEIGHT, WIDTH = 40, 60
PLACES = st.floats(-100, 150)
RADII = st.floats(0.01, 200)


@given(centre=st.tuples(PLACES, PLACES), radii=st.tuples(RADII, RADII), rotation=st.floats(-400, 400))
def test_an_ellipse_is_all_pixels_whose_centres_it_encloses(
    centre: tuple[float, float], radii: tuple[float, float], rotation: float
) -> None:
    down_H1, right_1W = np.ogrid[:HEIGHT, :WIDTH]
    right_1W, down_H1 = right_1W + 0.5 - centre[0], down_H1 + 0.5 - centre[1]
    cos, sin = math.cos(math.radians(rotation)), math.sin(math.radians(rotation))
    along_HW = (right_1W * cos + down_H1 * sin) / radii[0]
    across_HW = (down_H1 * cos - right_1W * sin) / radii[1]
    expected_HW = along_HW**2 + across_HW**2 <= 1
    assert (ellipse_mask(centre, radii, rotation, HEIGHT, WIDTH) == expected_HW).all()


def test_a_large_ellipse_takes_a_few_bytes_for_a_pixel() -> None:
    tracemalloc.start()
    try:
        mask_HW = ellipse_mask((2000, 2000), (3000, 3000), 30, 4000, 4000)
        assert mask_HW.all()
        assert tracemalloc.get_traced_memory()[1] < 5 * mask_HW.size
    finally:
        tracemalloc.stop()


def test_a_polygon_that_runs_to_and_fro_is_refused() -> None:
    edges = LONGEST_OUTLINE // WIDTH + 1
    zigzag = [side for edge in range(edges) for side in (WIDTH * (edge % 2), edge * HEIGHT / edges)]
    with pytest.raises(MaskError, match="2,000,000 pixels"):
        coco_mask([zigzag], HEIGHT, WIDTH)
    assert coco_mask([zigzag[: 2 * (edges // 2)]], HEIGHT, WIDTH).any()


def test_the_length_of_an_outline_is_what_the_tools_make_of_it() -> None:
    square_N2 = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]])
    assert coco_module._outline_pixels(square_N2) == 44
