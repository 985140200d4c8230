"""Masks between the model's picture and the editor's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ritm_backend.label_studio.errors import TaskError
from ritm_backend.label_studio.masks import PackedMask, check_same_picture, resize

MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


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


@given(
    hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20)),
    st.floats(-3, 23),
    st.floats(-3, 23),
    st.floats(0, 9),
)
def test_how_far_a_packed_mask_lies_is_known(mask_HW, x, y, distance):
    packed = PackedMask.pack(mask_HW)
    rows, columns = np.nonzero(mask_HW)
    is_within = bool((np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= distance).any())

    assert packed.area == mask_HW.sum()
    assert packed.is_within(distance, x, y) == is_within
