"""Pictures stand as a browser shows them. That it does is asked of a real one in tests/e2e."""

from __future__ import annotations

import io
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oriented_files import ORIENTATION, PICTURE_HW3, SHORT, Oriented, exif, oriented_files
from PIL import Image, ImageOps

from ritm_model.images import decode_image, upright_rgb
from ritm_model.images.orientation import shown_orientation, turned

FILES = oriented_files()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turns_are_those_of_pillow(orientation: int) -> None:
    image = Image.fromarray(PICTURE_HW3)
    image.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(turned(PICTURE_HW3, orientation), expected)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_files_stand_as_browsers_show_them(file: Oriented) -> None:
    decoded = decode_image(file.data)
    expected = turned(PICTURE_HW3, file.shown)
    assert decoded.shape == expected.shape
    assert np.abs(decoded.astype(int) - expected).mean() < 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_open_images_follow_the_same_rule(file: Oriented) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # who opens the image hears what is broken in it
        image = Image.open(io.BytesIO(file.data))
    np.testing.assert_array_equal(upright_rgb(image), decode_image(file.data))


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0", b"MM\0*", b"Exif\0\0II*\0"]))
def test_any_notes_leave_a_picture_in_one_of_eight_ways(rest: bytes, start: bytes) -> None:
    image = Image.fromarray(PICTURE_HW3)
    image.format = "PNG"
    image.info["exif"] = start + rest
    assert shown_orientation(image) in range(1, 9)


@given(st.data())
def test_damaged_notes_neither_warn_nor_refuse_the_picture(data: st.DataObject) -> None:
    notes = bytearray(exif((ORIENTATION, SHORT, 1, 6), (0x011A, 5, 1, 100), (0x0128, SHORT, 1, 2)))
    for _ in range(data.draw(st.integers(1, 4))):
        notes[data.draw(st.integers(0, len(notes) - 1))] = data.draw(st.integers(0, 255))
    kept = bytes(notes[: data.draw(st.integers(0, len(notes)))])
    plain = cv2.imencode(".jpg", PICTURE_HW3[:, :, ::-1])[1].tobytes()
    body = b"Exif\0\0" + kept
    segment = b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body
    assert decode_image(plain[:2] + segment + plain[2:]).shape in ((32, 64, 3), (64, 32, 3))
