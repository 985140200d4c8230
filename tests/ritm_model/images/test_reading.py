"""Every kind of image file becomes upright 8-bit RGB, and nothing else ever comes out but an ImageError."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ritm_model.images import ImageError, decode_image
from ritm_model.images.pillow_limit import pillow_limit_lifted

TESTS = Path(__file__).parents[2]
FILES = TESTS / "image_files"
SAMPLES = sorted((TESTS / "samples" / "images").glob("*.jpg"))
LEFT_RED_RIGHT_BLUE = np.zeros((8, 12, 3), np.uint8)
LEFT_RED_RIGHT_BLUE[:, :6, 0] = 255
LEFT_RED_RIGHT_BLUE[:, 6:, 2] = 255
LEFT_RED_RIGHT_BLUE[:2] //= 2  # darker on top, so that every turn can be told from every other


def file_of(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("photo", SAMPLES, ids=lambda path: path.stem)
def test_photographs_have_the_pixels_that_opencv_gives(photo: Path) -> None:
    data = photo.read_bytes()
    bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(decode_image(data), bgr[:, :, ::-1])


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (101, 67)])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_files_of_all_kinds_have_the_pixels_that_pillow_gives(
    mode: str, size: tuple[int, int], subsampling: int, progressive: bool
) -> None:
    photo = Image.open(SAMPLES[0]).resize(size).convert(mode)
    for options in ({"quality": 60}, {"quality": 95, "restart_marker_blocks": 2}):
        data = file_of(photo, "JPEG", subsampling=subsampling, progressive=progressive, **options)
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        np.testing.assert_array_equal(decode_image(data), expected)


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (101, 67)])
@pytest.mark.parametrize("options", [{"quality": 60}, {"quality": 95}, {"lossless": True}])
def test_webp_files_have_the_pixels_that_pillow_gives(
    size: tuple[int, int], options: dict[str, object]
) -> None:
    data = file_of(Image.open(SAMPLES[0]).resize(size), "WEBP", **options)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(decode_image(data), expected)


def test_the_first_of_several_pictures_in_a_jpeg_counts() -> None:
    photo = Image.open(SAMPLES[0])
    data = file_of(photo, "MPO", save_all=True, append_images=[photo.resize((40, 30))])
    assert Image.open(io.BytesIO(data)).format == "MPO"
    np.testing.assert_array_equal(decode_image(data), decode_image(file_of(photo, "JPEG")))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF"])
def test_lossless_kinds_keep_every_pixel(kind: str) -> None:
    data = file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), kind)
    np.testing.assert_array_equal(decode_image(data), LEFT_RED_RIGHT_BLUE)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("WEBP", {"lossless": True}), ("TIFF", {"compression": "tiff_lzw"}), ("PNG", {"optimize": True})],
)
def test_packings_do_not_matter(kind: str, options: dict[str, object]) -> None:
    data = file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), kind, **options)
    np.testing.assert_array_equal(decode_image(data), LEFT_RED_RIGHT_BLUE)


STORED_AS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: np.fliplr,
    3: lambda upright: np.rot90(upright, 2),
    4: np.flipud,
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, 3),
}


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied_once(orientation: int, kind: str) -> None:
    stored = Image.fromarray(np.ascontiguousarray(STORED_AS[orientation](LEFT_RED_RIGHT_BLUE)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(stored, kind, exif=exif)
    np.testing.assert_array_equal(decode_image(data), LEFT_RED_RIGHT_BLUE)


def test_a_turned_photograph_is_upright() -> None:
    photo = Image.open(SAMPLES[0])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = file_of(photo.rotate(90, expand=True), "JPEG", quality=95, exif=exif)
    upright = decode_image(turned)
    assert upright.shape[:2] == (photo.height, photo.width)
    difference = np.abs(upright.astype(int) - np.asarray(photo.convert("RGB")))
    assert difference.mean() < 3


@pytest.mark.parametrize(
    ("largest", "bits"), [(65535, 16), (32768, 16), (4095, 12), (1000, 10), (255, 8), (3, 8)]
)
def test_deep_greys_are_scaled_from_the_bits_they_use(largest: int, bits: int) -> None:
    values = np.linspace(0, largest, 64).astype(np.uint16).reshape(8, 8)
    expected = np.rint(values * (255 / (2**bits - 1)))
    for kind in ("PNG", "TIFF"):
        decoded = decode_image(file_of(Image.fromarray(values), kind))
        assert decoded.dtype == np.uint8
        for channel in range(3):
            np.testing.assert_allclose(decoded[:, :, channel], expected, atol=1)


@pytest.mark.parametrize("offset", [0.0, -3.0])
def test_floating_point_images_use_their_range(offset: float) -> None:
    values = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8)
    stored = values if offset == 0 else values * 100 + offset
    decoded = decode_image(file_of(Image.fromarray(stored), "TIFF"))
    np.testing.assert_allclose(decoded[:, :, 0], values * 255, atol=1)


def test_not_a_number_is_black() -> None:
    values = np.full((4, 4), np.nan, np.float32)
    values[0, 0] = 1
    decoded = decode_image(file_of(Image.fromarray(values), "TIFF"))
    assert decoded[0, 0, 0] == 255
    assert decoded[1:].max() == 0


def test_transparency_shows_white() -> None:
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[0, :, :] = (200, 100, 50, 255)
    decoded = decode_image(file_of(Image.fromarray(rgba), "PNG"))
    assert decoded[0, 0].tolist() == [200, 100, 50]
    assert decoded[2, 2].tolist() == [255, 255, 255]


def test_grey_with_transparency() -> None:
    decoded = decode_image(file_of(Image.new("LA", (3, 3), (100, 255)), "PNG"))
    assert (decoded == 100).all()


def test_palettes_with_and_without_transparency() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    assert decode_image(file_of(palette, "PNG")).tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert decode_image(file_of(palette, "PNG", transparency=0)).tolist() == [[[255] * 3, [40, 50, 60]]]


def test_printing_colours() -> None:
    photo = Image.open(SAMPLES[0]).convert("RGB")
    printed = file_of(photo.convert("CMYK"), "JPEG", quality=95)
    difference = np.abs(decode_image(printed).astype(int) - np.asarray(photo))
    assert difference.mean() < 3


@pytest.mark.parametrize("mode", ["1", "L", "YCbCr"])
def test_other_modes(mode: str) -> None:
    white = Image.new("RGB", (5, 4), "white").convert(mode)
    assert (decode_image(file_of(white, "TIFF")) == 255).all()


def test_the_first_page_counts() -> None:
    first, second = Image.new("RGB", (3, 2), "red"), Image.new("RGB", (3, 2), "blue")
    for kind in ("TIFF", "GIF", "WEBP"):
        data = file_of(first, kind, save_all=True, append_images=[second], lossless=True)
        assert decode_image(data)[0, 0].tolist() == [255, 0, 0]


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header promises much more than its few bytes hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    with pytest.raises(ImageError, match=r"30000 x 30000 pixels; the limit is 120 megapixels"):
        decode_image(bomb(30_000, 30_000))
    with pytest.raises(ImageError, match=r"12 x 8 pixels; the limit is 9.5e-05"):
        decode_image(file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), "PNG"), max_pixels=95)


def test_the_limit_of_pillow_is_lifted_for_ours_only() -> None:
    limit = Image.MAX_IMAGE_PIXELS
    assert limit is not None, "importing the package took Pillow's guard from the whole program"
    with pytest.raises(ImageError, match="damaged or cut off"):
        decode_image(bomb(10_000, 10_000))
    with pytest.raises(ImageError, match="the limit is 120 megapixels"):
        decode_image(bomb(30_000, 30_000))
    assert limit == Image.MAX_IMAGE_PIXELS


def test_an_image_is_read_while_a_large_one_is_being_decoded() -> None:
    limit, large = Image.MAX_IMAGE_PIXELS, pillow_limit_lifted()
    with ThreadPoolExecutor(1) as pool:
        with large:
            small = pool.submit(decode_image, file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), "PNG"))
            assert small.result(60).shape == LEFT_RED_RIGHT_BLUE.shape
            assert Image.MAX_IMAGE_PIXELS is None, "the large one still needs it"
        assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "GIF", "BMP", "WEBP"])
def test_images_beyond_the_limit_of_pillow_are_decoded(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert decode_image(data).shape == LEFT_RED_RIGHT_BLUE.shape
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The image file is empty."),
        (b"hello, I am a text", "not an image of a known kind"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG drawing"),
        (bomb(100, 100), "damaged or cut off"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:5", "is a Git LFS pointer.*git lfs pull"),
        (b"\n<!DOCTYPE HTML><html>Sign in", "is a web page, not the file itself"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "is a HEIC or AVIF photograph: save it as JPEG"),
        (b"\0\0\0\x18ftypavis\0\0\0\0mif1avif", "is a HEIC or AVIF photograph: save it as JPEG"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "is a raw photograph of a camera, which is not read"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0isom", "is a video, which is not read"),
        (b"\xff\x0a\xfa\x1f\x01", "is a JPEG XL image, which is not read: save it as JPEG or PNG first"),
        (b"8BPS\0\1", "is a Photoshop document"),
        (b"PK\3\4\x14\0", "is a packed archive: unpack it first"),
        (b"/annex/objects/SHA256E-s9--ab.jpg\n", "is a pointer of git-annex.*git annex get"),
        (b"../.git/annex/objects/Wx/1z/SHA256E-s9--ab.jpg", "is a pointer of git-annex.*git annex get"),
        (b'<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code></Error>', "is the answer of a server"),
        (b"<!-- login -->\n<html>", "is a web page, not the file itself"),
        (b'{"detail":"Authentication credentials were not provided."}\n', "is JSON, such as the answer of"),
        (b"a.jpg" + b"\0" * 252 + b"ustar", "is a packed archive: unpack it first"),
    ],
)
def test_what_is_no_image_gets_one_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence) as caught:
        decode_image(data)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_photograph_cut_off_is_refused(kept: float) -> None:
    for data in (SAMPLES[0].read_bytes(), file_of(Image.open(SAMPLES[0]), "WEBP")):
        with pytest.raises(ImageError):
            decode_image(data[: int(len(data) * kept)])


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_whole_thumbnail_does_not_hide_that_a_photograph_is_cut_off(kept: float) -> None:
    exif = Image.Exif()
    exif[0x9286] = file_of(Image.open(SAMPLES[0]).resize((40, 30)), "JPEG")
    data = file_of(Image.open(SAMPLES[0]), "JPEG", exif=exif)
    with pytest.raises(ImageError):
        decode_image(data[: int(len(data) * kept)])


JPEG_KINDS = [
    pytest.param(mode, options, id=f"{mode}-{'-'.join(options) or 'plain'}")
    for mode in ("RGB", "L", "CMYK")
    for options in ({}, {"progressive": True}, {"restart_marker_blocks": 3}, {"optimize": True})
]


@pytest.mark.parametrize(("mode", "options"), JPEG_KINDS)
def test_a_jpeg_that_lacks_only_its_end_marker_is_read(
    mode: str, options: dict[str, object], capfd: pytest.CaptureFixture[str]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x9286] = file_of(Image.open(SAMPLES[0]).resize((16, 12)), "JPEG")
    photo = Image.open(SAMPLES[0]).resize((83, 61)).convert(mode)
    data = file_of(photo, "JPEG", exif=exif, **options)
    expected = decode_image(data)
    for missing in (1, 2):
        np.testing.assert_array_equal(decode_image(data[:-missing]), expected)
    for kept in range(len(data) // 2, len(data) - 10, 23):
        with pytest.raises(ImageError, match="damaged or cut off"):
            decode_image(data[:kept])
    for kept in range(len(data) - 10, len(data) - 2):
        with suppress(ImageError):  # the last bytes may hold nothing but the padding
            np.testing.assert_array_equal(decode_image(data[:kept]), expected)
    assert capfd.readouterr() == ("", "")


def test_a_progressive_jpeg_without_its_last_scans_is_refused() -> None:
    data = file_of(Image.open(SAMPLES[0]), "JPEG", progressive=True)
    starts = [found.start() for found in re.finditer(rb"\xff\xda", data)]
    assert len(starts) > 5
    for start in starts[1:]:
        tables = data.rfind(b"\xff\xc4", 0, start)
        with pytest.raises(ImageError, match="damaged or cut off"):
            decode_image(data[:tables])


def test_a_photograph_of_another_program_without_its_end_marker() -> None:
    assert decode_image((FILES / "no_end_marker.jpg").read_bytes()).shape == (120, 160, 3)


def test_broken_notes_in_a_tiff_neither_warn_nor_refuse_the_picture() -> None:
    data = file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), "TIFF", tiffinfo={274: 1})
    entry = struct.pack("<HHI", 274, 3, 1)
    assert entry in data
    broken = data.replace(entry, struct.pack("<HHI", 274, 3, 2))
    with pytest.warns(UserWarning, match="too many entries"):
        Image.open(io.BytesIO(broken)).load()
    np.testing.assert_array_equal(decode_image(broken), LEFT_RED_RIGHT_BLUE)


HEADERS = [
    b"",
    b"\xff\xd8\xff\xe0",
    b"\x89PNG\r\n\x1a\n",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"GIF89a",
    b"RIFF\0\0\0\0WEBP",
]


@given(st.sampled_from(HEADERS), st.binary(max_size=400))
def test_arbitrary_bytes_never_raise_anything_else(header: bytes, rest: bytes) -> None:
    with suppress(ImageError):
        decode_image(header + rest, max_pixels=1_000_000)


@given(st.data())
def test_damaged_files_never_raise_anything_else(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "TIFF", "GIF", "BMP", "WEBP", "JPEG"]))
    original = bytearray(file_of(Image.fromarray(LEFT_RED_RIGHT_BLUE), kind))
    for _ in range(data.draw(st.integers(1, 5))):
        original[data.draw(st.integers(0, len(original) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ImageError):
        decode_image(bytes(original), max_pixels=1_000_000)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_image(SAMPLES[0].read_bytes() + b"\xff\xda" * 200)
    photo = Image.open(SAMPLES[0])
    several = file_of(photo, "MPO", save_all=True, append_images=[photo])
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_image(several + b"\xff\xda" * 200)
