"""Boxes and regions of interest, against the numbers of the paper's code."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.clicks import Click
from ritm_model.inference.geometry import (
    Box,
    Roi,
    box_roi,
    clamp,
    expand,
    roi_iou,
    to_crop,
    whole,
    with_clicks,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "golden/unit.json").read_text())


@pytest.mark.parametrize("row", GOLDEN["bbox"])
def test_boxes_expand_clamp_and_overlap_as_in_the_paper(row):
    expanded = expand(Roi(*row["bbox"]), row["expand_ratio"], row["min_crop_size"])
    assert list(expanded) == row["expanded"]
    assert list(clamp(expanded, Roi(0, 379, 0, 499))) == row["clamped_0_379_0_499"]
    assert roi_iou(Roi(*row["bbox"]), Roi(*row["bbox2"])) == row["iou"]


def test_bounds_round_half_to_even():
    assert expand(Roi(0, 1, 2, 3), 1.0) == Roi(0, 2, 2, 4)  # -0.5, 1.5, 1.5 and 3.5


@pytest.mark.parametrize(
    ("box", "roi"),
    [
        (Box(2, 1, 5, 4), Roi(1, 3, 2, 4)),
        (Box(2.5, 1.5, 4.5, 3.5), Roi(1, 3, 2, 4)),
        (Box(-10, -10, 100, 100), Roi(0, 19, 0, 29)),
        (Box(30, 0, 40, 20), None),
        (Box(5, 5, 5, 5), None),
        (Box(8, 2, 3, 4), None),
    ],
)
def test_a_box_covers_every_pixel_it_touches(box, roi):
    assert box_roi(box, (20, 30)) == roi


def test_the_centre_of_a_box_is_a_positive_click():
    assert Box(10, 20, 30, 60).centre == Click(20, 40, True)


def test_the_middle_of_a_box_leads_unless_a_click_says_where_the_object_is() -> None:
    box, on, beside = Box(10, 20, 30, 60), Click(12, 30), Click(28, 58, False)
    assert box.leading(()) == (box.centre,)
    assert box.leading((beside,)) == (box.centre, beside)
    assert box.leading((beside, on)) == (beside, on)
    assert box.leading((on,), always=True) == (box.centre, on)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        (Box(10, 20, 30, 60), Box(10, 20, 30, 60)),
        (Box(-10, -5, 30, 600), Box(0, 0, 30, 80)),
        (Box(-10, 0, 0, 80), None),
        (Box(100, 0, 120, 80), None),
        (Box(math.nan, 0, 120, 80), None),
    ],
)
def test_a_box_is_clipped_to_the_image(box, inside) -> None:
    assert box.clipped((80, 100)) == inside


def test_only_positive_clicks_stretch_a_roi_and_never_beyond_the_image():
    clicks = [Click(50.9, 12.2), Click(0, 0, False), Click(1000, -7)]
    assert with_clicks(Roi(10, 20, 30, 40), clicks, (100, 200)) == Roi(0, 20, 30, 199)


@given(
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
    roi=st.tuples(st.integers(0, 50), st.integers(50, 99), st.integers(0, 50), st.integers(50, 99)),
)
def test_a_click_keeps_its_place_relative_to_the_crop(x, y, roi):
    roi = Roi(*roi)
    (shown,) = to_crop([Click(x, y)], roi, (400, 300))
    height, width = roi.size
    assert shown.y / 400 * height + roi.top == pytest.approx(y, abs=1e-9)
    assert shown.x / 300 * width + roi.left == pytest.approx(x, abs=1e-9)


def test_the_whole_frame():
    assert whole((3, 5)) == Roi(0, 2, 0, 4)
    assert whole((3, 5)).size == (3, 5)
