"""COCO's own format, and its panoptic images."""

import json
import random

import numpy as np
import pytest
from coco_records import instances, packed, reasons
from pycocotools import mask as coco

from ritm_model.datasets import BrokenFileError, DatasetError, open_dataset
from ritm_model.masks.coco import MaskError, coco_mask, decode_runs

SQUARE = [[10, 5, 20, 5, 20, 15, 10, 15]]


@pytest.fixture
def blob(empty):
    """A mask with holes that no polygon has."""
    noise = np.random.RandomState(3).random_sample(empty.shape) > 0.6
    return noise.astype(np.uint8)


def test_polygons_runs_and_packed_runs_are_the_same_object(painter, blob):
    starts = np.flatnonzero(np.diff(blob.T.ravel(), prepend=0))
    counts = np.diff(starts, prepend=0, append=blob.size).tolist()
    annotations = [
        {"segmentation": {"size": [30, 40], "counts": packed(blob)["counts"].decode()}},
        {"segmentation": {"size": [30, 40], "counts": counts}, "category_id": 9},
        {"segmentation": SQUARE},
        {"segmentation": {"size": [30, 40], "counts": counts}, "iscrowd": 1},
    ]
    painter.image("a.jpg")
    path = painter.json("labels.json", instances(annotations))
    dataset = open_dataset("cells", {"cells": f"COCO:{path}"})
    assert [sample.name for sample in dataset] == ["a.jpg#100", "a.jpg#101", "a.jpg#102"]
    assert [sample.category for sample in dataset] == ["cell", "9", "cell"]
    assert np.array_equal(dataset[0].mask, blob)
    assert np.array_equal(dataset[1].mask, blob)
    assert dataset[2].mask.sum() == pytest.approx(100, abs=21)
    assert dataset[2].mask[10, 15] == 1
    assert reasons(dataset) == []
    assert reasons(dataset, by_rule=True) == [
        "Categories that the file does not list, called by their ids: 9 (1).",
        "Crowds in image a.jpg, which are not one object: 1.",
    ]


def test_our_runs_are_cocos_runs():
    noise = np.random.RandomState(0)
    for _ in range(50):
        height, width = noise.randint(1, 90, 2)
        mask = (noise.random_sample((height, width)) > noise.random_sample()).astype(np.uint8)
        assert np.array_equal(decode_runs(packed(mask)["counts"], height, width), mask)
    wide = np.zeros((300, 4000), np.uint8)
    wide[5, 3] = wide[200:, 3990] = 1
    assert np.array_equal(decode_runs(packed(wide)["counts"], 300, 4000), wide)


def test_polygons_are_painted_as_coco_paints_them():
    shapes = random.Random(0)
    for _ in range(50):
        polygons = [
            [shapes.uniform(-5, 45) for _ in range(2 * shapes.randint(3, 7))]
            for _ in range(shapes.randint(1, 3))
        ]
        expected = coco.area(coco.merge(coco.frPyObjects(polygons, 30, 40)))
        assert coco_mask(polygons, 30, 40).sum() == expected


@pytest.mark.parametrize(
    "segmentation",
    [
        None,
        [],
        "text",
        [[1, 2, 3, 4]],
        [[1, 2, 3, 4], [], [1, 2]],
        [1, 2, 3, 4],
        [[1, 2], [3, 4]],
        [[1, 2, 3, 4, 5, 6, 7]],
        [[1, 2, 3, 4, 5, "6"]],
        [[1, 2, 3, 4, 5, True]],
        [[1, 2, 3, 4, 5, float("nan")]],
        [[1, 2, 3, 4, 5, 1e9]],
        {"size": [30, 41], "counts": [1200]},
        {"size": [30, 40], "counts": [1199]},
        {"size": [30, 40], "counts": [1210, -10]},
        {"size": [30, 40], "counts": [1199.5, 0.5]},
        {"size": [30, 40], "counts": "oooooooooo"},
        {"size": [30, 40], "counts": "oooooooooo0"},
        {"size": [30, 40], "counts": "\x00ü"},
        {"size": [30, 40]},
    ],
)
def test_what_is_no_mask_is_reported_and_costs_only_itself(painter, segmentation):
    with pytest.raises(MaskError):
        coco_mask(segmentation, 30, 40)
    painter.image("a.jpg")
    painter.json("labels.json", instances([{"segmentation": SQUARE}, {"segmentation": segmentation}]))
    dataset = open_dataset("cells", {"cells": f"COCO:{painter.root / 'labels.json'}"})
    assert len(dataset) == 1
    (reason,) = reasons(dataset)
    assert reason.startswith("Annotation 101: ")


