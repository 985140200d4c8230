"""A mask as each kind of region: read again, it is the mask."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_backend.label_studio.drawing import MaskPart, polygon_value, rings_of, value_of
from ritm_backend.label_studio.options import ProjectOptions
from ritm_ops.label_studio.shapes import shape_of

FRAME = (90, 120)


def part_of(mask_HW):
    x, y, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    return MaskPart(mask_HW[y : y + height, x : x + width], (y, x), FRAME)


def ellipse(x, y, along, across, angle):
    canvas = np.zeros(FRAME, np.uint8)
    cv2.ellipse(canvas, (x, y), (along, across), angle, 0, 360, 1, -1)
    return canvas > 0


def overlap(mask, other):
    return (mask & other).sum() / (mask | other).sum()


ELLIPSES = st.builds(
    ellipse,
    st.integers(0, 119),
    st.integers(0, 89),
    st.integers(4, 60),
    st.integers(4, 40),
    st.integers(0, 179),
)


def percents(value):
    yield from (value[key] for key in ("x", "y", "width", "height", "radiusX", "radiusY") if key in value)
    yield from (number for point in value.get("points", ()) for number in point)


@settings(max_examples=40, deadline=None)
@given(ELLIPSES)
def test_what_is_drawn_lies_in_the_picture_and_is_the_mask(mask):
    part = part_of(mask)
    for kind in ("brush", "bitmask"):
        painted = shape_of(kind, value_of(kind, part)).mask(*FRAME)
        assert np.array_equal(painted, mask)
    polygons = [polygon_value(ring, FRAME) for ring in rings_of(part, ProjectOptions())]
    painted = np.logical_or.reduce([shape_of("polygon", value).mask(*FRAME) for value in polygons])
    assert overlap(painted, mask) > 0.9 or mask.sum() < 100
    box = value_of("box", part)
    assert shape_of("rectangle", box).mask(*FRAME)[mask].all()
    for value in (*polygons, box, value_of("ellipse", part)):
        assert all(0 <= number <= 100 for number in percents(value))


@pytest.mark.parametrize("angle", [0, 30, 90, 135])
def test_an_ellipse_is_found_again(angle):
    mask = ellipse(60, 45, 30, 15, angle)
    found = shape_of("ellipse", value_of("ellipse", part_of(mask))).mask(*FRAME)

    assert overlap(found, mask) > 0.96


@pytest.mark.parametrize("angle", [0, 4, 88, 90, 176])
@pytest.mark.parametrize("frame", [(1000, 100), (100, 1000)])
def test_an_ellipse_along_the_long_side_of_a_picture(frame, angle):
    canvas = np.zeros(frame, np.uint8)
    radii = (400, 15) if (frame[1] > frame[0]) is (angle not in (88, 90)) else (15, 400)
    cv2.ellipse(canvas, (frame[1] // 2, frame[0] // 2), radii, angle, 0, 360, 1, -1)
    value = value_of("ellipse", MaskPart(canvas > 0, (0, 0), frame))

    assert all(0 <= number <= 100 for number in percents(value))
    assert overlap(shape_of("ellipse", value).mask(*frame), canvas > 0) > 0.98


def test_a_box_is_the_smallest_around_the_mask():
    mask = np.zeros(FRAME, np.bool_)
    mask[30:60, 12:48] = True

    assert value_of("box", part_of(mask)) == {
        "x": 10.0,
        "y": pytest.approx(33.3333),
        "width": 30.0,
        "height": pytest.approx(33.3333),
        "rotation": 0,
    }


def test_a_project_says_how_close_its_polygons_are_and_what_becomes_of_holes():
    disk = ellipse(60, 45, 40, 30, 20)
    usual, close = (rings_of(part_of(disk), ProjectOptions(polygon_iou=iou)) for iou in (0.9, 0.999))
    assert len(usual[0]) < len(close[0])

    ring = disk & ~ellipse(60, 45, 15, 12, 0)
    for holes, mask in (("bridge", ring), ("fill", disk)):
        (drawn,) = rings_of(part_of(ring), ProjectOptions(polygon_holes=holes))
        found = shape_of("polygon", polygon_value(drawn, FRAME)).mask(*FRAME)
        assert overlap(found, mask) > 0.95
