"""ADE20K and Open Images, as they are published, become the COCO-RLE layout."""

import numpy as np
import pytest
from scipy.io import savemat

FOLDER = "images/validation/a/abbey"


@pytest.fixture
def ade(painter):
    """A photograph with objects and stuff, their parts, and parts of parts, numbered in steps."""
    objects, parts, knobs = (np.zeros((30, 40, 3), np.uint8) for _ in range(3))
    objects[0:10], objects[10:20], objects[20:28] = (40, 1, 2), (90, 1, 2), (200, 3, 4)
    parts[2:8, :20], parts[12:14], parts[28:30] = (70, 5, 5), (255, 0, 0), (100, 0, 0)
    knobs[3:5, 3:5] = (255, 9, 9)
    painter.image(f"{FOLDER}/ADE_val_1.jpg")
    painter.array(f"{FOLDER}/ADE_val_1_seg.png", objects)
    painter.array(f"{FOLDER}/ADE_val_1_parts_1.png", parts)
    painter.array(f"{FOLDER}/ADE_val_1_parts_2.png", knobs)
    lines = [
        '001 # 0 # 0 # door # door # ""',
        '002 # 0 # 1 # floor, flooring # floor # "wooden"',
        '003 # 0 # 0 # plant, flora # plant # ""',
        '001 # 1 # 0 # panel # panel # ""',
        '003 # 1 # 0 # tile # tile # ""',
        '001 # 2 # 0 # knob # knob # ""',
    ]
    painter.text(f"{FOLDER}/ADE_val_1_atr.txt", "\n".join(lines) + "\n\n")
    index(painter, ["ADE_val_1.jpg"])
    return painter


def index(painter, names):
    """The list of the data set, which counts folders from above its own."""
    cells = [np.array([text] * len(names), object) for text in (f"ADE20K_2016_07_26/{FOLDER}",)]
    content = {"folder": cells[0], "filename": np.array(names, object), "typeset": np.ones(len(names))}
    savemat(painter.path("index_ade20k.mat"), {"index": content})


def test_objects_parts_and_stuff_of_ade20k(converted, ade):
    written = converted("ade20k", ade.root, "--split", "val")
    annotations = written.by_key("ADE_val_1.jpg")
    rows = {
        key: (written.category(row), row["area"], row.get("stuff", 0), row.get("level", 0))
        for key, row in annotations.items()
    }
    assert rows == {
        "seg:1": ("door", 400, 0, 0),
        "seg:2": ("floor", 400, 1, 0),
        "seg:3": ("plant", 320, 0, 0),
        "parts_1:1": ("panel", 120, 0, 1),  # numbers count the values that are there: 70, 100, 255
        "parts_1:2": ("object", 80, 0, 0),  # on no object, and without a name
        "parts_1:3": ("tile", 80, 0, 0),  # a part of stuff
        "parts_2:1": ("knob", 4, 0, 2),
    }
    assert annotations["parts_2:1"]["parent"] == annotations["parts_1:1"]["id"]
    assert annotations["parts_1:1"]["parent"] == annotations["seg:1"]["id"]
    assert written.content["images"][0]["split"] == "val"
    assert written.left_out() == written.left_out(by_rule=True) == []


def test_names_of_stuff_can_be_given(converted, ade):
    names = ade.text("stuff.txt", "door\n\n plant \n")
    written = converted("ade20k", ade.root, "--split", "val", "--stuff-names", names)
    stuff = [key for key, row in written.by_key("ADE_val_1.jpg").items() if row.get("stuff")]
    assert stuff == ["seg:1", "seg:3"]


