"""Deep colours and greys become 8 bits by the bits they use, whatever file holds them."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from deep_files import Values, chunk, png, tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from ritm_model.images import ImageError, decode_image
from ritm_model.images.bit_depth import deep_colours

KINDS: dict[str, Callable[[Values], bytes]] = {
    "PNG": png,
    "TIFF": tiff,
    "big-endian TIFF": lambda values: tiff(values, order=">"),
    "deflated TIFF": lambda values: tiff(values, packed=True),
    "tiled TIFF": lambda values: tiff(values, tile=16),
    "big-endian deflated tiled TIFF": lambda values: tiff(values, order=">", packed=True, tile=16),
    "TIFF by OpenCV": lambda values: cv2.imencode(".tiff", values[:, :, ::-1])[1].tobytes(),
}

pictures = arrays.arrays(np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20), st.just(3)))


def with_bits(picture_HW3: np.ndarray, bits: int) -> Values:
    """A picture as a camera of so many bits stores it, with one value that uses them all."""
    values = np.rint(picture_HW3 / 255 * (2**bits - 1)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    return values


@pytest.mark.parametrize("write", KINDS.values(), ids=KINDS)
@settings(max_examples=15)
@given(picture_HW3=pictures)
def test_cameras_of_any_depth_give_the_same_picture(
    picture_HW3: np.ndarray, write: Callable[[Values], bytes]
) -> None:
    expected = picture_HW3.astype(int)
    expected[0, 0] = 255
    for bits in (10, 12, 14, 16):
        decoded = decode_image(write(with_bits(picture_HW3, bits)))
        np.testing.assert_allclose(decoded.astype(int), expected, atol=0 if bits == 16 else 1)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("opaque", ["all bits", "the same bits"])
@pytest.mark.parametrize("write", [png, lambda values: tiff(values, alpha=2)], ids=["PNG", "TIFF"])
def test_transparent_colours_show_white(bits: int, opaque: str, write: Callable[[Values], bytes]) -> None:
    full = 2**16 - 1 if opaque == "all bits" else 2**bits - 1
    values = np.zeros((2, 3, 4), np.uint16)
    values[:, :, :3] = np.rint(np.array([200, 100, 50]) / 255 * (2**bits - 1))
    values[0, 0, :3] = 2**bits - 1
    values[:, :, 3] = [full, full, 0]
    values[1, 1, 3] = full // 2
    decoded = decode_image(write(values)).astype(int)
    assert decoded[0].tolist() == [[255, 255, 255], [200, 100, 50], [255, 255, 255]]
    np.testing.assert_allclose(decoded[1, 1], [228, 178, 153], atol=1)


def test_premultiplied_colours_show_white() -> None:
    straight = np.array([[[60000, 30000, 0, 32768], [60000, 30000, 10000, 65535]]], np.uint16)
    premultiplied = straight.copy()
    premultiplied[0, 0, :3] = straight[0, 0, :3] // 2
    expected = decode_image(tiff(straight, alpha=2))
    decoded = decode_image(tiff(premultiplied, alpha=1))
    np.testing.assert_allclose(decoded.astype(int), expected.astype(int), atol=2)


def test_a_fourth_value_of_no_meaning_is_ignored() -> None:
    values = np.full((2, 2, 4), 4095, np.uint16)
    values[1, :, :3] = 2048
    values[:, :, 3] = 7
    assert decode_image(tiff(values, alpha=0))[:, 0].tolist() == [[255] * 3, [128] * 3]


def test_one_deep_colour_may_be_transparent() -> None:
    values = np.full((1, 2, 3), 60000, np.uint16)
    values[0, 1] = (1000, 2000, 3000)
    decoded = decode_image(png(values, chunk(b"tRNS", struct.pack(">HHH", 1000, 2000, 3000))))
    assert decoded[0].tolist() == [[233] * 3, [255] * 3]


def test_deep_grey_with_alpha() -> None:
    values = np.array([[[4095, 4095], [2048, 4095], [0, 0]]], np.uint16)
    assert decode_image(png(values))[0, :, 0].tolist() == [255, 128, 255]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_files_are_turned_like_others(orientation: int) -> None:
    eight_HW3 = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    eight_HW3[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    deep_HW3 = with_bits(eight_HW3, 16)
    for kind, deep in (
        ("PNG", png(deep_HW3, chunk(b"eXIf", exif.tobytes()[6:]))),
        ("TIFF", tiff(deep_HW3, orientation=orientation)),
    ):
        buffer = io.BytesIO()
        Image.fromarray(eight_HW3).save(buffer, kind, exif=exif)
        np.testing.assert_array_equal(decode_image(deep), decode_image(buffer.getvalue()))


@pytest.mark.parametrize("kept", [0.3, 0.8])
@pytest.mark.parametrize("write", [png, lambda values: tiff(values, packed=True)], ids=["PNG", "TIFF"])
def test_deep_files_cut_off_are_refused(kept: float, write: Callable[[Values], bytes]) -> None:
    data = write(np.random.default_rng(0).integers(0, 4096, (40, 40, 3)).astype(np.uint16))
    with pytest.raises(ImageError):
        decode_image(data[: int(len(data) * kept)])


def test_the_size_of_a_deep_file_is_checked_before_it_is_decoded() -> None:
    with pytest.raises(ImageError, match="40 x 30 pixels; the limit is 0.001 megapixels"):
        decode_image(png(np.zeros((30, 40, 3), np.uint16)), max_pixels=1000)


def with_second_size(kind: str) -> bytes:
    """A picture of 5 x 4 pixels that may be taken for one of 60000 in width."""
    values = np.full((4, 5, 3), 60000, np.uint16)
    if kind == "PNG":
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 4, 16, 2, 0, 0, 0))
        return png(values)[:8] + header + png(values)[8:]
    data = tiff(values)
    width, large = (struct.pack("<HHIHH", 256, 3, 1, size, 0) for size in (5, 60000))
    upright = struct.pack("<HHIHH", 274, 3, 1, 1, 0)
    assert width in data
    assert upright in data
    return data.replace(upright, large)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_second_size_in_a_file_does_not_get_round_the_limit(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = with_second_size(kind)
    image = Image.open(io.BytesIO(data))
    assert image.size == (5, 4), "the limit is held against this size"
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("memory was taken for the other size"))
    assert deep_colours(image, data) is None


def test_separate_planes_are_refused_by_name() -> None:
    with pytest.raises(ImageError, match="separate planes"):
        decode_image(tiff(np.zeros((4, 5, 3), np.uint16), planar=True))


def test_black_stays_black() -> None:
    assert decode_image(png(np.zeros((3, 3, 3), np.uint16))).max() == 0
