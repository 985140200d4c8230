"""The COCO-RLE layout is read as it was written, and regions go into the layers of the paper's code."""

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

from ritm_model.datasets.layers import pack_masks, pack_regions
from ritm_model.datasets.photograph import Photograph, Region
from ritm_model.datasets.problems import BrokenFileError, Problem
from ritm_model.datasets.readers.coco import CocoPhotograph
from ritm_model.datasets.readers.coco_rle import coco_rle, is_coco_rle

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


def read(photograph: Photograph) -> list[Region | Problem]:
    return list(photograph.regions(HEIGHT, WIDTH))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert not is_coco_rle(tmp_path)
    folder = written(tmp_path, content())
    assert is_coco_rle(folder)
    (photograph,) = coco_rle(folder, "").photographs
    assert isinstance(photograph, CocoPhotograph)
    assert (photograph.name, photograph.image) == ("a/b.png", folder / "images/a/b.png")
    about = photograph.about
    found = (about.split, about.source, about.license, about.license_class, about.number)
    assert found == ("val", "mine", "CC0", "free", 7)
    regions = read(photograph)
    masks = (PART, WHOLE, OTHER, SKY, UNKNOWN)
    for region, mask_HW in zip(regions, masks, strict=True):
        assert isinstance(region, Region)
        assert np.array_equal(region.mask, mask_HW)
    assert [(region.key, region.kind, region.parent) for region in regions if isinstance(region, Region)] == [
        ("11", "object", "12"),
        ("12", "object", None),
        ("13", "object", None),
        ("14", "stuff", None),
        ("15", "ignored", None),
    ]
    assert photograph.wholes == 2
    large = photograph.with_objects_of(0.1)
    assert [annotation.key for annotation, _ in large.annotations] == [12, 13, 14, 15]
    assert large.wholes == 2


def test_crowds_of_other_tools_are_pixels_that_nobody_knows(tmp_path: Path) -> None:
    value = content()
    value["annotations"][2]["iscrowd"] = 1
    (photograph,) = coco_rle(written(tmp_path, value), "").photographs
    kinds = [region.kind for region in read(photograph) if isinstance(region, Region)]
    assert kinds == ["object", "object", "ignored", "stuff", "ignored"]


def test_layers_are_the_papers(golden: Path) -> None:
    recorded = np.load(golden / "unit_hierarchy.npz")
    mapping = json.loads((golden / "unit.json").read_text())["mapping"]
    masks = list(recorded["masks"])
    packed = pack_masks(masks, masks[0].shape)
    assert np.array_equal(packed.layers_LHW, recorded["layers"])
    assert [[place.layer, place.value] for place in packed.instances] == mapping


@settings(max_examples=50, deadline=None)
@given(arrays(bool, st.tuples(st.integers(0, 7), st.just(6), st.just(5))), st.integers(1, 3))
def test_layers_lose_no_pixel(masks: np.ndarray, most: int) -> None:
    packed = pack_masks(list(masks), (6, 5), most)
    assert packed.layers_LHW.max() <= most
    assert len(set(packed.instances)) == len(masks)
    for mask_HW, place, area in zip(masks, packed.instances, packed.areas, strict=True):
        assert np.array_equal(packed.layers_LHW[place.layer] == place.value, mask_HW)
        assert mask_HW.sum() == area


@settings(max_examples=50, deadline=None)
@given(arrays(bool, st.tuples(st.integers(0, 7), st.just(6), st.just(5))), st.integers(1, 3))
def test_masks_that_lie_in_columns_are_packed_like_others(masks: np.ndarray, most: int) -> None:
    """As unpacked runs do; some of them or all of them."""
    packed = pack_masks(list(masks), (6, 5), most)
    for columns in (len(masks), len(masks) // 2):
        mixed = [*(np.asfortranarray(mask_HW) for mask_HW in masks[:columns]), *masks[columns:]]
        again = pack_masks(mixed, (6, 5), most)
        assert (again.instances, again.areas) == (packed.instances, packed.areas)
        assert np.array_equal(again.layers_LHW, packed.layers_LHW)
        assert again.layers_LHW.flags.c_contiguous


@settings(max_examples=100, deadline=None)
@given(st.data(), st.integers(1, 4))
def test_regions_that_share_maps_are_packed_like_masks(data: st.DataObject, most: int) -> None:
    """Renumbering stored maps gives the very layers that unpacking every mask gives."""
    maps = data.draw(
        arrays(np.uint8, st.tuples(st.integers(1, 3), st.just(6), st.just(5)), elements=st.integers(0, 4))
    )
    pairs = [(number, value) for number in range(len(maps)) for value in range(1, 6)]
    chosen = data.draw(st.lists(st.sampled_from(pairs), max_size=9))
    shared = [maps[number] for number in range(len(maps))]
    regions = [
        Region(shared[number], f"{place}", value=value) for place, (number, value) in enumerate(chosen)
    ]
    packed = pack_regions(regions, (6, 5), most)
    unpacked = pack_masks([region.mask for region in regions], (6, 5), most)
    assert packed.instances == unpacked.instances
    assert packed.areas == unpacked.areas
    assert np.array_equal(packed.layers_LHW, unpacked.layers_LHW)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenFileError, match=r"annotations\.json: The file is missing"):
        coco_rle(tmp_path, "")


def test_one_bad_annotation_is_left_out_by_name(tmp_path: Path) -> None:
    value = content()
    value["annotations"][2]["segmentation"]["counts"] = "oops"  # type: ignore[index]
    value["annotations"][1]["segmentation"]["size"] = [HEIGHT, WIDTH + 1]  # type: ignore[index]
    value["annotations"].append({"id": 16, "image_id": 8})
    collection = coco_rle(written(tmp_path, value), "")
    assert [problem.reason for problem in collection.problems] == [
        "Annotation 16 belongs to no image of the file."
    ]
    problems = [found.reason for found in read(collection.photographs[0]) if isinstance(found, Problem)]
    assert len(problems) == 2
    assert problems[0].startswith("Annotation 12: The runs are for another size")
    assert problems[1].startswith("Annotation 13: The ")


def test_photographs_of_another_size_are_refused(tmp_path: Path) -> None:
    (photograph,) = coco_rle(written(tmp_path, content()), "").photographs
    with pytest.raises(BrokenFileError, match=r"has 6 x 5 pixels, its annotations are for 40 x 30"):
        list(photograph.regions(5, 6))


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    value = content()
    value["images"].append({**value["images"][0], "id": 8, "file_name": "../x.png"})
    collection = coco_rle(written(tmp_path, value), "")
    assert len(collection.photographs) == 1
    assert "A file named '../x.png' cannot be in this folder." in [p.reason for p in collection.problems]
