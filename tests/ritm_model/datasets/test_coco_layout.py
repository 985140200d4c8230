"""The COCO-RLE layout is read as it was written, and what it may not say is an error that names it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from ritm_model.datasets.readers.coco_rle import (
    is_coco_layout,
    load_coco_scene,
    pack_layers,
    read_coco_layout,
)
from ritm_model.learning.errors import TrainingError

HEIGHT, WIDTH = 30, 40


def rectangle(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask_HW = np.zeros((HEIGHT, WIDTH), bool)
    mask_HW[top:bottom, left:right] = True
    return mask_HW


WHOLE, PART, OTHER = rectangle(2, 2, 20, 20), rectangle(5, 5, 10, 10), rectangle(15, 15, 29, 39)
SKY, UNKNOWN = rectangle(0, 22, 5, 40), rectangle(25, 0, 30, 5)


def annotation(number: int, mask_HW: np.ndarray, **more: object) -> dict[str, object]:
    runs = coco.encode(np.asfortranarray(mask_HW.astype(np.uint8)))
    return {
        "id": number,
        "image_id": 7,
        "category_id": 1,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": runs["counts"].decode()},
        "area": int(mask_HW.sum()),
        "bbox": coco.toBbox(runs).tolist(),
        "iscrowd": 0,
        **more,
    }


def content() -> dict[str, list[dict[str, object]]]:
    image = {"id": 7, "file_name": "a/b.png", "height": HEIGHT, "width": WIDTH, "license": 3}
    image |= {"split": "val", "source": "mine", "license_class": "free"}
    return {
        "licenses": [{"id": 3, "name": "CC0", "url": ""}],
        "categories": [{"id": 1, "name": "cat"}],
        "images": [image],
        "annotations": [
            annotation(11, PART, parent=12, level=1),
            annotation(12, WHOLE, children=[11], level=0),
            annotation(13, OTHER),
            annotation(14, SKY, stuff=1),
            annotation(15, UNKNOWN, iscrowd=1, ignore=1),
        ],
    }


def written(folder: Path, value: object) -> Path:
    (folder / "images/a").mkdir(parents=True)
    cv2.imwrite(str(folder / "images/a/b.png"), np.full((HEIGHT, WIDTH, 3), (1, 2, 3), np.uint8))
    (folder / "annotations.json").write_text(json.dumps(value))
    return folder


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert not is_coco_layout(tmp_path)
    folder = written(tmp_path, content())
    assert is_coco_layout(folder)
    (entry,) = read_coco_layout(folder)
    assert (entry.image, entry.size) == ("images/a/b.png", (HEIGHT, WIDTH))
    about = (entry.split, entry.source, entry.license, entry.license_class)
    assert about == ("val", "mine", "CC0", "free")
    assert [(item.id, item.parent, item.level) for item in entry.objects] == [
        (11, 1, 1),
        (12, None, 0),
        (13, None, 0),
    ]
    assert [item.share for item in entry.objects] == [25 / 1200, 324 / 1200, 336 / 1200]
    assert entry.chosen(0) == (1, 2)
    assert entry.chosen(0, parts=True) == (0, 1, 2)
    assert entry.chosen(0.1, parts=True) == (1, 2)

    scene = load_coco_scene(folder, entry, stuff=True)
    assert scene.image_HW3[0, 0].tolist() == [3, 2, 1]
    assert scene.image_HW3.flags.writeable
    for instance, mask_HW in zip(scene.instances, (PART, WHOLE, OTHER, SKY), strict=True):
        assert np.array_equal(scene.mask(instance), mask_HW)
    assert np.array_equal(scene.ignored_HW, UNKNOWN)

    whole = load_coco_scene(folder, entry, entry.chosen(0.0))
    assert [int(whole.mask(instance).sum()) for instance in whole.instances] == [324, 336]


def test_layers_are_the_papers(golden: Path) -> None:
    recorded = np.load(golden / "unit_hierarchy.npz")
    mapping = json.loads((golden / "unit.json").read_text())["mapping"]
    masks = list(recorded["masks"])
    layers_LHW, places = pack_layers(masks, masks[0].shape)
    assert np.array_equal(layers_LHW, recorded["layers"])
    assert [[place.layer, place.value] for place in places] == mapping


@settings(max_examples=50, deadline=None)
@given(arrays(bool, st.tuples(st.integers(0, 7), st.just(6), st.just(5))), st.integers(1, 3))
def test_layers_lose_no_pixel(masks: np.ndarray, most: int) -> None:
    layers_LHW, places = pack_layers(list(masks), (6, 5), most)
    assert layers_LHW.max() <= most
    assert len({(place.layer, place.value) for place in places}) == len(masks)
    for mask_HW, place in zip(masks, places, strict=True):
        assert np.array_equal(layers_LHW[place.layer] == place.value, mask_HW)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.pop("images"), "images: Field required"),
        (lambda c: c["images"].append(c["images"][0]), "two images have the same id"),
        (lambda c: c["images"][0].update(file_name="../x.png"), "image 7 is not in the folder images"),
        (lambda c: c["images"][0].update(height=31), "annotation 11 is for another size"),
        (lambda c: c["annotations"][1].update(image_id=8), "annotation 12 belongs to no image"),
        (lambda c: c["annotations"][0].update(parent=14), "annotation 11 has a parent that it cannot have"),
        (lambda c: c["annotations"][0].update(level=2), "annotation 11 has a parent that it cannot have"),
        (lambda c: c["annotations"][1].update(parent=11, level=2), "annotation 11 has a parent that it"),
        (
            lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, 6]]),
            "segmentation: Input should",
        ),
    ],
)
def test_what_it_may_not_say_is_named(tmp_path: Path, change, sentence: str) -> None:
    value = content()
    change(value)
    with pytest.raises(TrainingError, match=sentence) as failure:
        read_coco_layout(written(tmp_path, value))
    assert "annotations.json" in str(failure.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"annotations\.json cannot be read: No such file"):
        read_coco_layout(tmp_path)


def test_broken_photographs_and_masks_are_named(tmp_path: Path) -> None:
    value = content()
    value["annotations"][2]["segmentation"]["counts"] = "oops"  # type: ignore[index]
    (entry,) = read_coco_layout(written(tmp_path, value))
    with pytest.raises(TrainingError, match="annotation 13: The "):
        load_coco_scene(tmp_path, entry)
    load_coco_scene(tmp_path, entry, [0, 1])  # what is not asked for does not matter
    picture = tmp_path / "images/a/b.png"
    cv2.imwrite(str(picture), np.zeros((5, 6), np.uint8))
    with pytest.raises(TrainingError, match=r"b\.png has 6 x 5 pixels, its annotations are for 40 x 30"):
        load_coco_scene(tmp_path, entry)
    picture.write_bytes(b"x")
    with pytest.raises(TrainingError, match=r"b\.png: The file is not an image"):
        load_coco_scene(tmp_path, entry)
    picture.unlink()
    with pytest.raises(TrainingError, match=r"b\.png cannot be read"):
        load_coco_scene(tmp_path, entry)
