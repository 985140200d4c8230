"""Any file in COCO's format becomes the COCO-RLE layout."""

import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from ritm_model.datasets.readers.coco_rle import coco_rle
from ritm_model.masks.coco import coco_mask

SQUARE = [[10, 5, 20, 5, 20, 15, 10, 15]]
COUNTS = [30 * 12, 30 * 8, 30 * 20]  # columns 12 to 19


@pytest.fixture
def labels(painter):
    """Polygons, plain runs, a crowd; a photograph in a folder; licences."""
    painter.image("photos/a.jpg")
    painter.image("photos/deep/b.jpg")
    size = {"height": 30, "width": 40}
    content = {
        "licenses": [{"id": 4, "name": "CC BY", "url": "https://x/by"}],
        "categories": [{"id": 9, "name": "cat"}, {"id": 0, "name": "dog"}],
        "images": [
            {"id": 70, "file_name": "a.jpg", "license": 4, **size},
            {"id": 5, "file_name": "deep/b.jpg", **size},
        ],
        "annotations": [
            {"id": 1, "image_id": 70, "category_id": 9, "segmentation": SQUARE},
            {"id": 2, "image_id": 70, "category_id": 0, "segmentation": {"size": [30, 40], "counts": COUNTS}},
            {"id": 3, "image_id": 70, "segmentation": {"size": [30, 40], "counts": COUNTS}, "iscrowd": 1},
            {"id": 4, "image_id": 5, "category_id": 0, "segmentation": SQUARE},
        ],
    }
    return painter, content


def test_polygons_runs_and_crowds(converted, labels):
    painter, content = labels
    path = painter.json("photos/labels.json", content)
    written = converted("from-coco", path, "--split", "train", "--source", "mine")
    annotations = written.by_key("a.jpg")
    assert np.array_equal(written.mask(annotations["1"]), coco_mask(SQUARE, 30, 40))
    assert np.flatnonzero(written.mask(annotations["2"]).all(0)).tolist() == list(range(12, 20))
    assert [(row["iscrowd"], row.get("ignore")) for row in annotations.values()] == [
        (0, None),
        (0, None),
        (1, 1),
    ]
    assert written.content["categories"] == [
        {"id": 0, "name": "dog"},
        {"id": 9, "name": "cat"},
        {"id": 10, "name": "object"},
    ]
    assert [
        (row["id"], row["file_name"], row["split"], row["source"]) for row in written.content["images"]
    ] == [
        (70, "a.jpg", "train", "mine"),
        (5, "deep/b.jpg", "train", "mine"),
    ]
    assert written.content["licenses"] == [{"id": 1, "name": "CC BY", "url": "https://x/by"}]
    assert (written.folder / "images/deep/b.jpg").is_file()


def test_what_was_converted_can_be_converted_again(converted, labels, ritm, tmp_path):
    """Parts, stuff and regions to ignore survive, so that layouts can be cut and put together."""
    painter, content = labels
    first, _, _, other = content["annotations"]
    first["parent"], other["stuff"] = 2, 1
    content["annotations"].append({**other, "id": 5, "stuff": 0})
    written = converted(
        "from-coco", painter.json("labels.json", content), "--photographs", painter.root / "photos"
    )
    annotations = written.by_key("a.jpg")
    assert (annotations["1"]["parent"], annotations["1"]["level"]) == (annotations["2"]["id"], 1)
    assert (annotations["2"]["children"], annotations["2"]["level"]) == ([annotations["1"]["id"]], 0)
    assert (
        written.manifest["taken"] | {"objects": 2, "parts": 1, "stuff": 1, "ignored": 1}
        == written.manifest["taken"]
    )
    again = tmp_path / "again"
    assert ritm("from-coco", written.folder / "annotations.json", again, "--jobs", 1)[0] == 0
    texts = [
        [{**row, "key": ""} for row in json.loads((folder / "annotations.json").read_text())["annotations"]]
        for folder in (written.folder, again)
    ]
    assert texts[0] == texts[1]


def test_learning_reads_what_was_written(converted, labels):
    painter, content = labels
    content["annotations"][0]["parent"] = 2
    written = converted("from-coco", painter.json("photos/labels.json", content))
    photograph, _ = coco_rle(written.folder, "").photographs
    regions = list(photograph.regions(30, 40))
    assert [(region.category, region.kind) for region in regions] == [
        ("cat", "object"),
        ("dog", "object"),
        ("object", "ignored"),
    ]
    assert (regions[0].parent, regions[1].parent) == (regions[1].key, None)
    masks = written.by_key("a.jpg")
    for region, key in zip(regions, ("1", "2", "3"), strict=True):
        assert np.array_equal(region.mask, written.mask(masks[key]))


def test_parents_that_cannot_be_are_dropped(converted, labels):
    """Of itself, of a circle, of a crowd, of another photograph, of a broken object: whole objects."""
    painter, content = labels
    first, second, *_ = content["annotations"]
    first["parent"], second["parent"] = 2, 1
    content["annotations"] += [
        {**first, "id": 6, "parent": 6},
        {**first, "id": 7, "parent": 3},
        {**first, "id": 8, "parent": 4},
        {**first, "id": 9, "parent": 10},
        {**first, "id": 10, "segmentation": [[1, 2]], "parent": None},
    ]
    written = converted("from-coco", painter.json("photos/labels.json", content))
    assert not [row for row in written.content["annotations"] if "parent" in row]
    assert written.manifest["taken"]["parts"] == 0


