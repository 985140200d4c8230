"""LVIS: where objects overlap, what is seen of them."""

import pytest
from coco_records import instances, reasons

from ritm_model.datasets import DatasetError, open_dataset


def box(left, top, right, bottom):
    return {"segmentation": [[left, top, right, top, right, bottom, left, bottom]]}


def lvis(painter, annotations, name="lvis_val.json"):
    images = [
        {
            "id": 1,
            "height": 30,
            "width": 40,
            "coco_url": "http://images.cocodataset.org/train2017/000000000001.jpg",
        },
        {"id": 2, "height": 30, "width": 40, "coco_url": "http://x/val2017/000000000002.jpg"},
    ]
    painter.image("train/images/000000000001.jpg")
    painter.image("val/images/000000000002.jpg")
    painter.json(f"val/{name}", instances(annotations, images))
    return open_dataset("LVIS", {"LVIS": painter.root})


def test_lvis_paints_later_objects_over_earlier_ones(painter):
    # Rounded half to even, outline included: 10.5 becomes 10, so rows and columns 10 to 20.
    dataset = lvis(painter, [box(10.5, 10.4, 20.4, 19.6), box(19, 10, 25, 20), box(1, 1, 4, 4)])
    assert [sample.name for sample in dataset] == [f"000000000001.jpg#{n}" for n in (100, 101, 102)]
    below, above, _ = (sample.mask for sample in dataset)
    assert below.sum() == 11 * 9  # the last two columns are covered
    assert above.sum() == 11 * 7
    assert below[10, 10] == 1
    assert below[15, 19] == 0
    assert dataset[0].load_image().shape == (30, 40, 3)
    assert reasons(dataset, by_rule=True) == ["Image 000000000002.jpg has no object."]


def test_the_files_of_lvis_may_keep_their_names(painter):
    assert len(lvis(painter, [box(0, 0, 9, 9)], name="lvis_v1_val.json")) == 1
    (painter.root / "val/lvis_v1_val.json").unlink()
    with pytest.raises(DatasetError, match=r"incomplete: .*val/lvis_val\.json is missing"):
        open_dataset("LVIS", {"LVIS": painter.root})


def test_lvis_leaves_out_what_covers_or_is_covered_too_much(painter):
    annotations = [
        box(0, 0, 9, 9),
        box(4, 0, 9, 9),  # all of it lies on the first
        box(3, 0, 30, 9),  # covers 70 of 100 pixels of the first
        box(5, 0, 30, 9),  # covers 50 of 100, which is just allowed
    ]
    dataset = lvis(painter, annotations)
    assert [sample.name[-3:] for sample in dataset] == ["100", "103"]
    assert reasons(dataset, by_rule=True)[1:] == [
        "Annotation 101: It lies on other objects.",
        "Annotation 102: It covers another object.",
    ]


def test_broken_lvis_annotations_cost_only_themselves(painter):
    dataset = lvis(painter, [box(0, 0, 9, 9), {"segmentation": [[1, 2]]}, box(50, 5, 60, 9)])
    assert len(dataset) == 1
    assert reasons(dataset) == [
        "Annotation 101: A polygon is not a list of at least three points x, y.",
        "Annotation 102: The mask has no object.",
    ]


def test_lvis_measures_what_is_still_visible(painter):
    """The last square covers half of the first one, but all that is visible of it."""
    dataset = lvis(painter, [box(10, 10, 19, 19), box(5, 10, 14, 19), box(15, 10, 24, 19)])
    assert [sample.name[-3:] for sample in dataset] == ["100", "101"]
    assert reasons(dataset, by_rule=True)[1:] == ["Annotation 102: It covers another object."]
