"""COCO+LVIS combined, ADE20k and OpenImages: annotations in pickles."""

import collections
import os
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
import pytest

from ritm_model.datasets import BrokenFileError, DatasetError, open_dataset


def reasons(dataset, *, by_rule=False):
    return [problem.reason for problem in dataset.problems if problem.by_rule == by_rule]


def png(layer):
    return cv2.imencode(".png", layer)[1]


@pytest.fixture
def combined(painter, empty):
    """Two layers: a whole with its part, another object, and stuff."""
    first, second = empty.copy(), empty.copy()
    first[2:12, 2:12], first[20:25] = 1, 2
    second[4:6, 4:6], second[10:18, 20:30] = 1, 7
    whole = {"children": [1], "parent": None, "node_level": 0}
    part = {"children": [], "parent": 0, "node_level": 1}
    painter.pickle(
        "val/hannotation.pickle",
        {
            "000000000002": {"num_instance_masks": 3, "hierarchy": {0: whole, 1: part, 2: None}},
            "000000000001": {"num_instance_masks": 0, "hierarchy": {}},
        },
    )
    mapping = [(0, 1), (1, 1), (1, 7), (0, 2)]
    painter.pickle("val/masks/000000000002.pickle", ([png(first), png(second)], mapping))
    painter.image("val/images/000000000002.jpg")
    return painter


def test_objects_and_parts_of_the_combined_annotations_are_samples(combined):
    dataset = open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})
    assert [sample.name for sample in dataset] == [f"000000000002.jpg#{number}" for number in range(3)]
    assert [int(sample.mask.sum()) for sample in dataset] == [100, 4, 80]
    assert (dataset[0].mask[4:6, 4:6] == 1).all()  # the whole keeps its part
    assert reasons(dataset) == []
    assert reasons(dataset, by_rule=True) == [
        "The image has no object.",
        "Stuff in image 000000000002.jpg, which is no object: 1.",
    ]


@pytest.mark.parametrize("ids", ["[2]", '["000000000002"]'])
def test_an_allow_list_leaves_out_the_images_that_it_does_not_name(combined, ids, empty):
    about = {"num_instance_masks": 1, "hierarchy": {}}
    combined.pickle("val/hannotation.pickle", {"000000000002": about, "000000000020": about})
    combined.text("val/allow_list.json", ids)
    dataset = open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})
    assert [sample.name for sample in dataset] == ["000000000002.jpg#0"]
    assert "Images that the list does not name: 1." in reasons(dataset, by_rule=True)
    assert reasons(dataset) == []


@pytest.mark.parametrize("ids", ["{}", "[2.5]", "[["])
def test_an_allow_list_that_is_none_is_named(combined, ids):
    combined.text("val/allow_list.json", ids)
    with pytest.raises(BrokenFileError, match=r"allow_list\.json: The file is not"):
        open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})


