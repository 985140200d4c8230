"""What detectors write: COCO annotations, lists of results with and without names, and anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ritm_backend.preannotate.detections import Detection, read_detections
from ritm_model.datasets.problems import BrokenFileError

IMAGES = [
    {"id": 1, "file_name": "farm/cow.jpg", "width": 640, "height": 480},
    {"id": 2, "file_name": "dog.jpg"},
]
CATEGORIES = [{"id": 7, "name": "Cow"}, {"id": 8, "name": "Dog"}]
BOX = [10, 20.5, 30, 40]


def entry(image: object = 1, category: object = 7, **more: object) -> dict[str, object]:
    return {"image_id": image, "category_id": category, "bbox": BOX, **more}


def written(folder: Path, content: object, name: str = "file.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def coco(*annotations: object) -> dict[str, object]:
    return {"images": IMAGES, "categories": CATEGORIES, "annotations": list(annotations)}


def test_annotations_name_their_images_and_categories(tmp_path: Path) -> None:
    crowd = entry(iscrowd=1, segmentation={"size": [1, 1], "counts": [1]})
    found = read_detections(written(tmp_path, coco(entry(), entry(2, 8, score=0.25), crowd)))
    assert found.boxes == (
        Detection("farm/cow.jpg", (640, 480), "Cow", (10, 20.5, 30, 40), None),
        Detection("dog.jpg", None, "Dog", (10, 20.5, 30, 40), 0.25),
    )
    assert found.left_out == {"A crowd, or a region to be ignored, is no object.": 1}


def test_a_list_of_results_takes_names_from_another_file(tmp_path: Path) -> None:
    results = written(tmp_path, [entry(score=0.5), entry(9, score=0.5)])
    found = read_detections(results, written(tmp_path, coco(), "images.json"))
    (box,) = found.boxes
    assert (box.image, box.size, box.label, box.score) == ("farm/cow.jpg", (640, 480), "Cow", 0.5)
    assert found.left_out == {"The file lists no image with the id 9.": 1}


@pytest.mark.parametrize(
    ("result", "image", "label"),
    [
        (entry("cow"), "cow", "7"),
        (entry(12, None), "12", None),
        (entry(file_name="a/b.png", category_name="Goat"), "a/b.png", "Goat"),
    ],
)
def test_a_list_of_results_may_name_them_itself(
    tmp_path: Path, result: object, image: str, label: str | None
) -> None:
    (box,) = read_detections(written(tmp_path, [result])).boxes
    assert (box.image, box.label) == (image, label)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "empty"),
        ("[{}", "breaks off"),
        ("{}", "no list"),
        ('{"annotations": [], "categories": []}', "no list 'images'"),
        ('{"images": []}', "no list 'annotations'"),
        ("PK\3\4", "is a zip"),
    ],
)
def test_another_file_is_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(BrokenFileError, match=sentence):
        read_detections(path)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("image_id", "category_id", "bbox", "score", "file_name", "category_name", "iscrowd", "ignore")
NUMBERS = st.lists(st.floats() | st.integers(), min_size=4, max_size=4)
ENTRIES = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, ANYTHING | NUMBERS)) | ANYTHING


@given(entries=st.lists(ENTRIES, max_size=5), is_list=st.booleans())
@example(entries=[entry(category=10**400)], is_list=False)
@example(entries=[entry() | {"bbox": [1, 2, 10**400, 3]}], is_list=True)
def test_every_entry_is_a_box_or_counted(
    entries: list[Any], is_list: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp()
    found = read_detections(written(folder, entries if is_list else coco(*entries), "anything.json"))
    assert all(width > 0 and height > 0 for _, _, width, height in (box.box for box in found.boxes))
    assert len(found.boxes) + sum(found.left_out.values()) == len(entries)
