"""Folders of masks and packs become the COCO-RLE layout, pixel by pixel."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

SAMPLES = Path(__file__).parents[3] / "samples"


def test_a_pack_keeps_every_pixel_class_and_licence(converted):
    written = converted("from-pack", SAMPLES)
    manifest = json.loads((SAMPLES / "manifest.json").read_text())
    licenses = {row["id"]: row["name"] for row in written.content["licenses"]}
    images = {row["file_name"]: row for row in written.content["images"]}
    assert len(manifest["samples"]) == len(images) == 10
    for sample in manifest["samples"]:
        name = Path(sample["image"]).name
        assert (images[name]["height"], images[name]["width"]) == (sample["height"], sample["width"])
        assert licenses[images[name]["license"]] == sample["license"]
        assert (written.folder / "images" / name).read_bytes() == (SAMPLES / sample["image"]).read_bytes()
        labels = cv2.imread(str(SAMPLES / sample["mask"]), cv2.IMREAD_UNCHANGED)
        annotations = written.by_key(name)
        assert len(annotations) == len(sample["objects"])
        for item in sample["objects"]:
            annotation = annotations[str(item["id"])]
            assert np.array_equal(written.mask(annotation), labels == item["id"])
            assert annotation["area"] == (labels == item["id"]).sum()
            assert annotation["bbox"] == list(cv2.boundingRect((labels == item["id"]).astype(np.uint8)))
            assert written.category(annotation) == item["cat"]
            assert annotation["iscrowd"] == 0
            assert not {"parent", "children", "level", "stuff", "ignore"} & set(annotation)


@pytest.fixture
def pack(painter, empty):
    """A photograph with two masks that overlap, and one with a value that is not listed."""
    first, second = empty.copy(), empty.copy()
    first[2:12, 2:12], first[20:], first[:, 30:] = 1, 7, 255
    second[4:6, 28:35] = 1
    painter.image("images/a.jpg")
    painter.array("masks/a_1.png", first)
    painter.array("masks/a_2.png", second)
    thing = {"id": 1, "area": 0.1, "cat": "thing"}
    samples = [
        {"image": "images/a.jpg", "mask": f"masks/a_{n}.png", "source": "mine", "objects": [thing]}
        for n in (1, 2)
    ]
    painter.json("manifest.json", {"samples": samples})
    return painter, samples


def test_the_masks_of_one_photograph_are_put_together(converted, pack):
    painter, _ = pack
    written = converted("from-pack", painter.root)
    annotations = written.by_key("a.jpg")
    assert list(annotations) == ["a_1:1", "a_2:1", "ignored"]
    ignored = written.mask(annotations["ignored"])
    assert ignored.sum() == ignored[:, 30:].sum() == 300 - 10  # all but the object of the other mask
    assert (annotations["ignored"]["iscrowd"], annotations["ignored"]["ignore"]) == (1, 1)
    assert written.content["images"][0]["source"] == "mine"
    assert written.left_out(by_rule=True) == ["Values that the manifest does not list: 7."]
    assert written.manifest["taken"]["objects"] == 2
    assert written.manifest["taken"]["source"] == {"mine": 1}


def test_broken_parts_of_a_pack_are_named(converted, pack):
    painter, samples = pack
    painter.path("masks/a_2.png").write_bytes(b"x")
    thing = samples[0]["objects"]
    samples += [
        {"image": "../a.jpg", "mask": "masks/a_1.png", "objects": thing},
        {"image": "images/gone.jpg", "mask": "masks/a_1.png", "objects": thing},
    ]
    painter.json("manifest.json", {"samples": samples})
    written = converted("from-pack", painter.root)
    assert list(written.by_key("a.jpg")) == ["a_1:1", "ignored"]
    assert written.left_out() == [
        "A file named '../a.jpg' cannot be in this folder.",
        "The mask is no image of a known kind, or damaged.",
        "The file is missing.",
    ]


def test_indexed_masks(converted, painter, empty):
    empty[2:9], empty[10:20, :30], empty[25:] = 3, 200, 255
    painter.image("images/a.b.png")
    painter.array("masks/a.b.png", empty)
    written = converted("from-masks", painter.root)
    annotations = written.by_key("a.b.png")
    assert {key: int(written.mask(row).sum()) for key, row in annotations.items()} == {
        "3": 7 * 40,
        "200": 300,
        "ignored": 200,
    }
    assert written.left_out() == written.left_out(by_rule=True) == []


def test_black_and_white_masks(converted, painter, empty):
    first, second = empty.copy(), empty.copy()
    first[2:12], first[12:14], second[10:20] = 255, 128, 200
    painter.image("images/a.jpg")
    painter.array("masks/a_0.png", first)
    painter.array("masks/a_17.png", second)
    written = converted(
        *("from-masks", painter.root, "--layout", "images_dir", "--license", "CC0", "--license-class", "free")
    )
    annotations = written.by_key("a.jpg")
    assert list(annotations) == ["a_0", "a_17"]  # what is ignored is all object of the other mask
    assert [row["area"] for row in annotations.values()] == [400, 400]
    assert written.content["licenses"] == [{"id": 1, "name": "CC0", "url": ""}]
    (image,) = written.content["images"]
    assert (image["license"], image["license_class"]) == (1, "free")


def test_lists_of_a_folder_are_splits(converted, painter, empty):
    for name in "abc":
        painter.image(f"images/{name}.jpg")
        painter.array(f"masks/{name}.png", empty + 1)
    painter.text("train.txt", "a\nc\n")
    painter.text("val.txt", "b.jpg\nd\n")
    written = converted("from-masks", painter.root, "--split", "train", "--split", "val")
    assert [(row["file_name"], row["split"]) for row in written.content["images"]] == [
        ("a.jpg", "train"),
        ("c.jpg", "train"),
        ("b.jpg", "val"),
    ]
    assert written.left_out() == ["There is no image 'd' in the folder images."]
    assert written.manifest["taken"]["split"] == {"train": 2, "val": 1}


def test_benchmarks_in_mask_files_are_converted_too(converted, painter, empty):
    empty[:10], empty[10:12] = 255, 128
    painter.image("data_GT/a.png")
    painter.array("boundary_GT/a.bmp", empty)
    written = converted("from-masks", painter.root, "--layout", "GrabCut")
    assert [row["area"] for row in written.by_key("a.png").values()] == [400, 80]


def test_the_published_combination_keeps_its_parts_and_stuff(converted, painter, empty):
    first, second = empty.copy(), empty.copy()
    first[2:12, 2:12], first[20:25] = 1, 2
    second[4:6, 4:6] = 1
    hierarchy = {
        0: {"children": [1], "parent": None, "node_level": 0},
        1: {"children": [], "parent": 0, "node_level": 1},
    }
    painter.pickle("val/hannotation.pickle", {"0001": {"num_instance_masks": 2, "hierarchy": hierarchy}})
    layers = [cv2.imencode(".png", layer)[1] for layer in (first, second)]
    painter.pickle("val/masks/0001.pickle", (layers, [(0, 1), (1, 1), (0, 2)]))
    painter.image("val/images/0001.jpg")
    written = converted("from-masks", painter.root, "--layout", "COCO_LVIS", "--source", "cocolvis")
    annotations = written.by_key("0001.jpg")
    assert {key: (row["area"], row.get("level"), row.get("stuff")) for key, row in annotations.items()} == {
        "0": (100, 0, None),
        "1": (4, 1, None),
        "2": (200, None, 1),
    }
    assert annotations["1"]["parent"] == annotations["0"]["id"]
    assert written.content["images"][0]["split"] == "val"
    assert written.left_out(by_rule=True) == []


def test_masks_of_another_size_and_broken_files_are_named(converted, painter, empty):
    for name in "abcd":
        painter.image(f"images/{name}.jpg")
        painter.array(f"masks/{name}.png", empty + 1)
    painter.array("masks/b.png", np.ones((31, 40), np.uint8))
    painter.path("images/c.jpg").write_bytes(painter.path("images/a.jpg").read_bytes()[:-200])
    painter.array("masks/d.png", empty)
    written = converted("from-masks", painter.root)
    assert [row["file_name"] for row in written.content["images"]] == ["a.jpg"]
    files = [Path(problem["file"]).name for problem in written.manifest["left_out"]["broken"]]
    assert list(zip(files, written.left_out(), strict=True)) == [
        ("b.jpg", "Region 1: The mask is 40 x 31 pixels large, its photograph 40 x 30."),
        ("c.jpg", "The image file is damaged or cut off."),
        ("d.png", written.left_out()[2]),
    ]
    assert "The mask has no object" in written.left_out()[2]
    assert written.left_out(by_rule=True) == ["The photograph has no object that can be used."] * 2


@pytest.mark.parametrize(
    ("mask", "pattern"),
    [
        ("a_mask", "{stem}_mask"),
        ("mask_a", "mask_{stem}.png"),
        ("Segmentation of a-12 (final)", "segmentation of {stem}-{number}*"),
        ("a/7", "{stem}/{number}"),
        ("deep/a/7", "{stem}/{number}.png"),
        ("A/of cat 7", r"{stem}\*"),
        ("7/mask of a", "{number}/mask of {stem}"),
        ("cells/a/masks/x7", "{stem}/masks/*"),
    ],
)
def test_masks_of_any_names(converted, painter, empty, mask, pattern):
    empty[:10] = 255
    painter.image("images/a.jpg")
    painter.array(f"masks/{mask}.png", empty)
    painter.array("masks/b.png", empty)
    arguments = ("from-masks", painter.root, "--layout", "images_dir", "--mask-pattern", pattern)
    written = converted(*arguments)
    assert [row["area"] for row in written.by_key("a.jpg").values()] == [400]
    assert written.left_out() == ["There is no image for this mask in the folder images."]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--layout", "COCO"], "'COCO' is no layout of masks; known ones are GrabCut, Berkeley,"),
        ([], "There are no photographs in "),
        (["--layout", "GrabCut"], "is no folder of the layout GrabCut: "),
        (["--mask-pattern", "_mask"], "must hold {stem} once"),
        (["--mask-pattern", "{stem}/{stem}"], "must hold {stem} once"),
        (["--mask-pattern", "../{stem}"], "must hold {stem} once"),
        (["--layout", "labelme"], "is no folder of the layout labelme: "),
        (["--layout", "yolo", "--split", "val"], "/**/*.txt is missing"),
        (
            ["--layout", "GrabCut", "--mask-pattern", "{stem}_mask"],
            "is for the layouts images_dir and labels",
        ),
        (["--split", "../x"], "is no name of a split"),
    ],
)
def test_bad_requests_are_a_sentence(ritm, painter, out, arguments, sentence):
    painter.root.mkdir(exist_ok=True)
    status, printed, complaint = ritm("from-masks", painter.root, out, *arguments)
    assert (status, printed) == (1, "")
    assert sentence in complaint
    assert not out.exists()


def test_an_annotation_file_may_be_given_instead_of_a_folder(ritm, converted, painter, out):
    painter.image("mine/a.jpg")
    content = {
        "images": [{"id": 1, "coco_url": "http://images.cocodataset.org/val2017/a.jpg"}],
        "annotations": [{"id": 5, "image_id": 1, "segmentation": [[1, 1, 20, 1, 20, 20, 1, 20]]}],
    }
    path = painter.json("mine/labels.json", content)
    written = converted("from-masks", path, "--layout", "LVIS")
    assert list(written.by_key("a.jpg")) == ["5"]
    status, _, complaint = ritm("from-masks", path, out.with_name("other"), "--layout", "labels")
    assert (status, "labels.json cannot be read: Not a directory" in complaint) == (1, True)


def test_a_folder_for_each_photograph_and_its_masks(converted, painter, empty):
    """As the Data Science Bowl of 2018 has them: the folders' names are those of the photographs."""
    for name in ("a1", "b2"):
        painter.image(f"train/{name}/images/{name}.png")
        for number in (1, 2):
            mask = empty.copy()
            mask[number] = 255
            painter.array(f"train/{name}/masks/{number}f{name}.png", mask)
    written = converted(
        "from-masks", painter.root, "--layout", "images_dir", "--mask-pattern", "{stem}/masks/*"
    )
    for name in ("a1", "b2"):
        assert set(written.by_key(f"train/{name}/images/{name}.png")) == {f"1f{name}", f"2f{name}"}
    assert written.left_out() == []
