"""Regions of every kind, as the backend answers them and Label Studio stores them, are read from exports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH

from ritm_backend.connect.config import KIND_TAGS
from ritm_backend.label_studio.answers import RegionAnswer, results_of, to_json
from ritm_backend.label_studio.config import Control
from ritm_backend.label_studio.drawing import MaskPart, polygon_value, rings_of, value_of
from ritm_backend.label_studio.options import KINDS, Kind, ProjectOptions
from ritm_backend.label_studio.outputs import Output
from ritm_backend.label_studio.regions import Frame
from training.exports import Options

LEAST = {"brush": 1.0, "bitmask": 1.0, "polygon": 0.93, "ellipse": 0.93, "box": 1.0}


def drawn() -> np.ndarray:
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    return np.asarray(((x - 19.5) / 14) ** 2 + ((y - 14.5) / 9) ** 2 <= 1)


def results(kind: Kind, *, with_labels_tag: bool) -> list[dict[str, Any]]:
    """What Label Studio stores; with a `Labels` tag in two rows."""
    part = MaskPart(drawn(), (0, 0), (HEIGHT, WIDTH))
    if kind == "polygon":
        (ring,) = rings_of(part, ProjectOptions())
        value = polygon_value(ring, part.frame)
    else:
        value = value_of(kind, part)
    tag = KIND_TAGS[kind].lower()
    control = Control(tag if with_labels_tag else f"{tag}labels", "region", ("image",), None, is_smart=False)
    labels = Control("labels", "labels", ("image",), None, is_smart=False) if with_labels_tag else control
    answer = RegionAnswer(
        id="a",
        frame=Frame("image", None, WIDTH, HEIGHT, 0),
        size=(WIDTH, HEIGHT),
        value=value,
        output=Output(kind, control, labels),
        label="Cell",
        score=0.9,
    )
    stored: list[dict[str, Any]] = json.loads(to_json(results_of(answer)))
    return stored


@pytest.mark.parametrize("with_labels_tag", [False, True], ids=["own labels", "Labels tag"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_region_of_this_kind_becomes_a_mask(
    tmp_path: Path, taken: Any, picture: bytes, kind: Kind, with_labels_tag: bool
) -> None:
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots/a.png").write_bytes(picture)
    annotation = {"id": 1, "result": results(kind, with_labels_tag=with_labels_tag)}
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [annotation]}
    (tmp_path / "export.json").write_text(json.dumps([task]))

    options = Options(boxes=kind == "box")  # boxes are no masks unless somebody says so
    collected, masks, _ = taken(tmp_path / "export.json", options, local_roots=(tmp_path / "roots",))
    assert collected.objects == 1
    (mask,) = masks["Cell"]
    expected = drawn()
    if kind == "box":
        expected = expected.any(axis=1)[:, None] & expected.any(axis=0)
    assert (mask & expected).sum() / (mask | expected).sum() >= LEAST[kind]


def test_a_polygon_that_nobody_has_closed_is_no_mask(tmp_path: Path, taken: Any, picture: bytes) -> None:
    """As after a task was submitted while it was being drawn."""
    (tmp_path / "a.png").write_bytes(picture)
    points = [[10, 10], [60, 10], [60, 60]]
    results = [
        {"id": name, "type": "polygonlabels", "value": {"points": points, "polygonlabels": [name], **closed}}
        for name, closed in (("open", {"closed": False}), ("closed", {"closed": True}), ("old", {}))
    ]
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": results}]}
    path = tmp_path / "export.json"
    path.write_text(json.dumps([task]))
    _, masks, manifest = taken(path, local_roots=(tmp_path,))
    assert sorted(masks) == ["closed", "old"]
    (told,) = manifest["left_out"]["by_rule"]
    assert told["reason"] == "Results that are no masks: 1 of polygon that nobody has closed."


@pytest.mark.parametrize("with_labels_tag", [False, True], ids=["own labels", "Labels tag"])
@pytest.mark.parametrize("kind", KINDS)
def test_json_min_has_the_same_masks(
    tmp_path: Path, taken: Any, picture: bytes, kind: Kind, with_labels_tag: bool
) -> None:
    """Its rows have no labels of their own tag, and a bitmask among them is no picture of the task."""
    (tmp_path / "a.png").write_bytes(picture)
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    made = results(kind, with_labels_tag=with_labels_tag)
    controls = {each["from_name"]: [{**each["value"], **size}] for each in made}
    row = {"image": "a.png", "id": 3, "annotation_id": 8, "annotator": 1, **controls}
    (tmp_path / "min.json").write_text(json.dumps([row]))

    collected, *_ = taken(tmp_path / "min.json", Options(boxes=kind == "box"), local_roots=(tmp_path,))
    assert collected.objects == 1


@pytest.mark.parametrize(
    ("first", "second", "taken_as"),
    [
        ("brush", "polygon", 1.0),
        ("polygon", "brush", 1.0),
        ("polygon", "box", 0.93),
        ("box", "bitmask", 1.0),
        ("ellipse", "box", 0.93),
    ],
)
def test_an_object_of_two_kinds_is_one_mask(
    tmp_path: Path, taken: Any, picture: bytes, first: Kind, second: Kind, taken_as: float
) -> None:
    """As a project has them that asks for one kind and `also` for another."""
    (tmp_path / "a.png").write_bytes(picture)
    (one,) = results(first, with_labels_tag=False)
    (two,) = results(second, with_labels_tag=False)
    other = results(second, with_labels_tag=False)[0] | {"id": "c"}
    two |= {"id": "b", "from_name": "second", "parentID": "a"}
    label = {key: ["Part"] if key.endswith("labels") else value for key, value in two["value"].items()}
    part = two | {"id": "d", "value": label}  # another object, which belongs to the first
    task = {
        "id": 1,
        "data": {"image": "a.png"},
        "annotations": [{"id": 1, "result": [two, one, other, part]}],
    }
    (tmp_path / "export.json").write_text(json.dumps([task]))

    _, masks, manifest = taken(tmp_path / "export.json", Options(boxes=True), local_roots=(tmp_path,))
    assert {label: len(found) for label, found in masks.items()} == {"Cell": 2, "Part": 1}
    expected = drawn()
    overlaps = [(mask & expected).sum() / (mask | expected).sum() for mask in masks["Cell"]]
    assert max(overlaps) >= taken_as
    (told,) = manifest["left_out"]["by_rule"]
    assert told["reason"] == "Results that are no masks: 1 of second kinds of the same object."
