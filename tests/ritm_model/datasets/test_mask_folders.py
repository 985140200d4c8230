"""GrabCut, Berkeley, DAVIS, COCO_MVal and folders of your own: images beside masks."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from mask_folders import keys_of, opened, reasons
from PIL import Image

from ritm_model.datasets import DatasetError, open_dataset

SAMPLES = Path(__file__).parents[2] / "samples"
GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.mark.parametrize(
    ("name", "images", "masks"), [("GrabCut", "data_GT", "boundary_GT"), ("Berkeley", "images", "masks")]
)
def test_grey_levels_of_grabcut_and_berkeley(painter, empty, name, images, masks):
    painter.image(f"{images}/b.png")
    painter.image(f"{images}/a.JPG")
    for column, grey in enumerate((0, 1, 64, 127, 128, 129, 255)):
        empty[:, column] = grey
    painter.array(f"{masks}/a.bmp", empty)
    painter.array(f"{masks}/b.png", 255 - empty)

    dataset = opened(name, painter)
    assert (dataset.name, len(dataset), dataset.problems) == (name, 2, ())
    sample = dataset[0]
    assert (sample.name, sample.category) == ("a.JPG", "")
    assert sample.mask.dtype == np.int8
    assert sample.mask[3, :8].tolist() == [0, 1, 0, 0, -1, 1, 1, 0]
    image = sample.load_image()
    assert image.shape == (30, 40, 3)
    assert image[2, 2, 0] > 200  # red comes first
    assert dataset[1].name == "b.png"


def test_only_the_first_channel_of_a_coloured_mask_counts_in_grabcut(painter, empty):
    painter.image("data_GT/a.png")
    coloured = np.dstack([empty, empty + 255, empty + 255])
    coloured[:3, :3, 0] = 200
    painter.array("boundary_GT/a.png", coloured)
    assert (opened("GrabCut", painter)[0].mask == 1).sum() == 9


@pytest.mark.parametrize("name", ["DAVIS", "COCO_MVal"])
def test_all_that_is_painted_in_davis_is_one_object(painter, empty, name):
    painter.image("img/frame_1.jpg")
    coloured = np.dstack([empty, empty, empty])
    coloured[0, 0, 0], coloured[0, 1, 1], coloured[0, 2, 2], coloured[0, 3] = 1, 128, 255, 128
    painter.array("gt/frame_1.png", coloured)
    mask = opened(name, painter)[0].mask
    assert mask[0, :5].tolist() == [1, 1, 1, 1, 0]
    assert mask.sum() == 4


def test_the_golden_data_set_has_the_order_of_the_papers_tool():
    dataset = open_dataset("GrabCut", {"GrabCut": GOLDEN / "dataset"})
    assert [sample.name for sample in dataset] == [f"s{number:02d}.png" for number in range(20)]
    assert dataset.problems == ()


def test_names_up_to_the_first_dot_and_whole_stems_are_matched(painter, empty):
    empty[5:9, 5:9] = 255
    painter.image("img/one.v2.jpg")
    painter.array("gt/one.png", empty)
    painter.image("img/two.a.jpg")
    painter.array("gt/two.a.png", empty)
    painter.image("img/two.b.jpg")
    painter.array("gt/two.b.png", empty)
    dataset = opened("DAVIS", painter)
    assert [sample.name for sample in dataset] == ["one.v2.jpg", "two.a.jpg", "two.b.jpg"]
    assert dataset.problems == ()


def test_exif_orientation_turns_the_image(painter):
    painter.path("img/a.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    Image.new("RGB", (20, 10), "red").save(painter.root / "img/a.jpg", exif=exif)
    painter.array("gt/a.png", np.full((20, 10), 255, np.uint8))
    (sample,) = opened("DAVIS", painter)
    assert sample.load_image().shape == (20, 10, 3)


def test_every_broken_file_is_named_and_the_others_are_used(painter, empty):
    good = empty.copy()
    good[5:9, 5:9] = 255
    for name in ("good", "no_mask", "other_size", "no_object", "bad_mask", "twice"):
        painter.image(f"img/{name}.jpg")
        if name != "no_mask":
            painter.array(f"gt/{name}.png", good)
    painter.array("gt/other_size.png", good[:-1])
    painter.array("gt/no_object.png", empty)
    painter.text("gt/bad_mask.png", "this is no image")
    painter.array("gt/twice.bmp", good)
    painter.text("img/bad_image.jpg", "nor is this")
    painter.array("gt/bad_image.png", good)
    cut = painter.image("img/cut.png")
    cut.write_bytes(cut.read_bytes()[:90])
    painter.array("gt/cut.png", good)
    painter.array("gt/no_image.png", good)
    painter.text("img/notes.txt", "hello")
    painter.text("img/.hidden", "not looked at")

    dataset = opened("DAVIS", painter)
    assert [sample.name for sample in dataset] == ["good.jpg"]
    assert not any(problem.by_rule for problem in dataset.problems)
    assert reasons(dataset) == {
        "notes.txt": "The file is no image of a known kind, by its name.",
        "no_mask.jpg": "There is no mask for this image in the folder gt.",
        "no_image.png": "There is no image for this mask in the folder img.",
        "twice.jpg": "There are several masks for this image: twice.bmp, twice.png.",
        "other_size.png": "The mask is 40 x 29 pixels large, its image 40 x 30.",
        "no_object.png": "The mask has no object.",
        "bad_mask.png": "The mask is no image of a known kind, or damaged.",
        "bad_image.jpg": "The file is not an image of a known kind (JPEG, PNG, WEBP, TIFF, BMP, GIF).",
        "cut.png": "The image file is damaged or cut off.",
    }


def test_a_mask_of_ignored_pixels_only_has_no_object(painter, empty):
    painter.image("data_GT/a.png")
    painter.array("boundary_GT/a.png", empty + 128)
    with pytest.raises(DatasetError, match=r"a\.png: The mask has no object\."):
        opened("GrabCut", painter)


def test_an_empty_data_set_names_its_folder(painter):
    for folder in ("img", "gt"):
        painter.path(f"{folder}/x").parent.mkdir(exist_ok=True)
    with pytest.raises(DatasetError, match="DAVIS has no usable samples in .*data: it is empty"):
        opened("DAVIS", painter)


def test_masks_of_impossible_size_are_refused_before_they_are_decoded(painter, empty):
    painter.image("img/a.png")
    path = painter.array("gt/a.png", empty)
    data = bytearray(path.read_bytes())
    data[16:24] = (200_000).to_bytes(4, "big") * 2  # the header's width and height
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"gt/a\.png: "):
        opened("DAVIS", painter)


def test_a_folder_of_images_with_several_masks_each(painter, empty):
    painter.image("images/a.jpg")
    painter.image("images/a_1.jpg")
    painter.image("images/b.jpg")
    masks = {}
    for place, name in enumerate(("a", "a_0", "a_7", "a_1", "b_x")):
        masks[name] = empty.copy()
        masks[name][place] = 255
        masks[name][20] = 128
        painter.array(f"masks/{name}.png", masks[name])

    dataset = opened("images_dir", painter)
    assert [sample.name for sample in dataset] == ["a.jpg#a", "a.jpg#a_0", "a.jpg#a_7", "a_1.jpg#a_1"]
    assert [int(np.flatnonzero((sample.mask == 1).any(1))[0]) for sample in dataset] == [0, 1, 2, 3]
    assert all((sample.mask[20] == -1).all() for sample in dataset)
    assert reasons(dataset) == {
        "b_x.png": "There is no image for this mask in the folder images; masks of other names: "
        "--mask-pattern '{stem}_mask'.",
        "b.jpg": "There is no mask for this image in the folder masks.",
    }


def test_numbered_objects_of_your_own_masks(painter, empty):
    painter.image("images/a.jpg")
    empty[2:4], empty[6:8], empty[10] = 1, 7, 255
    painter.array("masks/a.png", empty)
    dataset = opened("labels", painter)
    assert [sample.name for sample in dataset] == ["a.jpg#1", "a.jpg#7"]
    assert np.array_equal(dataset[1].mask, np.where(empty == 255, -1, empty == 7))


def test_numbers_of_16_bits_palettes_and_variants(painter, empty):
    deep = empty.astype(np.uint16)
    deep[2:4], deep[6:8] = 255, 1000
    painter.image("images/deep.jpg")
    painter.array("masks/deep.png", deep)
    painter.image("images/palette.jpg")
    palette = Image.fromarray(empty // 1)
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    palette.paste(2, (0, 0, 5, 5))
    palette.save(painter.root / "masks/palette_parts.png")
    painter.array("masks/palette_whole.png", empty + 1)
    dataset = opened("labels", painter)
    assert [sample.name for sample in dataset] == [
        "deep.jpg#255",
        "deep.jpg#1000",
        "palette.jpg#palette_parts:2",
        "palette.jpg#palette_whole:1",
    ]
    assert (dataset[2].mask == 1).sum() == 25


def test_masks_that_number_nothing_say_so(painter, empty):
    painter.image("images/white.jpg")
    painter.array("masks/white.png", empty + 255)
    painter.image("images/coloured.jpg")
    coloured = np.dstack([empty, empty + 9, empty])
    painter.array("masks/coloured.png", coloured)
    painter.image("images/good.jpg")
    painter.array("masks/good.png", empty + 1)
    dataset = opened("labels", painter)
    assert len(dataset) == 1
    assert "layout images_dir" in reasons(dataset)["white.png"]
    assert "colour picture" in reasons(dataset)["coloured.png"]


def test_a_list_of_images_is_a_split(painter, empty):
    for name in ("a", "b", "c"):
        painter.image(f"images/{name}.jpg")
        painter.array(f"masks/{name}.png", empty + 1)
    painter.text("val.txt", "c\na.jpg\n\nz\n")
    dataset = opened("labels:val", painter)
    assert (dataset.name, [sample.name for sample in dataset]) == ("labels:val", ["c.jpg#1", "a.jpg#1"])
    assert reasons(dataset) == {"val.txt": "There is no image 'z' in the folder images."}


def test_real_photographs_with_numbered_masks():
    dataset = open_dataset("samples", {"samples": f"labels:{SAMPLES}"})
    assert len(dataset) == 54
    assert dataset.problems == ()
    mask = cv2.imread(str(SAMPLES / "masks/bear.png"), cv2.IMREAD_UNCHANGED)
    (bear,) = (sample for sample in dataset if sample.name == "bear.jpg#1")
    assert np.array_equal(bear.mask == 1, mask == 1)
    assert bear.load_image().shape[:2] == mask.shape


def test_lossy_label_maps_are_refused(painter, empty):
    """A JPEG invents numbers along every edge."""
    empty[5:15, 5:25] = 1
    painter.image("images/a.jpg")
    for name in ("masks/a.jpg", "masks/a_1.jpeg"):
        painter.array(name, empty * 60)
    with pytest.raises(DatasetError, match=r"masks/a\.jpg: A lossy JPEG .* Save masks as PNG"):
        open_dataset("own", {"own": f"labels:{painter.root}"})


@pytest.mark.parametrize("mode", ["L", "P", "1", "I;16"])
def test_masks_of_zeros_and_ones_are_taken_where_white_is_the_object(painter, empty, mode):
    painter.image("images/a.jpg")
    empty[3:7, 10:20] = 1
    image = Image.fromarray(empty.astype(np.uint16) if mode == "I;16" else empty)
    if mode == "P":
        image.putpalette([0, 0, 0, 255, 0, 0])
    painter.path("masks/a.png").parent.mkdir(exist_ok=True)
    (image.point(lambda value: value * 255, "1") if mode == "1" else image).save(painter.root / "masks/a.png")
    (sample,) = opened("images_dir", painter)
    assert np.array_equal(sample.mask, empty)


def test_masks_of_the_other_layout_name_the_option_and_nobody_goes_in_circles(painter, empty):
    for name in ("numbers", "red", "black"):
        painter.image(f"images/{name}.jpg")
    painter.array("masks/black.png", empty)
    empty[3:7], empty[9:11] = 1, 2
    painter.array("masks/numbers.png", empty)
    painter.array("masks/red.png", np.dstack([empty * 0, empty * 3, empty * 100]))
    with pytest.raises(DatasetError):
        opened("images_dir", painter)
    painter.image("images/white.jpg")
    painter.array("masks/white.png", (empty > 0) * np.uint8(200))
    found = reasons(opened("images_dir", painter))
    assert "the values 1, 2; " in found["numbers.png"]
    assert "--layout labels" in found["numbers.png"]
    assert "painted in colours" in found["red.png"]
    assert found["black.png"] == "The mask of object black has no object."
    assert keys_of(opened("labels", painter))[:2] == ["numbers.jpg#1", "numbers.jpg#2"]


@pytest.mark.parametrize("blurred_by", ["JPEG", "resizing"])
def test_label_maps_whose_numbers_are_blurred_are_refused_with_the_reason(painter, empty, blurred_by):
    large = cv2.resize(empty, (400, 300))
    cv2.circle(large, (200, 150), 90, 255, -1)
    cv2.circle(large, (60, 60), 40, 120, -1)
    painter.image("images/a.jpg", 400, 300)
    if blurred_by == "JPEG":
        large = cv2.imdecode(cv2.imencode(".jpg", large)[1], cv2.IMREAD_GRAYSCALE)
    else:
        large = cv2.resize(cv2.resize(large, (90, 70), interpolation=cv2.INTER_AREA), (400, 300))
    painter.array("masks/a.png", large)
    with pytest.raises(DatasetError, match=r"was a JPEG or was resized smoothly.*--layout images_dir"):
        opened("labels", painter)


def test_label_maps_of_many_small_objects_are_read(painter, empty):
    painter.image("images/cells.jpg")
    for number in range(48):
        top, left = divmod(number, 8)
        empty[top * 5 : top * 5 + 4, left * 5 : left * 5 + 4] = number + 1
    painter.array("masks/cells.png", empty)
    assert len(opened("labels", painter)) == 48


@pytest.mark.parametrize("layout", ["images_dir", "labels"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_are_background(painter, empty, layout, mode):
    """A cut-out is white all over, and says by its transparency where the object is."""
    painter.image("images/a.jpg")
    empty[5:9, 5:9] = 255
    value = 1 if layout == "labels" else 255
    mask = Image.new("L", (40, 30), value).convert(mode)
    mask.putalpha(Image.fromarray(empty))
    mask.save(painter.path("masks/a.png"))
    (sample,) = open_dataset("own", {"own": f"{layout}:{painter.root}"})
    assert sample.mask[5:9, 5:9].all()
    assert sample.mask.sum() == 16


def test_numbers_of_objects_may_be_saved_as_fractions(painter, empty):
    painter.image("images/a.jpg")
    empty[5:9, 5:9] = 2
    Image.fromarray(empty.astype(np.float32)).save(painter.path("masks/a.tif"))
    (sample,) = open_dataset("own", {"own": f"labels:{painter.root}"})
    assert sample.mask.sum() == 16
    Image.fromarray(empty / np.float32(3)).save(painter.path("masks/a.tif"))
    with pytest.raises(DatasetError, match=r"a\.tif: The mask holds fractions"):
        open_dataset("own", {"own": f"labels:{painter.root}"})


def test_a_black_mask_that_is_transparent_around_its_object(painter, empty):
    """As Label Studio draws bitmasks."""
    painter.image("images/a.jpg")
    empty[5:9, 5:9] = 255
    nothing = np.zeros_like(empty)
    path = painter.path("masks/a.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.dstack([nothing, nothing, nothing, empty])).save(path)
    (sample,) = opened("images_dir", painter)
    assert np.array_equal(sample.mask == 1, empty > 0)


@pytest.mark.parametrize("layout", ["images_dir", "labels"])
def test_masks_that_are_other_files_are_named(painter, layout):
    painter.image("images/a.jpg")
    painter.path("masks/a.png").parent.mkdir(parents=True, exist_ok=True)
    for data, sentence in (
        (b"<!doctype html>", "The mask is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "The mask is a Git LFS pointer"),
    ):
        painter.path("masks/a.png").write_bytes(data)
        with pytest.raises(DatasetError, match=sentence):
            opened(layout, painter)
