"""The folder that `ritm dataset` writes, as evaluation reads it: regions to ignore, parts, stuff, splits."""

import numpy as np
import pytest
from pycocotools import mask as coco

from ritm_model.datasets import DatasetError, open_dataset
from ritm_model.datasets.photograph import sound_parents


def annotation(number, image, rows, **more):
    mask = np.zeros((30, 40), np.uint8)
    mask[slice(*rows)] = 1
    runs = {"size": [30, 40], "counts": coco.encode(np.asfortranarray(mask))["counts"].decode()}
    return {"id": number, "image_id": image, "category_id": 1, "segmentation": runs, "iscrowd": 0, **more}


@pytest.fixture
def folder(painter):
    """A whole with a part, something unknown on top of it, a crowd of the old kind, stuff; another split."""
    for name in ("a", "b", "c"):
        painter.image(f"images/{name}.jpg")
    size = {"height": 30, "width": 40}
    images = [
        {"id": 1, "file_name": "a.jpg", "split": "train", **size},
        {"id": 2, "file_name": "b.jpg", "split": "val", **size},
        {"id": 3, "file_name": "c.jpg", "split": "test", **size},
    ]
    annotations = [
        annotation(1, 1, (0, 10), children=[2], parent=None, level=0),
        annotation(2, 1, (2, 4), children=[], parent=1, level=1),
        annotation(3, 1, (8, 15), iscrowd=1, ignore=1),
        annotation(4, 1, (20, 22), iscrowd=1),
        annotation(5, 1, (25, 30), stuff=1),
        annotation(6, 2, (5, 6)),
        annotation(7, 3, (5, 6), iscrowd=1, ignore=1),
    ]
    categories = [{"id": 1, "name": "cat"}]
    painter.json("annotations.json", {"images": images, "annotations": annotations, "categories": categories})
    return painter.root


@pytest.mark.parametrize(("place", "crowd"), [("coco_rle:{}", -1), ("COCO:{}/annotations.json", 0)])
def test_objects_and_parts_are_samples_and_what_is_ignored_does_not_count(folder, place, crowd):
    dataset = open_dataset("own", {"own": place.format(folder)})
    assert [sample.name for sample in dataset] == ["a.jpg#1", "a.jpg#2", "b.jpg#6"]
    whole, part, other = dataset
    rest = [0] * 5 + [crowd] * 2 + [0] * 8
    assert whole.mask[:, 0].tolist() == [1] * 10 + [-1] * 5 + rest  # the object wins
    assert part.mask[:, 0].tolist() == [0, 0, 1, 1, 0, 0, 0, 0] + [-1] * 7 + rest
    assert other.mask.min() == 0
    regions = list(dataset.photographs[0].regions(30, 40))
    assert [region.parent for region in regions[:2]] == [None, "1"]
    assert [(one.key, int(one.mask.sum())) for one in regions if one.kind == "stuff"] == [("5", 200)]
    assert {problem.by_rule for problem in dataset.problems} == {True}
    assert [problem.reason for problem in dataset.problems] == [
        "Image c.jpg has no object.",
        *["Crowds in image a.jpg, which are not one object: 1."] * (crowd == 0),
        "Stuff in image a.jpg, which is no object: 1.",
    ]


def test_a_split_is_the_images_that_name_it(folder):
    dataset = open_dataset("own:val", {"own": f"coco_rle:{folder}"})
    assert [sample.name for sample in dataset] == ["b.jpg#6"]
    with pytest.raises(DatasetError, match="with an object is of the split 'vla'"):
        open_dataset("own:vla", {"own": f"coco_rle:{folder}"})


def test_a_broken_region_to_ignore_is_named(folder, painter):
    text = (folder / "annotations.json").read_text()
    (folder / "annotations.json").write_text(text.replace('"iscrowd": 1, "ignore": 1', '"ignore": 2', 1))
    assert open_dataset("own", {"own": f"coco_rle:{folder}"})[0].mask.min() == -1
    broken = text.replace('"segmentation": {"size": [30, 40]', '"segmentation": {"size": [3, 40]', 3)
    (folder / "annotations.json").write_text(broken)
    dataset = open_dataset("own", {"own": f"coco_rle:{folder}"})
    reasons = [problem.reason for problem in dataset.problems if not problem.by_rule]
    assert [reason.split(":")[0] for reason in reasons] == ["Annotation 1", "Annotation 2", "Annotation 3"]


def test_parents_that_cannot_be_do_not_count(folder):
    text = (folder / "annotations.json").read_text()
    text = text.replace('"parent": null, "level": 0', '"parent": 2, "level": 2')
    (folder / "annotations.json").write_text(text)  # each is part of the other
    dataset = open_dataset("own", {"own": f"coco_rle:{folder}"})
    regions = {region.key: region for region in dataset.photographs[0].regions(30, 40)}
    assert [regions[key].parent for key in "12"] == ["2", "1"]
    assert sound_parents(regions) == {}