def test_broken_entries_cost_only_themselves(converted, labels):
    painter, content = labels
    content["images"] += [
        {"id": 6, "file_name": "gone.jpg", "height": 30, "width": 40},
        {"id": 7, "file_name": "../up.jpg", "height": 30, "width": 40},
        {"id": 8, "file_name": "deep/b.jpg", "height": 30, "width": 40},
        {"id": "nine", "file_name": "turned.jpg", "height": 40, "width": 30},
    ]
    painter.image("photos/turned.jpg")
    content["annotations"] += [
        {"id": 1, "image_id": 70, "segmentation": SQUARE},
        {"id": 5, "image_id": 70, "segmentation": "x"},
        {"id": 6, "image_id": 6, "segmentation": SQUARE},
        {"id": 7, "image_id": 99, "segmentation": SQUARE},
        {"id": 8, "image_id": "nine", "segmentation": SQUARE},
        {"id": 9, "image_id": 70, "segmentation": {"size": [30, 40], "counts": [1200]}},
    ]
    written = converted("from-coco", painter.json("photos/labels.json", content))
    assert [row["file_name"] for row in written.content["images"]] == ["a.jpg", "deep/b.jpg"]
    assert written.left_out() == [
        "Annotation 7 belongs to no image of the file.",
        "A file named '../up.jpg' cannot be in this folder.",
        "Annotation 5: There are no polygons; a box alone is no mask.",
        "Region 9: The mask is empty.",
        "The file is missing.",
        "The photograph has 40 x 30 pixels, its annotations are for 30 x 40.",
    ]


def test_photographs_are_looked_for_by_path_and_by_name(converted, labels):
    painter, content = labels
    painter.image("photos/x/twin.jpg")
    painter.image("photos/y/twin.jpg")
    size = {"height": 30, "width": 40}
    content["images"][1]["file_name"] = "/data/upload/3/0123abcd-B.JPG"
    content["images"] += [
        {"id": 6, "file_name": "twin.jpg", **size},
        {"id": 7, "file_name": f"data:image/png;base64,{'A' * 9000}", **size},
        {"id": 8, "file_name": "z/c.jpg", **size},
    ]
    for number in (6, 7, 8):
        content["annotations"].append({"id": number, "image_id": number, "segmentation": SQUARE})
    path = painter.json("elsewhere/labels.json", content)
    written = converted("from-coco", path, "--photographs", painter.root / "photos")
    assert [row["file_name"] for row in written.content["images"]] == ["a.jpg", "deep/b.jpg"]
    several, address, missing = written.left_out()
    assert several.startswith("Several files may be the image 'twin.jpg': ")
    assert address.startswith("A file named 'data:image/png")
    assert missing == "The file is missing."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "labels.json: The file is not JSON"),
        ("{}", "labels.json: The file has no list 'images'"),
        ('{"images": [{"id": 1, "file_name": "x"}], "annotations": []}', "None of the images of "),
        ('{"images": [], "annotations": []}', "None of the images of "),
    ],
)
def test_bad_files_are_a_sentence(ritm, painter, out, text, sentence):
    status, _, complaint = ritm("from-coco", painter.text("labels.json", text), out)
    assert status == 1
    assert sentence in complaint
    assert complaint.count("\n") == 1


def test_names_of_categories_and_photographs_that_clash_are_told_apart(converted, labels):
    painter, content = labels
    content["categories"].append({"id": 3, "name": "cat"})
    content["annotations"][1]["category_id"] = 3
    written = converted("from-coco", painter.json("photos/labels.json", content))
    assert [row["category_id"] for row in written.by_key("a.jpg").values()] == [9, 9, 10]


def test_a_folder_in_the_name_that_is_not_on_disk(converted, labels):
    """Label Studio writes `images\\1/a.jpg` and puts the file into `images`; two that meet are not taken."""
    painter, content = labels
    painter.image("export/images/c.jpg")
    size = {"height": 30, "width": 40}
    names = {1: "images\\1/c.jpg", 2: "images\\1/a.jpg", 3: "images\\2/a.jpg"}
    painter.image("export/images/a.jpg")
    content["images"] = [{"id": number, "file_name": name, **size} for number, name in names.items()]
    content["annotations"] = [
        {"id": number, "image_id": number, "category_id": 9, "segmentation": SQUARE} for number in names
    ]
    place = painter.json("export/result.json", content)
    for folders in ((), ("--photographs", place.parent / "images"), ("--photographs", place.parent)):
        written = converted("from-coco", place, *folders, "--fresh")
        assert [row["id"] for row in written.content["images"]] == [1]


def test_sizes_of_a_photograph_as_stored_are_turned_with_its_masks(converted, painter):
    """Orientation 6: what is stored lying is shown standing, its top row on the right."""
    image = Image.fromarray(np.full((30, 40, 3), 90, np.uint8))
    exif = image.getexif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(painter.path("photos/turned.jpg"), exif=exif)
    content = {
        "images": [{"id": 1, "file_name": "turned.jpg", "height": 30, "width": 40}],
        "categories": [{"id": 9, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 9, "segmentation": SQUARE}],
    }
    written = converted("from-coco", painter.json("photos/labels.json", content))
    (row,) = written.content["images"]
    assert (row["height"], row["width"]) == (40, 30)
    (annotation,) = written.by_key("turned.jpg").values()
    assert np.array_equal(written.mask(annotation), np.rot90(coco_mask(SQUARE, 30, 40), -1))
