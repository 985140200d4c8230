"""Polygons follow their mask as closely as they promise, with few points."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ritm_model.masks.contours import Contours
from ritm_model.masks.outline import outlines
from ritm_model.masks.polygon import polygons

SAMPLES = Path(__file__).parents[2] / "samples/masks"
FINER = 6

MASKS = npst.arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))


def painted(rings, shape, finer=FINER):
    """The pixels of a finer grid whose middles an odd number of rings encloses; one ring after the other."""
    y = (np.arange(shape[0] * finer) + 0.5) / finer + 1e-7  # never on a corner
    inside = np.zeros((len(y), shape[1] * finer), np.bool_)
    for ring in rings:
        changes = np.zeros((len(y), shape[1] * finer + 1), np.int_)
        for (x1, y1), (x2, y2) in zip(ring, np.roll(ring, -1, axis=0), strict=True):
            rows = np.flatnonzero((y1 > y) != (y2 > y))
            x = x1 + (y[rows] - y1) / ((y2 - y1) or 1) * (x2 - x1) if len(rows) else y[rows]
            np.add.at(changes, (rows, np.clip(np.ceil(x * finer - 0.5), 0, shape[1] * finer).astype(int)), 1)
        inside |= changes[:, :-1].cumsum(axis=1) % 2 == 1
    return inside


def traced(mask):
    """The exact outlines of a mask: outer rings and holes."""
    contours = Contours.of(mask)
    rings = [halves / 2 for halves in outlines(contours).split()]
    return [[rings[place] for place in places] for places in (contours.outer, contours.holes)]


def overlap(mask, other):
    return (mask & other).sum() / max((mask | other).sum(), 1)


def blob(height, width, *discs):
    mask = np.zeros((height, width), np.uint8)
    for x, y, radius, value in discs:
        cv2.circle(mask, (x, y), radius, value, -1)
    return mask > 0


BLOBS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 50), st.integers(3, 20), st.sampled_from([1, 1, 0])),
    min_size=1,
    max_size=6,
).map(lambda discs: blob(50, 60, *discs))


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_outlines_hold_exactly_the_pixels_of_the_mask(mask):
    outer, holes = traced(mask)
    odd = np.zeros(mask.shape, np.bool_)
    for ring in (*outer, *holes):
        odd ^= painted([ring], mask.shape, finer=1)
    assert np.array_equal(odd, mask)


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_holes_run_the_other_way_than_what_surrounds_them(mask):
    contours = Contours.of(mask)
    areas = outlines(contours).areas()
    assert (areas[contours.outer] < 0).all()
    assert (areas[contours.holes] > 0).all()


@settings(max_examples=60, deadline=None)
@given(MASKS)
def test_areas_are_those_between_the_middles_of_pixel_sides(mask):
    rings = outlines(Contours.of(mask))
    for ring, area in zip(rings.split(), rings.areas(), strict=True):
        assert abs(area) == cv2.contourArea(ring) / 4


@settings(max_examples=60, deadline=None)
@given(MASKS, st.sampled_from([0.5, 0.9, 0.98, 0.999, 1.0]), st.sampled_from(["bridge", "fill"]))
def test_no_polygon_is_empty_or_leaves_the_picture(mask, min_iou, holes):
    rings = polygons(mask, min_iou, holes)
    assert len(rings) == len(traced(mask)[0])
    for ring in rings:
        assert len(ring) >= 3
        assert (ring >= 0).all()
        assert (ring <= (mask.shape[1], mask.shape[0])).all()


@settings(max_examples=40, deadline=None)
@given(BLOBS, st.sampled_from([0.9, 0.95, 0.98, 1.0]))
def test_the_iou_stays_above_the_bound(mask, min_iou):
    smooth = np.zeros((50 * FINER, 60 * FINER), np.bool_)
    outer, holes = traced(mask)
    for ring in outer:
        smooth |= painted([ring], mask.shape)
    for hole in holes:
        smooth &= ~painted([hole], mask.shape)
    if smooth.any():
        error = 0.004 + 0.15 / mask.sum()  # of the grid
        assert overlap(painted(polygons(mask, min_iou), mask.shape), smooth) >= min_iou - error


@settings(max_examples=40, deadline=None)
@given(BLOBS)
def test_a_polygon_of_a_polygon_is_much_the_same(mask):
    once = painted(polygons(mask), mask.shape, finer=1)
    twice = painted(polygons(once), mask.shape, finer=1)
    if mask.sum() > 200:
        assert overlap(once, twice) > 0.93


def test_a_part_of_a_mask_gives_the_polygon_at_its_place():
    mask = blob(200, 300, (180, 90, 40, 1), (180, 90, 15, 0))
    whole = polygons(mask)
    part = polygons(mask[40:150, 130:240], corner=(40, 130), frame=mask.shape)
    assert all(np.allclose(ring, other) for ring, other in zip(whole, part, strict=True))


def test_a_hole_is_bridged_or_filled():
    mask = blob(200, 300, (150, 100, 60, 1), (150, 100, 30, 0))
    (bridged,), (filled,) = polygons(mask), polygons(mask, holes="fill")
    assert overlap(painted([bridged], mask.shape, 1), mask) > 0.97
    assert overlap(painted([filled], mask.shape, 1), blob(200, 300, (150, 100, 60, 1))) > 0.97


def test_a_hole_too_small_to_matter_costs_no_points():
    mask = blob(200, 300, (150, 100, 60, 1))
    pierced = mask.copy()
    pierced[100:104, 150:154] = False
    # A hole with a cut line to it and back takes five at least.
    assert len(polygons(pierced)[0]) < len(polygons(mask)[0]) + 5


def test_a_rectangle_needs_few_points():
    mask = np.zeros((200, 300), np.bool_)
    mask[30:150, 40:260] = True
    (ring,) = polygons(mask)
    assert len(ring) <= 5


@settings(max_examples=20, deadline=None)
@given(BLOBS, st.integers(9, 3000), st.integers(9, 3000), st.sampled_from(["bridge", "fill"]))
def test_where_a_mask_lies_and_what_else_there_is_changes_no_polygon(mask, left, top, holes):
    mask = np.pad(mask, 3)
    near = polygons(mask, holes=holes)
    far = polygons(mask, holes=holes, corner=(top, left), frame=(4000, 5000))
    for ring, other in zip(near, far, strict=True):
        assert np.allclose(ring + np.array((left, top)), other, atol=1e-9)

    beside = np.zeros((mask.shape[0], 3 * mask.shape[1]), np.bool_)
    beside[:, : mask.shape[1]] = mask
    beside[1:-1, mask.shape[1] + 9 : -1] = True
    _, *others = polygons(beside, holes=holes)
    for ring, other in zip(near, others, strict=True):
        assert np.allclose(ring, other, atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.9, 0.98]))
def test_each_of_many_ragged_parts_keeps_the_bound(seed, min_iou):
    noise = np.random.default_rng(seed).standard_normal((50, 60)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), 2)
    mask = noise > 0.5 * noise.std()
    outer, holes = traced(mask)
    rings = polygons(mask, min_iou)
    assert len(rings) == len(outer)
    assert sum(map(len, rings)) < sum(map(len, (*outer, *holes)))
    exact, found = (np.zeros((50 * FINER, 60 * FINER), np.bool_) for _ in range(2))
    for image, drawn in ((exact, (*outer, *holes)), (found, rings)):
        for ring in drawn:
            image ^= painted([ring], mask.shape)
    assert (found ^ exact).sum() <= (1 - min_iou + 0.004) * exact.sum()  # of the grid


@pytest.mark.parametrize(("min_iou", "most"), [(0.95, 14.5), (0.98, 22.5), (0.99, 37)])
def test_points_on_the_sample_photographs(min_iou, most):
    points = []
    for path in sorted(SAMPLES.glob("*.png")):
        values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        points += [sum(map(len, polygons(values == value, min_iou))) for value in np.unique(values)[1:]]
    assert len(points) == 54
    assert np.mean(points) < most


def test_a_large_mask_keeps_the_bound():
    mask = blob(1500, 2000, (1000, 700, 600, 1), (700, 900, 300, 1))
    (ring,) = polygons(mask)
    assert len(ring) < 40
    canvas = np.zeros(mask.shape, np.uint8)
    cv2.fillPoly(canvas, [np.round(ring).astype(np.int32)], 1)
    assert overlap(canvas > 0, mask) > 0.979