@pytest.mark.parametrize(
    ("stray", "reason"),
    [
        ([5, 5, 6, 6], "at least three points"),
        ([], "at least three points"),
        (None, "at least three points"),
        ([1, 2, 3, 4, 5, 6, 7], "at least three points"),
        ([1, 2, 3, 4, 5, "6"], "no number"),
        ([1, 2, 3, 4, 5, 1e9], "leaves the image by far"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_a_broken_part_beside_good_ones_is_left_out_alone(painter, stray, reason, place):
    painter.image("a.jpg")
    parts = [*SQUARE]
    parts.insert(place, stray)
    path = painter.json("labels.json", instances([{"segmentation": SQUARE}, {"segmentation": parts}]))
    first, second = dataset = open_dataset("cells", {"cells": f"COCO:{path}"})
    assert np.array_equal(first.mask, second.mask)
    (sentence,) = reasons(dataset)
    assert sentence.startswith(f"Annotation 101: Part {place + 1} of 2 is left out: ")
    assert reason in sentence


@pytest.mark.parametrize(
    "segmentation",
    [
        SQUARE[0],
        [[[10, 5], [20, 5], [20, 15], [10, 15]]],
        [[10, 5], [20, 5], [20, 15], [10, 15]],
        [[10.0, 5, 20, 5.0, 20, 15, 10, 15]],
    ],
)
def test_polygons_as_other_tools_write_them(painter, segmentation):
    painter.image("a.jpg")
    path = painter.json("labels.json", instances([{"segmentation": segmentation}]))
    (sample,) = dataset = open_dataset("cells", {"cells": f"COCO:{path}"})
    assert np.array_equal(sample.mask, coco_mask(SQUARE, 30, 40))
    assert dataset.problems == ()


@pytest.mark.parametrize(
    "size",
    [
        {"height": 30.0, "width": 40.0},
        {"height": None, "width": 40},
        {"height": 30},
        {"height": 0, "width": 0},
        {},
    ],
)
def test_sizes_as_other_tools_write_them(painter, size):
    painter.image("a.jpg")
    images = [{"id": 1.0, "file_name": "a.jpg", **size}]
    runs = {"counts": [30 * 12, 30 * 8, 30 * 20]}
    content = instances([{"segmentation": SQUARE}, {"segmentation": runs, "image_id": 1.0}], images)
    dataset = open_dataset("cells", {"cells": f"COCO:{painter.json('labels.json', content)}"})
    assert [sample.name for sample in dataset] == ["a.jpg#100", "a.jpg#101"]
    assert [sample.category for sample in dataset] == ["cell", "cell"]
    assert dataset.problems == ()


@pytest.mark.parametrize("row", [None, 5, "text", [], {}, {"id": None}, {"id": [1]}])
@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_one_bad_row_costs_only_itself(painter, key, row):
    painter.image("a.jpg")
    content = instances([{"segmentation": SQUARE}])
    content[key] = [row, *content[key]]
    dataset = open_dataset("cells", {"cells": f"COCO:{painter.json('labels.json', content)}"})
    assert [(sample.name, sample.category) for sample in dataset] == [("a.jpg#100", "cell")]
    assert len(reasons(dataset)) == 1


def test_random_packed_runs_never_crash():
    letters = random.Random(1)
    for _ in range(3000):
        text = bytes(letters.randint(40, 120) for _ in range(letters.randint(0, 12)))
        try:
            mask = decode_runs(text, 30, 40)
        except MaskError:
            continue
        assert mask.shape == (30, 40)


def test_broken_records_and_files_of_coco_are_named(painter):
    images = [
        {"id": 1, "file_name": "a.jpg", "height": 30, "width": 40},
        {"id": 1, "file_name": "a.jpg", "height": 30, "width": 40},
        {"id": 2, "file_name": "gone.jpg", "height": 30, "width": 40},
        {"id": 3, "file_name": "../../etc/passwd", "height": 30, "width": 40},
        {"id": 4, "file_name": "larger.jpg", "height": 31, "width": 40},
        {"id": 5, "file_name": "sizeless.jpg", "height": "30"},
        {"id": 6, "file_name": "bare.jpg", "height": 30, "width": 40},
        {"id": 7, "file_name": "bomb.jpg", "height": 10**6, "width": 10**6},
        {"file_name": "no_id.jpg"},
        "no record",
    ]
    for name in ("a", "larger", "sizeless", "bare", "bomb"):
        painter.image(f"images/{name}.jpg")
    annotations = [{"segmentation": SQUARE, "image_id": number} for number in (1, 2, 4, 5, 7, 99, [1])]
    painter.json("labels.json", instances(annotations, images))
    dataset = open_dataset("cells", {"cells": f"COCO:{painter.root / 'labels.json'}"})
    assert [sample.name for sample in dataset] == ["a.jpg#100"]
    assert reasons(dataset, by_rule=True) == ["Image bare.jpg has no object."]
    assert reasons(dataset) == [
        "Id 1 of 'images' is there twice.",
        "An entry of 'images' has no id.",
        "Entry 9 of 'images' is no record.",
        "Annotation 105 belongs to no image of the file.",
        "Annotation 106 belongs to no image of the file.",
        "A file named '../../etc/passwd' cannot be in this folder.",
        "The file is missing.",
        "The photograph has 40 x 30 pixels, its annotations are for 40 x 31.",
        "Image sizeless.jpg: The image has no height and width.",
        "Image bomb.jpg: An image of 1000000 x 1000000 pixels cannot be used.",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "The file is not JSON"),
        ("[]", "The file holds no JSON object"),
        ("{}", "The file has no list 'images'"),
        ('{"images": [], "annotations": 5}', "The file has no list 'annotations'"),
        ('{"a": ' * 100_000, "The file is nested too deeply"),
    ],
)
def test_bad_json_is_an_error_that_names_the_file(painter, text, sentence):
    path = painter.text("labels.json", text)
    with pytest.raises(BrokenFileError, match=rf"labels\.json: {sentence}"):
        open_dataset("cells", {"cells": f"COCO:{path}"})


def test_images_that_are_nowhere_are_an_error(painter):
    path = painter.json("labels.json", instances([{"segmentation": SQUARE}]))
    with pytest.raises(DatasetError, match="None of the images of .*labels.json is in one of the folders"):
        open_dataset("cells", {"cells": f"COCO:{path}"})


def test_cocos_own_folder_and_a_file_in_it_are_the_same(painter):
    painter.image("val2017/a.jpg")
    path = painter.json("annotations/instances_val2017.json", instances([{"segmentation": SQUARE}]))
    whole = open_dataset("COCO", {"COCO": painter.root})
    one = open_dataset("mine", {"mine": f"COCO:{path}"})
    assert [sample.name for sample in whole] == [sample.name for sample in one] == ["a.jpg#100"]


@pytest.fixture
def panoptic(painter, empty):
    """A thing whose number needs three bytes, a thing, stuff and a crowd."""
    numbers = empty.astype(np.int64)
    for place, number in enumerate((70_000, 3, 4, 5)):
        numbers[5 * place : 5 * place + 4] = number
    colours = np.dstack([numbers // 65536, numbers // 256 % 256, numbers % 256]).astype(np.uint8)  # B, G, R
    painter.image("val2017/000000000001.jpg")
    painter.array("annotations/panoptic_val2017/000000000001.png", colours)
    content = {
        "categories": [{"id": 7, "name": "cat", "isthing": 1}, {"id": 8, "name": "sky", "isthing": 0}],
        "annotations": [
            {
                "image_id": 1,
                "file_name": "000000000001.png",
                "segments_info": [
                    {"id": 70_000, "category_id": 7, "iscrowd": 0},
                    {"id": 3, "category_id": 7},
                    {"id": 4, "category_id": 8},
                    {"id": 5, "category_id": 7, "iscrowd": 1},
                ],
            }
        ],
    }
    path = painter.json("annotations/panoptic_val2017.json", content)
    return painter, content, path


def test_things_of_panoptic_images_are_samples(panoptic):
    painter, _, _ = panoptic
    dataset = open_dataset("COCO_Panoptic", {"COCO_Panoptic": painter.root})
    assert [sample.name for sample in dataset] == ["000000000001.jpg#70000", "000000000001.jpg#3"]
    assert dataset[0].category == "cat"
    assert [np.flatnonzero(sample.mask.any(1)).tolist() for sample in dataset] == [[0, 1, 2, 3], [5, 6, 7, 8]]
    assert reasons(dataset) == []
    assert reasons(dataset, by_rule=True) == [
        "Crowds in 000000000001.png: 1.",
        "Stuff in image 000000000001.jpg, which is no object: 1.",
    ]


def test_broken_panoptic_segments_are_reported(panoptic):
    painter, content, path = panoptic
    content["annotations"][0]["segments_info"] += [
        {"id": 6, "category_id": 7},
        {"id": 9, "category_id": 1},
        5,
    ]
    content["annotations"] += [{"file_name": "gone.png", "segments_info": [{"id": 1, "category_id": 7}]}, {}]
    path.write_text(json.dumps(content))
    dataset = open_dataset("COCO_Panoptic", {"COCO_Panoptic": painter.root})
    assert len(dataset) == 2
    assert reasons(dataset) == [
        "Segment 9 of 000000000001.png has no category.",
        "A segment of 000000000001.png has no id.",
        "A file named 'None' cannot be in this folder.",
        "The mask of object 6 has no object.",
        "The file is missing.",
    ]