def test_layers_as_bytes_are_read_as_well(combined, empty):
    layer = bytes(png(empty + 3))
    combined.pickle("val/masks/000000000002.pickle", ([layer], [(0, 3), (0, 4), (5, 1)]))
    dataset = open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})
    assert len(dataset) == 1
    assert reasons(dataset) == [
        "The mask of object 1 has no object.",
        "Object 2 is in layer 5, which is not there.",
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (5, "does not hold layers"),
        (([np.zeros(3)], [(0, 1)]), "does not hold layers"),
        (([b"no image"], [(0, 1)]), "no image of a known kind"),
        (([], [(0, "x")]), "does not hold layers"),
        (([], [(0, 1), (0, 2), (0, 3)]), "which is not there"),
        (([], []), "3 objects were announced, 0 are there"),
    ],
)
def test_broken_layers_are_named(combined, content, sentence):
    combined.pickle("val/masks/000000000002.pickle", content)
    with pytest.raises(DatasetError, match=rf"000000000002\.pickle: .*{sentence}"):
        open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_hostile_pickle_among_good_ones_is_refused_and_named(combined, tmp_path, empty):
    images = {name: {"num_instance_masks": 1, "hierarchy": {0: None}} for name in ("good", "evil")}
    combined.pickle("val/hannotation.pickle", images)
    for name in images:
        combined.image(f"val/images/{name}.jpg")
    combined.pickle("val/masks/good.pickle", ([png(empty + 1)], [(0, 1)]))
    combined.pickle("val/masks/evil.pickle", ([Touch(tmp_path / "trace")], [(0, 1)]))
    dataset = open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})
    assert [sample.name for sample in dataset] == ["good.jpg#0"]
    (problem,) = dataset.problems
    assert Path(problem.file).name == "evil.pickle"
    assert problem.reason.endswith("nothing was executed.")
    assert not (tmp_path / "trace").exists()

    combined.pickle("val/hannotation.pickle", Touch(tmp_path / "trace"))
    with pytest.raises(BrokenFileError, match=r"hannotation\.pickle: The pickle asks for .*system"):
        open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})
    assert not (tmp_path / "trace").exists()


def test_broken_entries_of_the_combined_annotations_are_reported(combined):
    about = {"num_instance_masks": 3, "hierarchy": {}}
    combined.pickle(
        "val/hannotation.pickle",
        {"000000000002": about, "../up": about, 7: about, "none": None, "gone": about},
    )
    dataset = open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})
    assert len(dataset) == 3
    assert reasons(dataset) == [
        "A file named '../up.jpg' cannot be in this folder.",
        "The entry '7' does not say how many objects.",
        "The entry 'none' does not say how many objects.",
        "The file is missing.",
    ]
    combined.pickle("val/hannotation.pickle", [1])
    with pytest.raises(BrokenFileError, match="does not hold images"):
        open_dataset("COCO_LVIS", {"COCO_LVIS": combined.root})


@pytest.fixture
def ade(painter, empty):
    """A layer of objects and one of parts; the blue channel counts in steps, as the real one does."""
    objects, parts = np.dstack([empty] * 3), np.dstack([empty] * 3)
    for place, blue in enumerate((51, 102, 153)):
        objects[5 * place : 5 * place + 4] = (blue, 10, 20)
    parts[:2] = (255, 0, 0)
    folder = "images/validation/a/abbey"
    painter.image(f"{folder}/ADE_val_1.jpg")
    painter.array(f"{folder}/ADE_val_1_seg.png", objects)
    painter.array(f"{folder}/ADE_val_1_parts_1.png", parts)
    layers = [
        {
            "mask_name": "ADE_val_1_seg.png",
            "instance_to_class": {1: ["door"], 2: ["wall"], 3: ["tree, oak"]},
            "object_instances": [1, 3],
            "stuff_instances": [2],
        },
        {
            "mask_name": "ADE_val_1_parts_1.png",
            "instance_to_class": {1: ["knob"]},
            "object_instances": [1],
            "stuff_instances": [],
        },
    ]
    content = {"ADE_val_1": {"folder": PurePosixPath(folder), "layers": layers}}
    painter.pickle("val-annotations-object-segmentation.pkl", content)
    return painter, content


def test_objects_of_all_layers_of_ade20k_are_samples(ade):
    painter, _ = ade
    dataset = open_dataset("ADE20k", {"ADE20k": painter.root})
    assert [(sample.name, sample.category) for sample in dataset] == [
        ("ADE_val_1.jpg#ADE_val_1_seg:1", "door"),
        ("ADE_val_1.jpg#ADE_val_1_seg:3", "tree, oak"),
        ("ADE_val_1.jpg#ADE_val_1_parts_1:1", "knob"),
    ]
    rows = [np.flatnonzero(sample.mask.any(1)).tolist() for sample in dataset]
    assert rows == [[0, 1, 2, 3], [10, 11, 12, 13], [0, 1]]
    assert reasons(dataset, by_rule=True) == ["Stuff in image ADE_val_1.jpg, which is no object: 1."]
    assert reasons(dataset) == []


