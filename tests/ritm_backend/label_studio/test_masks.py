"""Masks between the model's picture and the editor's."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ritm_backend.label_studio.errors import TaskError
from ritm_backend.label_studio.masks import PackedMask, check_same_picture, drop_specks, resize
from ritm_model.clicks import Click

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@pytest.fixture
def speckled():
    mask_HW = np.zeros((60, 80), np.bool_)
    mask_HW[10:40, 10:50] = True  # the object
    mask_HW[50:53, 70:73] = True  # 9 pixels
    mask_HW[2, 2] = True  # 1 pixel
    return mask_HW


def test_specks_go_and_the_object_stays(speckled):
    tidy_HW = drop_specks(speckled, [], 16)

    assert tidy_HW.sum() == 30 * 40
    assert tidy_HW[10:40, 10:50].all()
    assert speckled.sum() == 30 * 40 + 10  # the model's mask is shared, and was not written to


def test_a_speck_the_annotator_clicked_stays(speckled):
    assert drop_specks(speckled, [Click(71.5, 51.2)], 16).sum() == 30 * 40 + 9
    assert drop_specks(speckled, [Click(71.5, 51.2, is_positive=False)], 16).sum() == 30 * 40


def test_a_limit_keeps_what_reaches_it(speckled):
    assert drop_specks(speckled, [], 9).sum() == 30 * 40 + 9
    assert drop_specks(speckled, [], 0).sum() == speckled.sum()


def test_a_mask_of_specks_keeps_the_largest():
    mask_HW = np.zeros((9, 9), np.bool_)
    mask_HW[0, 0] = mask_HW[4, 4:6] = True

    assert drop_specks(mask_HW, [], 100).sum() == 2


@given(MASKS, st.integers(0, 30))
def test_tidying_only_removes_and_never_everything(mask_HW, limit):
    tidy_HW = drop_specks(mask_HW, [Click(0, 0)], limit)

    assert not (tidy_HW & ~mask_HW).any()
    assert tidy_HW.any() == mask_HW.any()
    assert tidy_HW[0, 0] == mask_HW[0, 0]


@given(MASKS)
def test_a_packed_mask_is_the_same_mask(mask_HW):
    packed = PackedMask.pack(mask_HW)

    assert (packed.unpack() == mask_HW).all()
    for (row, column), inside in np.ndenumerate(mask_HW):
        assert packed.contains(column + 0.5, row + 0.5) == inside


@pytest.mark.parametrize("scale", [0.5, 2, 3.2])
def test_a_mask_of_another_size_covers_the_same_place(scale):
    mask_HW = np.zeros((100, 200), np.bool_)
    mask_HW[20:60, 50:150] = True
    width, height = round(200 * scale), round(100 * scale)

    scaled_HW = resize(mask_HW, width, height)

    rows, columns = np.nonzero(scaled_HW)
    assert scaled_HW.shape == (height, width)
    for edge, expected in (
        (rows.min(), 20),
        (rows.max() + 1, 60),
        (columns.min(), 50),
        (columns.max() + 1, 150),
    ):
        assert edge == pytest.approx(expected * scale, abs=1)


@pytest.mark.parametrize(
    ("image", "editor"),
    [
        ((800, 600), (800, 600)),
        ((800, 600), (400, 300)),
        ((1000, 667), (4000, 2667)),
        ((333, 500), (2000, 3000)),
    ],
)
def test_a_smaller_version_of_the_picture_is_the_same_picture(image, editor):
    check_same_picture(image, editor)


@pytest.mark.parametrize(
    ("image", "editor"), [((800, 600), (600, 800)), ((800, 600), (800, 640)), ((640, 640), (800, 600))]
)
def test_another_shape_is_refused_with_both_sizes(image, editor):
    with pytest.raises(TaskError, match=f"{image[0]} x {image[1]} .* {editor[0]} x {editor[1]}"):
        check_same_picture(image, editor)


def test_a_mask_that_would_fill_the_memory_is_refused():
    with pytest.raises(TaskError, match="too large"):
        check_same_picture((800, 600), (800_000, 600_000))


@given(MASKS, st.integers(0, 8))  # larger components may hold others in their holes, which go with them
def test_the_specks_are_the_small_components(mask_HW, limit):
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask_HW.view(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.flatnonzero(areas >= limit)
    if not kept.size and areas.size:
        kept = np.flatnonzero(areas == areas.max())

    tidy_HW = drop_specks(mask_HW, [], limit)

    if (areas >= limit).any():
        assert (tidy_HW == np.isin(labels, 1 + kept)).all()
    else:  # one of the largest
        assert tidy_HW.sum() == areas.max(initial=0)
