"""COCO and LVIS are combined by the rules of the paper."""

import numpy as np
import pytest

HEIGHT, WIDTH = 60, 80
NAME = "000000000139"


def area(top, left, bottom, right):
    """H x W bool, True up to, not including, (bottom, right)."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def polygon(top, left, bottom, right):
    """The same as a polygon, of which the outline is painted."""
    bottom, right = bottom - 1, right - 1
    return {"segmentation": [[left, top, right, top, right, bottom, left, bottom]]}


@pytest.fixture
def sources(painter):
    """Two folders, with a photograph that both have; what is on it is added by `annotate`."""

    def annotate(segments, polygons, split="val"):
        numbers = np.zeros((HEIGHT, WIDTH), np.int64)
        rows = []
        for number, (mask, category, more) in enumerate(segments, 70_000):
            numbers[mask] = number
            rows.append({"id": number, "category_id": category, **more})
        colours = np.dstack([numbers // 65536, numbers // 256 % 256, numbers % 256]).astype(np.uint8)
        folder = f"coco/annotations/panoptic_{split}2017"
        painter.array(f"{folder}/{NAME}.png", colours)
        panoptic = {
            "categories": [
                {"id": 1, "name": "cat", "isthing": 1},
                {"id": 2, "name": "sky", "isthing": 0},
            ],
            "annotations": [
                {"image_id": 139, "file_name": f"{NAME}.png", "segments_info": rows},
                {"image_id": 5, "file_name": "000000000005.png", "segments_info": []},
            ],
        }
        painter.json(f"{folder}.json", panoptic)
        objects = [
            {"id": 500 + place, "image_id": 139, "category_id": 8, **shape}
            for place, shape in enumerate(polygons)
        ]
        lvis = {
            "categories": [{"id": 8, "name": "paw"}],
            "images": [{"id": 139}, {"id": 6}],
            "annotations": objects,
        }
        painter.json(f"lvis/{split}/lvis_v1_{split}.json", lvis)
        painter.image(f"coco/{split}2017/{NAME}.jpg", WIDTH, HEIGHT)
        return painter.root / "coco", painter.root / "lvis"

    return annotate


def test_parts_stuff_and_names(converted, sources):
    segments = [
        (area(30, 0, 60, 80), 2, {}),
        (area(10, 10, 40, 50), 1, {}),
        (area(0, 60, 9, 70), 1, {"iscrowd": 1}),
    ]
    places = sources(segments, [polygon(15, 15, 30, 30), polygon(20, 20, 30, 30)])
    written = converted("coco-lvis", *places, "--split", "val")
    annotations = written.by_key(f"{NAME}.jpg")
    assert [(key, written.category(row)) for key, row in annotations.items()] == [
        ("coco:70001", "cat"),
        ("coco:70002", "cat"),  # a crowd is taken, too
        ("lvis:500", "paw"),
        ("lvis:501", "paw"),
        ("coco:70000", "sky"),
    ]
    cat, crowd, paw, toe, sky = annotations.values()
    assert (cat["parent"], cat["children"], cat["level"]) == (None, [paw["id"]], 0)
    assert (paw["parent"], paw["children"], paw["level"]) == (cat["id"], [toe["id"]], 1)
    assert (toe["parent"], toe["children"], toe["level"]) == (paw["id"], [], 2)
    assert "parent" not in crowd
    assert (crowd["iscrowd"], sky["stuff"]) == (0, 1)
    assert np.array_equal(written.mask(cat), area(10, 10, 40, 50))
    assert np.array_equal(written.mask(paw), area(15, 15, 30, 30))
    assert np.array_equal(written.mask(sky), area(30, 0, 60, 80) & ~area(10, 10, 40, 50))
    (image,) = written.content["images"]
    assert (image["id"], image["split"], image["source"]) == (139, "val", "coco_lvis")
    assert written.manifest["taken"] | {"objects": 2, "parts": 2, "stuff": 1} == written.manifest["taken"]
    assert written.left_out() == []
    assert written.left_out(by_rule=True) == ["Images that only one of COCO and LVIS has: 1."] * 2


def test_objects_of_lvis_replace_the_same_ones_of_coco(converted, sources):
    segments = [(area(0, 0, 20, 20), 1, {}), (area(30, 30, 50, 50), 1, {})]
    # 17 of 20 rows: boxes and pixels agree by 0.85; 14 of 20 rows: by 0.7, which is not more than 0.7.
    places = sources(segments, [polygon(0, 0, 17, 20), polygon(30, 30, 44, 50)])
    written = converted("coco-lvis", *places, "--split", "val")
    assert list(written.by_key(f"{NAME}.jpg")) == ["coco:70001", "lvis:500", "lvis:501"]
    assert written.left_out(by_rule=True)[-1] == (
        f"Image {NAME}.jpg: Objects of fewer than 80 pixels, or there twice: 1."
    )


def test_of_doubles_in_lvis_the_last_counts(converted, sources):
    whole = polygon(0, 0, 20, 20)
    places = sources([], [whole, polygon(0, 0, 18, 20), polygon(30, 30, 50, 50), polygon(30, 30, 47, 50)])
    written = converted("coco-lvis", *places, "--split", "val")
    # 18 of 20 rows are more than 0.85, 17 of 20 are not.
    assert list(written.by_key(f"{NAME}.jpg")) == ["lvis:501", "lvis:502", "lvis:503"]


def test_small_objects_and_little_stuff_are_left_out(converted, sources):
    segments = [
        (area(0, 0, 8, 10), 1, {}),  # 80 pixels
        (area(10, 0, 18, 10).astype(bool) & ~area(10, 0, 11, 1), 1, {}),  # 79
        (area(30, 0, 40, 50), 2, {}),  # 500
        (area(41, 0, 51, 50) | area(52, 0, 53, 1), 2, {}),  # 501
    ]
    places = sources(segments, [polygon(20, 0, 28, 10), polygon(20, 20, 27, 31)])  # 80, 77
    written = converted("coco-lvis", *places, "--split", "val")
    assert list(written.by_key(f"{NAME}.jpg")) == ["coco:70000", "lvis:500", "coco:70003"]
    assert written.left_out(by_rule=True)[-1].endswith("there twice: 2.")


def test_broken_parts_are_named(converted, sources, painter):
    segments = [(area(0, 0, 20, 20), 1, {}), (area(30, 30, 50, 50), 1, {})]
    places = sources(segments, [{"segmentation": [[1, 2]]}, polygon(0, 40, 20, 60)])
    written = converted("coco-lvis", *places, "--split", "val")
    assert list(written.by_key(f"{NAME}.jpg")) == ["coco:70000", "coco:70001", "lvis:501"]
    assert written.left_out() == ["Annotation 500: A polygon is not a list of at least three points x, y."]


def test_splits_are_put_together(converted, sources):
    sources([(area(0, 0, 20, 20), 1, {})], [], "train")
    places = sources([(area(0, 0, 20, 20), 1, {})], [])
    written = converted("coco-lvis", *places)
    assert written.left_out() == [f"There are two photographs called {NAME}.jpg; the first counts."]
    assert written.manifest["taken"]["split"] == {"train": 1}


@pytest.mark.parametrize(
    ("break_it", "sentence"),
    [
        (lambda p: p.path("lvis/val/lvis_v1_val.json").unlink(), "LVIS has no split 'val': "),
        (
            lambda p: p.path("coco/annotations/panoptic_val2017.json").unlink(),
            "val2017.json: The file is missing",
        ),
        (lambda p: p.text("lvis/val/lvis_v1_val.json", "x"), "lvis_v1_val.json: The file is not JSON"),
        (
            lambda p: p.image(f"coco/annotations/panoptic_val2017/{NAME}.png", 5, 5),
            f"{NAME}.png: The mask is of another size than its photograph. (and 2 more)",
        ),
        (
            lambda p: p.path(f"coco/val2017/{NAME}.jpg").unlink(),
            f"{NAME}.jpg: The file is missing. (and 2 more)",
        ),
    ],
)
def test_missing_and_broken_sources_are_a_sentence(ritm, sources, painter, out, break_it, sentence):
    places = sources([(area(0, 0, 20, 20), 1, {})], [])
    break_it(painter)
    status, _, complaint = ritm("coco-lvis", *places, out, "--split", "val", "--jobs", 1)
    assert status == 1
    assert sentence in complaint