def test_broken_entries_of_ade20k_are_reported(ade):
    painter, content = ade
    painter.array("images/validation/a/abbey/ADE_val_1_parts_1.png", np.zeros((30, 41, 3), np.uint8) + 9)
    painter.path("images/validation/a/abbey/ADE_val_1_seg.png").unlink()
    good = content["ADE_val_1"]
    other = {"folder": "x", "layers": good["layers"]}
    content |= {
        "other": other,
        "odd": 5,
        "bare": {"folder": "x", "layers": []},
        "up": {**other, "folder": ".."},
    }
    painter.pickle("val-annotations-object-segmentation.pkl", content)
    with pytest.raises(DatasetError, match=r"parts_1|The file is missing|no layers") as failure:
        open_dataset("ADE20k", {"ADE20k": painter.root})
    assert "(and 5 more)" in str(failure.value)
    painter.pickle("val-annotations-object-segmentation.pkl", 5)
    with pytest.raises(BrokenFileError, match="does not hold images"):
        open_dataset("ADE20k", {"ADE20k": painter.root})


@pytest.fixture
def open_images(painter):
    """Masks of another size than their image."""
    painter.image("val/images/abc.jpg", 60, 30)
    small = np.zeros((15, 40), np.uint8)
    small[:5] = 255
    large = np.zeros((60, 120), np.uint8)
    large[:, :60] = 1
    painter.array("val/masks/abc_m01_1.png", small)
    painter.array("val/masks/abc_m02_2.png", large)
    masks = collections.defaultdict(list, {"abc": ["abc_m01_1.png", "abc_m02_2.png"]})
    content = {"image_id_to_masks": masks, "dataset_samples": ["abc"]}
    painter.pickle("val/val-annotations-object-segmentation_clean.pkl", content)
    return painter, content


def test_images_and_masks_of_open_images_shrink_to_the_size_they_share(open_images):
    painter, _ = open_images
    dataset = open_dataset("OpenImages", {"OpenImages": painter.root})
    assert [sample.name for sample in dataset] == ["abc.jpg#abc_m01_1", "abc.jpg#abc_m02_2"]
    assert dataset[0].mask.shape == dataset[0].load_image().shape[:2] == (15, 40)
    assert dataset[0].mask.sum() == 5 * 40
    assert dataset[1].mask.shape == dataset[1].load_image().shape[:2] == (30, 60)
    assert (dataset[1].mask[:, :30] == 1).all()
    assert dataset[1].mask.sum() == 30 * 30
    assert dataset.problems == ()


def test_broken_entries_of_open_images_are_reported(open_images):
    painter, content = open_images
    painter.array("val/masks/abc_m02_2.png", np.zeros((30, 60), np.uint8))
    content["image_id_to_masks"] |= {"up": ["../../x.png"], "gone": ["g.png"], "odd": "x"}
    content["dataset_samples"] += ["up", "gone", "odd", "unknown", 5]
    painter.pickle("val/val-annotations-object-segmentation_clean.pkl", content)
    dataset = open_dataset("OpenImages", {"OpenImages": painter.root})
    assert len(dataset) == 1
    assert sorted(reasons(dataset)) == [
        "A file named '../../x.png' cannot be in this folder.",
        "The file is missing.",
        "The image '5' has no masks.",
        "The image 'odd' has no masks.",
        "The image 'unknown' has no masks.",
        "The mask of object abc_m02_2 has no object.",
    ]
    painter.pickle("val/val-annotations-object-segmentation_clean.pkl", {"dataset_samples": []})
    with pytest.raises(BrokenFileError, match="does not hold images and their masks"):
        open_dataset("OpenImages", {"OpenImages": painter.root})
