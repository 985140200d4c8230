"""What people have, in the records of every annotation file: odd masks, odd ids, odd text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from laid_out import (
    HEIGHT,
    TRUTH,
    WIDTH,
    as_coco,
    as_datumaro,
    as_lvis,
    as_panoptic,
    as_tasks,
    as_voc,
    mask_png,
    packed,
    put,
    shot,
)
from PIL import Image

from ritm_model.datasets import open_dataset
from ritm_model.datasets.problems import DatasetError

BOX = [6, 4, 30, 4, 30, 12, 6, 12]
RUNS = packed(TRUTH)
COUNTS = [int(count) for count in np.diff([0, *(np.flatnonzero(np.diff(TRUTH.T.ravel())) + 1), TRUTH.size])]
SEGMENTATIONS: dict[str, Any] = {
    "packed": RUNS,
    "numbers": {"size": [HEIGHT, WIDTH], "counts": COUNTS},
    "fractions": {"size": [float(HEIGHT), float(WIDTH)], "counts": [float(count) for count in COUNTS]},
    "text of bytes": {**RUNS, "counts": repr(RUNS["counts"].encode())},
    "no size": {"counts": RUNS["counts"]},
    "null size": {"size": None, "counts": RUNS["counts"]},
    "polygon": [BOX],
    "flat polygon": BOX,
    "points": [[[x, y] for x, y in zip(BOX[::2], BOX[1::2], strict=True)]],
    "a stray point beside it": [BOX, [3, 3], [1, 1, 2, 2]],
    "runs in a list": [RUNS],
    "numbers as text": [[str(side) for side in BOX]],
    "points as text": [[[str(x), str(y)] for x, y in zip(BOX[::2], BOX[1::2], strict=True)]],
    "runs as text": {"size": [str(HEIGHT), str(WIDTH)], "counts": [str(count) for count in COUNTS]},
}
OF_COCO = [as_coco, as_lvis]


def changed(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("segmentation", SEGMENTATIONS)
@pytest.mark.parametrize("reader", OF_COCO)
def test_every_way_to_write_a_mask(reader: Any, segmentation: str, found: Any, tmp_path: Path) -> None:
    made = reader(tmp_path / "data", "a.jpg", shot())
    changed(
        made[1], lambda content: content["annotations"][0].update(segmentation=SEGMENTATIONS[segmentation])
    )
    (mask_HW,) = found(made)
    assert (mask_HW != TRUTH).sum() < 80


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([], "There are no polygons"),
        (None, "There are no polygons"),
        ("text", "There are no polygons"),
        ([[1, 2, 3, 4]], "at least three points"),
        ({"size": [3, 3], "counts": [9]}, "another size|do not cover"),
        ({"counts": None}, "neither numbers nor text"),
        ({"counts": "b'"}, "damaged|cut off|do not cover"),
        ({"counts": [1.5]}, "neither numbers nor text"),
    ],
)
@pytest.mark.parametrize("reader", OF_COCO)
def test_a_mask_that_is_none_costs_itself(
    reader: Any, segmentation: object, reason: str, tmp_path: Path
) -> None:
    layout, path = reader(tmp_path / "data", "a.jpg", shot())
    changed(path, lambda content: content["annotations"].append(
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    ))  # fmt: skip
    dataset = open_dataset("own", {"own": f"{layout}:{path}"})
    assert len(dataset) == 1
    (problem,) = dataset.problems
    assert problem.reason.startswith("Annotation 2: ")
    assert re.search(reason, problem.reason)


RECORDS: dict[str, Callable[[Any], object]] = {
    "no ids of annotations": lambda content: [content["annotations"][0].pop("id")],
    "null ids": lambda content: content["annotations"][0].update(id=None, category_id=None),
    "ids as text": lambda content: [
        content[key][0].update({name: "1"}) for key, name in (("images", "id"), ("annotations", "image_id"))
    ],
    "category as text": lambda content: content["annotations"][0].update(category_id="1"),
    "flags as text": lambda content: content["annotations"][0].update(iscrowd="0", ignore="false"),
    "ids as fractions": lambda content: content["annotations"][0].update(image_id=1.0, category_id=1.0),
    "no categories": lambda content: content.pop("categories"),
    "null categories": lambda content: content.update(categories=None, licenses=None, info=None),
    "no sizes": lambda content: [content["images"][0].pop(key) for key in ("height", "width")],
    "null sizes": lambda content: content["images"][0].update(height=None, width=None),
    "fractions as sizes": lambda content: content["images"][0].update(height=30.0, width=40.0),
    "null in lists": lambda content: [content[key].append(None) for key in ("images", "annotations")],
    "an image without anything": lambda content: content["images"].append({"id": 2, "file_name": "b.jpg"}),
    "an image without a name": lambda content: content["images"].append({"id": 2, "file_name": None}),
    "an annotation of no image": lambda content: content["annotations"].append({"id": 2, "image_id": [3]}),
    "an address": lambda content: content["images"][0].update(file_name=None, coco_url="http://host/x/a.jpg"),
    "a crowd of CVAT": lambda content: content["annotations"][0].update(
        iscrowd=1, attributes={"occluded": False}
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("reader", OF_COCO)
def test_records_that_lack_something(reader: Any, kind: str, found: Any, tmp_path: Path) -> None:
    made = reader(tmp_path / "data", "a.jpg", shot())
    changed(made[1], RECORDS[kind])
    assert len(found(made)) == 1


@pytest.mark.parametrize("key", ["id", None])
def test_objects_of_one_id_are_told_apart(key: str | None, found: Any, tmp_path: Path) -> None:
    """Files that were joined have ids twice, others have none."""
    made = as_coco(tmp_path / "data", "a.jpg", shot())

    def change(content: Any) -> None:
        first = content["annotations"][0]
        content["annotations"].append({**first, "segmentation": [[1, 20, 9, 20, 9, 28, 1, 28]]})
        for annotation in content["annotations"] if key is None else ():
            del annotation["id"]

    changed(made[1], change)
    assert [int(mask_HW.sum()) for mask_HW in found(made)] == [int(TRUTH.sum()), 64]


@pytest.mark.parametrize(("height", "count"), [(HEIGHT, 3), (HEIGHT + 1, 1)])
@pytest.mark.parametrize("reader", OF_COCO)
def test_a_photograph_that_is_there_twice_has_all_its_objects(
    reader: Any, height: int, count: int, found: Any, tmp_path: Path
) -> None:
    """As after files were joined; but not where the sizes differ, for then the objects do not lie there."""
    made = reader(tmp_path / "data", "a.jpg", shot())

    def change(content: Any) -> None:
        content["images"].append({**content["images"][0], "id": 2, "height": height})
        for number, top in ((1, 20), (2, 25)):  # the first has the id of the other image's object
            corners = [[1, top, 9, top, 9, top + 3, 1, top + 3]]
            content["annotations"].append(
                {"id": number, "image_id": 2, "category_id": 1, "segmentation": corners}
            )

    changed(made[1], change)
    assert len(found(made)) == count


@pytest.mark.parametrize("reader", OF_COCO)
def test_an_id_of_two_images_is_of_neither(reader: Any, found: Any, tmp_path: Path) -> None:
    """As after files were joined without new ids: all masks lay on the first of them."""
    made = reader(tmp_path / "data", "a.jpg", shot())
    put(tmp_path / "data" / "images" / "b.jpg", shot().data)

    def change(content: Any) -> None:
        image, annotation = content["images"][0], content["annotations"][0]
        content["images"] += [{**image, "file_name": "b.jpg"}, {**image, "id": 2}]
        content["annotations"].append({**annotation, "id": 2, "image_id": 2})

    changed(made[1], change)
    assert len(found(made)) == 1
    (problem,) = open_dataset("own", {"own": f"{made[0]}:{made[1]}"}).problems
    assert problem.reason.startswith("Id 1 of 'images' stands for 'a.jpg' and 'b.jpg', so its annotations")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("reader", [as_coco, as_lvis, as_panoptic, as_datumaro, as_tasks])
def test_text_of_any_program(reader: Any, encoding: str, found: Any, tmp_path: Path) -> None:
    """With a mark in front, as Windows PowerShell writes it, and its line ends."""
    layout, place = reader(tmp_path / "data", "größe.jpg", shot())
    path = place if place.is_file() else place / "annotations" / "default.json"
    text = json.dumps(json.loads(path.read_bytes()), indent=1, ensure_ascii=False)
    path.write_bytes(text.replace("\n", "\r\n").encode(encoding))
    assert len(found((layout, place))) == 1


@pytest.mark.parametrize("change", [
    lambda item: item.update(annotations=None),
    lambda item: item.update(annotations=[None, {"type": "mask"}, {"type": "polygon", "points": [1, 2]}]),
    lambda item: item.update(image={"path": None}),
    lambda item: item.clear(),
])  # fmt: skip
def test_a_broken_item_of_datumaro_costs_itself(change: Any, found: Any, tmp_path: Path) -> None:
    layout, folder = as_datumaro(tmp_path / "data", "a.jpg", shot())
    put(folder / "images" / "default" / "b.jpg", shot().data)
    other = {"id": "2", "annotations": [], "image": {"path": "b.jpg"}}
    change(other)
    path = folder / "annotations" / "default.json"
    changed(path, lambda content: (content["items"].insert(0, other), content["items"].append(7)))
    assert len(found((layout, folder))) == 1


def test_segments_that_are_none(found: Any, tmp_path: Path) -> None:
    made = as_panoptic(tmp_path / "data", "a.jpg", shot())
    odd = [None, {"id": 8}, {"id": 9, "category_id": [1]}, {"id": None, "category_id": 1}]
    changed(made[1], lambda content: content["annotations"][0]["segments_info"].extend(odd))
    changed(
        made[1], lambda content: content["annotations"].append({"segments_info": 5, "file_name": "a.png"})
    )
    assert len(found(made)) == 1


def test_plain_numbers_in_the_layout_of_voc(found: Any, tmp_path: Path) -> None:
    """In them 255 is a border that counts for nothing; black and white masks have one object."""
    made = as_voc(tmp_path / "data", "a.jpg", shot())
    path = tmp_path / "data" / "SegmentationObject" / "a.png"
    numbers_HW = TRUTH.astype(np.uint8)
    put(path, mask_png(TRUTH))
    assert [int(mask_HW.sum()) for mask_HW in found(made)] == [int(TRUTH.sum())]
    numbers_HW[20:25] = 255
    Image.fromarray(numbers_HW).save(path)
    assert [int(mask_HW.sum()) for mask_HW in found(made)] == [int(TRUTH.sum())]


@pytest.mark.parametrize("place", ["train.txt", "lists/train.txt", "ImageSets/Main/x/train.txt"])
def test_a_list_of_voc_may_lie_anywhere(place: str, found: Any, tmp_path: Path) -> None:
    as_voc(tmp_path, "a.jpg", shot())
    assert len(found(("PascalVOC", put(tmp_path / place, "a.jpg\n")))) == 1


def test_masks_without_a_list_in_the_layout_of_voc(tmp_path: Path) -> None:
    as_voc(tmp_path, "a.JPEG", shot())
    assert len(open_dataset("own:all", {"own": f"PascalVOC:{tmp_path}"})) == 1
    with pytest.raises(DatasetError, match=r"ImageSets/Segmentation/val\.txt is missing"):
        open_dataset("own:val", {"own": f"PascalVOC:{tmp_path}"})


@pytest.mark.parametrize("reader", [as_coco, as_lvis, as_panoptic])
def test_images_that_are_nowhere(reader: Any, tmp_path: Path) -> None:
    layout, path = reader(tmp_path / "data", "a.jpg", shot())
    (tmp_path / "data" / "images" / "a.jpg").unlink()
    with pytest.raises(DatasetError, match=f"None of the images of .*{path.name} is in one of the folders"):
        open_dataset("own", {"own": f"{layout}:{path}"})
