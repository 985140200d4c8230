"""Images and masks are found by the names that people and programs give them."""

from pathlib import Path

import numpy as np
import pytest
from mask_folders import keys_of, opened, reasons

from ritm_model.datasets import DatasetError, open_dataset


def test_lists_may_begin_with_a_byte_order_mark(painter, empty):
    empty[5:15, 5:25] = 255
    for name in ("a", "b"):
        painter.image(f"images/{name}.jpg")
        painter.array(f"masks/{name}.png", empty)
    (painter.root / "val.txt").write_bytes("\ufeffa\r\nb\r\n".encode())
    dataset = open_dataset("own:val", {"own": f"images_dir:{painter.root}"})
    assert [sample.name for sample in dataset] == ["a.jpg#a", "b.jpg#b"]
    assert dataset.problems == ()


@pytest.mark.parametrize("layout", ["images_dir", "labels"])
@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a.jpg", "masks/a_mask.png"),
        ("images/a.jpg", "masks/a-seg.png"),
        ("images/train/a.JPG", "masks/train/a.PNG"),
        ("images/a.jpg", "masks/train/a.png"),
        ("images/A.jpeg", "masks/a.png"),
        ("images/caf\u00e9.jpg", "masks/cafe\u0301.png"),
        ("images/cafe\u0301.jpg", "masks/caf\u00e9_mask.png"),
        ("images/a.jpg", "images/a_mask.png"),
        ("images/a.png", "images/a_mask.png"),
        ("a.jpg", "a.png"),
        ("a.jpg", "a_mask.png"),
        ("deep/er/a.png", "deep/er/a_gt.png"),
        ("a.jpg", "masks/a.png"),
        ("Images/a.jpg", "Masks/a.png"),
        ("train/images/a.jpg", "train/masks/a.png"),
        ("cells/Images/a.jpg", "cells/Masks/a_mask.png"),
    ],
)
def test_masks_are_found_by_the_names_that_people_give_them(painter, empty, layout, image, mask):
    painter.image(image)
    painter.image(str(Path(image).with_name("other.jpg")))
    empty[3:7, 10:20] = 255 if layout == "images_dir" else 7
    painter.array(mask, empty)
    (sample,) = dataset = opened(layout, painter)
    assert sample.photograph.image == painter.root / image
    assert (sample.mask == 1).sum() == 40
    assert set(reasons(dataset)) == {"other.jpg"}


def test_equal_names_in_different_folders_are_different_photographs(painter, empty):
    for part, row in (("train", 3), ("val", 5)):
        painter.image(f"images/{part}/a.jpg")
        mask = empty.copy()
        mask[row] = 255
        painter.array(f"masks/{part}/a.png", mask)
    painter.array("masks/a.png", mask)
    dataset = opened("images_dir", painter)
    assert keys_of(dataset) == ["train/a.jpg#a", "val/a.jpg#a"]
    assert [int(np.flatnonzero((sample.mask == 1).any(1))[0]) for sample in dataset] == [3, 5]
    assert set(reasons(dataset)) == {"a.png"}
    assert keys_of(opened("images_dir:val", painter)) == ["val/a.jpg#a"]


def test_folders_of_masks_by_class_keep_all_objects(painter, empty):
    painter.image("images/a.jpg")
    empty[3] = 255
    for part in ("cat", "dog"):
        painter.array(f"masks/{part}/a.png", empty)
    assert keys_of(opened("images_dir", painter)) == ["a.jpg#cat/a", "a.jpg#dog/a"]


def test_lists_name_images_as_other_systems_spell_them(painter, empty):
    empty[3] = 255
    for name in ("a", "b", "c", "cafe\u0301"):
        painter.image(f"images/{name}.JPG")
        painter.array(f"masks/{name}.png", empty)
    painter.text("val.txt", "images\\b.jpg\r\nimages/a.JPG\r\ncaf\u00e9.jpg\r\nc.png\r\n")
    dataset = opened("images_dir:val", painter)
    assert keys_of(dataset) == ["b.JPG#b", "a.JPG#a", "cafe\u0301.JPG#cafe\u0301"]
    assert reasons(dataset) == {"val.txt": "There is no image 'c.png' in the folder images."}


def test_a_folder_without_photographs_says_where_they_belong(painter):
    painter.text("notes.txt", "hello")
    with pytest.raises(
        DatasetError, match=r"no photographs in .*/images, and their masks into .*a_mask\.png"
    ):
        opened("labels", painter)


@pytest.mark.parametrize("name", ["a.jpg.png", "a_segmentation.png", "a_instance_1.png", "a.jpg_mask.png"])
def test_masks_as_programs_name_them(painter, empty, name):
    painter.image("images/a.jpg")
    empty[5:9, 5:9] = 255
    painter.array(f"masks/{name}", empty)
    assert len(open_dataset("own", {"own": f"images_dir:{painter.root}"})) == 1


def test_masks_that_are_not_found_say_where_they_should_be(painter, empty):
    painter.image("images/a.jpg")
    empty[5:9, 5:9] = 255
    painter.array("masks/mask of a.png", empty)
    with pytest.raises(DatasetError, match=r"mask of a\.png: .* --mask-pattern '\{stem\}_mask'"):
        open_dataset("own", {"own": f"images_dir:{painter.root}"})
    (painter.root / "masks").rename(painter.root / "labels")
    with pytest.raises(DatasetError, match=r"a\.jpg: .* masks lie in .*data/masks, or beside it, as a_mask"):
        open_dataset("own", {"own": f"images_dir:{painter.root}"})


def test_notes_of_windows_are_no_files_of_a_data_set(painter, empty):
    empty[5:9, 5:9] = 255
    painter.image("images/a.jpg")
    painter.array("masks/a.png", empty)
    for name in ("images/Thumbs.db", "masks/desktop.ini", "masks/.DS_Store"):
        painter.text(name, "a note of the system")
    dataset = opened("images_dir", painter)
    assert (len(dataset), dataset.problems) == (1, ())
