"""Mask files as programs write them: kinds of files, orientation tags, pages, colours and greys."""

import io
import itertools

import cv2
import numpy as np
import pytest
from mask_folders import opened, reasons
from PIL import Image

from ritm_model.datasets import DatasetError, open_dataset
from ritm_model.datasets.files import inside
from ritm_model.datasets.problems import BrokenFileError


@pytest.fixture
def mask(empty):
    empty[3:9, 6:30] = 255
    return empty


def with_tag(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return {"exif": tags}


STORED = {1: lambda upright: upright, 3: lambda upright: upright[::-1, ::-1], 6: np.rot90, 5: np.transpose}
"""How a camera holds what its tag turns upright; the array may be any upright one."""


@pytest.mark.parametrize(
    ("of_mask", "of_photograph", "mode"),
    [*itertools.product((1, 3, 5, 6), (1, 3, 5, 6), ("RGBA",)), (6, 6, "L"), (3, 3, "L"), (6, 1, "LA")],
)
@pytest.mark.parametrize("layout", ["images_dir", "labels"])
def test_a_mask_lies_as_its_own_tag_turns_it(painter, mask, layout, of_mask, of_photograph, mode):
    """Programs that copy the tags of photographs into masks do so with the pixels of the camera."""
    value = np.uint8(1) if layout == "labels" else np.uint8(255)
    stored = np.ascontiguousarray(STORED[of_mask](mask > 0)) * value
    picture = Image.fromarray(stored).convert(mode)
    if mode != "L":
        picture.putalpha(Image.fromarray(stored * (255 // value)))
    picture.save(painter.path("masks/a.png"), **with_tag(of_mask))
    photograph = np.ascontiguousarray(STORED[of_photograph](np.full((30, 40), 90, np.uint8)))
    Image.fromarray(photograph).save(painter.path("images/a.jpg"), **with_tag(of_photograph))
    (sample,) = open_dataset("own", {"own": f"{layout}:{painter.root}"})
    assert np.array_equal(sample.mask == 1, mask > 0)


@pytest.mark.parametrize("kind", ["float32", "int32", "big"])
def test_tiff_masks_of_any_depth(painter, mask, kind):
    painter.image("images/a.jpg")
    path = painter.path("masks/a.tif")
    if kind == "big":
        Image.fromarray(mask).save(path, big_tiff=True)
    else:
        Image.fromarray((mask // 255).astype(kind)).save(path)
    (sample,) = opened("images_dir", painter)
    assert np.array_equal(sample.mask == 1, mask > 0)


@pytest.mark.parametrize("layout", ["images_dir", "labels"])
@pytest.mark.parametrize("suffix", ["tif", "gif", "png"])
def test_several_pages_are_not_one_mask(painter, mask, layout, suffix):
    painter.image("images/a.jpg")
    first, second = (Image.fromarray(values) for values in (mask // 255, mask[::-1] // 255))
    first.save(painter.path(f"masks/a.{suffix}"), save_all=True, append_images=[second])
    with pytest.raises(DatasetError, match="The mask file has several pages: save each as a file of its own"):
        opened(layout, painter)


def test_previews_in_a_tiff_are_no_pages(painter, mask):
    painter.image("images/a.jpg")
    preview = Image.fromarray(mask[::2, ::2])
    Image.fromarray(mask).save(painter.path("masks/a.tif"), save_all=True, append_images=[preview])
    assert len(opened("images_dir", painter)) == 1


BLUE, RED, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        (BLUE, RED, "painted in colours"),
        (BLUE, BLUE, "painted in colours"),
        (WHITE, RED, "painted in colours"),
        (85, 170, "areas of the values 85 beside white"),
        (127, 254, "areas of the values 127 beside white"),
    ],
)
def test_objects_in_several_colours_or_greys_are_not_lost_without_a_word(
    painter, empty, first, second, reason
):
    """Only the first channel was looked at, in which red is black."""
    painter.image("images/a.jpg")
    picture = np.dstack([empty] * 3)
    picture[2:12, 2:30], picture[15:25, 5:20] = first, second
    painter.array("masks/a.png", picture)
    with pytest.raises(DatasetError, match=reason):
        opened("images_dir", painter)


def test_the_white_border_of_a_numbered_object_is_not_the_object(painter, empty):
    painter.image("images/a.jpg")
    empty[2:12, 2:30], empty[2:12, 30] = 2, 255
    painter.array("masks/a.png", empty)
    with pytest.raises(DatasetError, match="areas of the values 2 beside white.*--layout labels"):
        opened("images_dir", painter)


def test_inverted_masks_are_refused(painter, mask):
    for name in "ab":
        painter.image(f"images/{name}.jpg")
    painter.array("masks/a.png", mask)
    painter.array("masks/b.png", 255 - mask)
    assert "white along its whole border and black inside" in reasons(opened("images_dir", painter))["b.png"]
    painter.array("masks/b.png", np.full_like(mask, 255))  # an object that fills its photograph
    assert reasons(opened("images_dir", painter)) == {}


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_blurred_masks_stay_masks(painter, empty, quality):
    """Of a JPEG, of a mask that was resized smoothly, and with soft rims."""
    large = cv2.resize(empty, (400, 300))
    cv2.circle(large, (200, 150), 90, 255, -1, cv2.LINE_AA)
    truth = large > 128
    blurred = cv2.GaussianBlur(large, (31, 31), 8)
    for name, values in (("jpeg", large), ("soft", blurred)):
        painter.image(f"images/{name}.jpg", 400, 300)
        file = io.BytesIO()
        Image.fromarray(np.dstack([values] * 3)).save(file, "JPEG", quality=quality)
        painter.path(f"masks/{name}.jpg").write_bytes(file.getvalue())
    dataset = opened("images_dir", painter)
    assert reasons(dataset) == {}
    for sample in dataset:
        assert ((sample.mask == 1) != truth).mean() < 0.01


@pytest.mark.parametrize("name", ["12:30.png", "a/12:30.png", "Screenshot 12:30:00.png"])
def test_a_colon_is_a_letter_like_others(tmp_path, name):
    assert inside(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize("name", ["C:x.png", "C:\\x.png", "file:/x.png", "https://host/x.png", "../x", "/x"])
def test_names_that_lead_elsewhere(tmp_path, name):
    with pytest.raises(BrokenFileError, match="cannot be in this folder"):
        inside(tmp_path, name)
