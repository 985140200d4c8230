"""Bitmasks are written so that the editor and our own reader see the same pixels."""

import base64
import io
import zlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from ritm_model.masks import bitmask

HEAD = "data:image/png;base64,"
MASKS = npst.arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40)))


@given(MASKS)
def test_what_is_written_is_read_again(mask):
    assert np.array_equal(bitmask.decode(bitmask.encode(mask), mask.shape[1], mask.shape[0]), mask)


@given(MASKS, st.integers(0, 20), st.integers(0, 20), st.integers(0, 9), st.integers(0, 9))
def test_a_part_lies_at_its_place(part, top, left, below, right):
    frame = (top + part.shape[0] + below, left + part.shape[1] + right)
    mask = np.zeros(frame, np.bool_)
    mask[top : top + part.shape[0], left : left + part.shape[1]] = part
    url = bitmask.encode_part(part, (top, left), frame)
    assert url == bitmask.encode(mask)
    assert np.array_equal(bitmask.decode(url, frame[1], frame[0]), mask)


@given(st.integers(0, 3000), st.integers(1, 30), st.integers(0, 3000), st.sampled_from([9, 1000, 5000]))
def test_programs_that_check_everything_read_it(above, rows, below, width):
    """`zlib.decompress` looks at the checksum and at the end, which readers of pictures pass over."""
    part = np.ones((rows, 7), np.bool_)
    frame = (above + rows + below, width)
    data = base64.b64decode(bitmask.encode_part(part, (above, 2), frame).removeprefix(HEAD))
    begin = data.index(b"IDAT")
    length = int.from_bytes(data[begin - 4 : begin], "big")
    lines = np.frombuffer(zlib.decompress(data[begin + 4 : begin + 4 + length]), np.uint8)
    lines = lines.reshape(frame[0], 1 + (width + 7) // 8)
    assert not lines[:, 0].any()
    mask = np.unpackbits(lines[:, 1:], axis=1, count=width).view(np.bool_)
    assert mask[above : above + rows, 2:9].all()
    assert np.count_nonzero(mask) == part.size


def test_the_picture_is_black_with_an_alpha_of_all_or_nothing():
    mask = np.eye(9, dtype=np.bool_)
    data = base64.b64decode(bitmask.encode(mask).removeprefix(HEAD))
    with Image.open(io.BytesIO(data)) as png:
        rgba = np.asarray(png.convert("RGBA"))
    assert (rgba[..., :3] == 0).all()
    assert np.array_equal(rgba[..., 3], mask * np.uint8(255))


def test_a_large_mask_takes_kilobytes():
    y, x = np.ogrid[:3000, :4000]
    assert len(bitmask.encode((x - 2000) ** 2 + (y - 1500) ** 2 < 1000**2)) < 30_000
