"""Run lengths, and files of masks."""

import base64
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from ritm_backend.demo.masks import mask_of, objects_in, read_values, run_lengths
from ritm_model.images import ImageError
from ritm_model.masks import bitmask


def saved(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def runs(data: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift = shift + 7 if byte > 127 else 0
        if not shift:
            numbers.append(value)
            value = 0
    return numbers


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_runs_give_the_mask_back(mask_hw):
    lengths = runs(run_lengths(mask_hw))
    assert np.array_equal(np.repeat(np.arange(len(lengths)) % 2 == 1, lengths), mask_hw.ravel())


@pytest.mark.parametrize("count", [1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_long_runs_take_more_bytes(count):
    assert runs(run_lengths(np.ones((1, count), bool))) == [0, count]


@given(arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 9)))
def test_an_indexed_picture_holds_numbers(values_HW):
    height, width = values_HW.shape
    indexed = Image.frombytes("P", (width, height), values_HW.tobytes())
    indexed.putpalette([7 * n % 256 for n in range(30)])

    read = read_values(saved(indexed), max_pixels=10_000)

    assert np.array_equal(read, values_HW)
    assert objects_in(read) == sorted({int(value) for value in values_HW.ravel()} - {0})


def test_grey_pictures_with_few_values_hold_numbers_too():
    values_HW = np.repeat(np.arange(4, dtype=np.uint8) * 85, 3).reshape(3, 4)
    assert objects_in(read_values(saved(Image.fromarray(values_HW)), max_pixels=100)) == [85, 170, 255]


def test_a_soft_mask_is_one_object():
    soft_HW = np.arange(256, dtype=np.uint8).reshape(16, 16)
    read = read_values(saved(Image.fromarray(soft_HW)), max_pixels=1000)
    assert np.array_equal(read, (soft_HW > 127).astype(np.uint8))


def test_one_bit_pictures_hold_one_object():
    read = read_values(saved(Image.fromarray(np.eye(9, dtype=bool))), max_pixels=100)
    assert np.array_equal(mask_of(read, objects_in(read)[0]), np.eye(9, dtype=bool))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("colour", [0, 200])
def test_the_ground_of_a_bitmask_is_transparent(mode, colour):
    """Black on nothing is what Label Studio's editor draws."""
    is_object_HW = np.eye(9, dtype=bool)
    channels = [np.full((9, 9), colour, np.uint8)] * (len(mode) - 1)
    picture = Image.fromarray(np.dstack([*channels, is_object_HW * np.uint8(255)]), mode)
    read = read_values(saved(picture), max_pixels=100)
    assert np.array_equal(mask_of(read, objects_in(read)[0]), is_object_HW)


def test_black_is_the_ground_where_nothing_is_transparent():
    values_HW = np.array([[0, 200], [200, 0]], np.uint8)
    read = read_values(saved(Image.fromarray(values_HW).convert("RGBA")), max_pixels=100)
    assert np.array_equal(read, values_HW)
    assert not read_values(saved(Image.new("RGBA", (5, 5), (0, 0, 0, 255))), max_pixels=100).any()
    assert not read_values(saved(Image.new("RGBA", (5, 5), (9, 9, 9, 0))), max_pixels=100).any()


def test_a_bitmask_that_was_saved_is_opened_again():
    is_object_HW = np.eye(9, dtype=bool)
    file = base64.b64decode(bitmask.encode(is_object_HW).partition(",")[2])
    assert np.array_equal(mask_of(read_values(file, max_pixels=100), None), is_object_HW)


def test_one_object_or_all():
    values_HW = np.array([[0, 1], [2, 2]], np.uint8)
    assert mask_of(values_HW, 2).tolist() == [[False, False], [True, True]]
    assert mask_of(values_HW, None).tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("data", [b"", b"no picture", saved(Image.new("P", (50, 50)))[:-30]])
def test_what_is_no_picture_is_refused(data):
    with pytest.raises(ImageError):
        read_values(data, max_pixels=10_000)


def test_too_many_pixels_are_refused():
    with pytest.raises(ImageError, match="megapixels"):
        read_values(saved(Image.new("P", (50, 50))), max_pixels=2000)
