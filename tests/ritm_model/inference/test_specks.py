"""Specks go, and what was meant stays."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ritm_model.clicks import Click
from ritm_model.inference.specks import drop_specks

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