def test_broken_photographs_of_ade20k_are_named(converted, ade):
    index(ade, ["ADE_val_1.jpg", "ADE_val_2.jpg", "ADE_val_3.jpg", "ADE_val_4.jpg", "ADE_train_1.jpg"])
    for number in (2, 3):
        ade.image(f"{FOLDER}/ADE_val_{number}.jpg")
    ade.text(f"{FOLDER}/ADE_val_2_atr.txt", "001 # x")
    ade.text(f"{FOLDER}/ADE_val_3_atr.txt", "")
    ade.array(f"{FOLDER}/ADE_val_3_seg.png", np.ones((5, 6, 3), np.uint8))
    ade.path(f"{FOLDER}/ADE_val_1_parts_1.png").write_bytes(b"x")
    written = converted("ade20k", ade.root, "--split", "val")
    assert list(written.by_key("ADE_val_1.jpg")) == ["seg:1", "seg:2", "seg:3"]
    assert written.left_out() == [
        "The mask is no image of a known kind, or damaged.",
        "Line 1 does not name an object.",
        "The mask is 6 x 5 pixels large, its photograph 40 x 30.",
        "The file is missing.",
    ]


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda p: p.path("index_ade20k.mat").unlink(), "index_ade20k.mat: The file is missing."),
        (lambda p: p.text("index_ade20k.mat", "x" * 200), "index_ade20k.mat: The file is damaged, or is no"),
        (
            lambda p: savemat(p.path("index_ade20k.mat"), {"index": {"folder": 5, "filename": 5}}),
            "does not list",
        ),
        (lambda p: index(p, ["ADE_train_1.jpg", "x.jpg"]), "lists no image of the split 'val'."),
        (lambda p: index(p, ["ADE_val_../../../../../../../x.jpg"]), "cannot be in this folder"),
    ],
)
def test_a_broken_index_is_a_sentence(ritm, ade, out, break_it, sentence):
    break_it(ade)
    status, _, complaint = ritm("ade20k", ade.root, out, "--split", "val")
    assert status == 1
    assert sentence in complaint


@pytest.fixture
def open_images(painter):
    """Two masks of other sizes than their photograph, one row without a mask, one without a photograph."""
    painter.image("train/images/abc.jpg", 60, 30)
    small, large = np.zeros((15, 30), np.uint8), np.zeros((60, 120), np.uint8)
    small[:5], large[:, :60] = 255, 1
    painter.array("train/masks/abc_m01_1.png", small)
    painter.array("train/masks/abc_m02_2.png", large)
    rows = [
        "MaskPath,ImageID,LabelName,BoxID,PredictedIoU",
        "abc_m02_2.png,abc,/m/02,2,0.9",
        "abc_m01_1.png,abc,/m/01,1,0.9",
        "abc_m03_3.png,abc,/m/01,3,0.9",
        "xyz_m01_4.png,xyz,/m/01,4,0.9",
    ]
    painter.text("train/train-annotations-object-segmentation.csv", "\n".join(rows))
    painter.text("oidv7-class-descriptions.csv", 'LabelName,DisplayName\n/m/01,"Cat, house"\n')
    return painter


def test_masks_of_open_images_take_the_size_of_their_photograph(converted, open_images):
    written = converted("openimages", open_images.root, "--split", "train")
    annotations = written.by_key("abc.jpg")
    large, small = annotations["abc_m02_2"], annotations["abc_m01_1"]
    assert written.mask(large)[:, :30].all()
    assert large["area"] == 30 * 30
    assert written.mask(small)[:10].all()
    assert small["area"] == 10 * 60
    assert [written.category(row) for row in (large, small)] == ["/m/02", "Cat, house"]
    assert written.left_out() == [
        "Rows whose photograph is not there: 1.",
        "Rows whose mask is not there: 1.",
    ]


def test_broken_files_of_open_images_are_named(converted, open_images):
    open_images.path("train/masks/abc_m02_2.png").write_bytes(b"x")
    written = converted("openimages", open_images.root, "--split", "train")
    assert list(written.by_key("abc.jpg")) == ["abc_m01_1"]
    assert written.left_out()[2:] == ["The mask is no image of a known kind, or damaged."]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "train/train-annotations-object-segmentation.csv",
            b"MaskPath,ImageID\n",
            "has no column 'LabelName'",
        ),
        ("train/train-annotations-object-segmentation.csv", b"", "has no column 'MaskPath'"),
        ("train/train-annotations-object-segmentation.csv", b"\xff\xfe", "The file is not a table of text"),
        ("train/train-annotations-object-segmentation.csv", None, "cannot be read: No such file"),
        ("my-class-descriptions.csv", b"\xff", "my-class-descriptions.csv: The file is not a table of text"),
    ],
)
def test_broken_tables_are_a_sentence(ritm, open_images, out, name, content, sentence):
    path = open_images.path(name)
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    status, _, complaint = ritm("openimages", open_images.root, out, "--split", "train")
    assert status == 1
    assert sentence in complaint
