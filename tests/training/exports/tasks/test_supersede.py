"""Several exports under one prefix: the newest of a task counts, and equal names are told apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH, make_zip, png
from hypothesis import given
from hypothesis import strategies as st

from training.exports.tools.supersede import Export, Identity, newest_only

Taken = Callable[..., Any]


def xml(label: str, left: int, *, task: str = "", name: str = "a.png") -> str:
    """One image with one box of ten columns, from the left one on; without a label, no object."""
    points = f"{left},4;{left + 10},4;{left + 10},20;{left},20"
    shape = f'<polygon label="{label}" points="{points}" z_order="0"/>' if label else ""
    image = f'<image id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}">{shape}</image>'
    return f"<annotations><version>1.1</version><meta>{task}</meta>{image}</annotations>"


def meta(id: int, dumped: str, name: str = "street") -> str:
    return f"<task><id>{id}</id><name>{name}</name></task><dumped>{dumped}</dumped>"


def picture(grey: int) -> bytes:
    return png(np.full((HEIGHT, WIDTH, 3), grey, np.uint8))


def lefts(masks: dict[str, list[np.ndarray]]) -> list[tuple[str, int]]:
    return sorted(
        (label, int(np.flatnonzero(mask.any(axis=0))[0]))
        for label, of_label in masks.items()
        for mask in of_label
    )


def test_the_newer_of_two_dated_exports_counts(tmp_path: Path, taken: Taken) -> None:
    """By the date in the name of the zip, though the older comes first; also across layouts."""
    folder = tmp_path / "exports"
    folder.mkdir()
    files = {"images/a.png": picture(1)}
    old, new = "2026_01_01_00_00_00", "2026_01_02_00_00_00"
    make_zip(
        folder / f"task_7_dataset_{old}_cvat for images 1.1.zip", {**files, "annotations.xml": xml("Cat", 2)}
    )
    coco = {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[20, 4, 30, 4, 30, 20]]}],
        "categories": [{"id": 1, "name": "Cat"}],
    }
    members = {"annotations/instances_default.json": json.dumps(coco), "images/default/a.png": picture(1)}
    make_zip(folder / f"task_7_dataset_{new}_coco 1.0.zip", members)
    collected, masks, manifest = taken(folder)
    assert lefts(masks) == [("Cat", 20)]
    assert collected.unused == {"of an older export of the same task": 1}
    assert any("is older than task_7" in item["reason"] for item in manifest["left_out"]["by_rule"])


def test_the_newer_by_what_the_xml_says(tmp_path: Path, taken: Taken) -> None:
    """And a newer one without objects does not bring the older ones back."""
    folder = tmp_path / "exports"
    folder.mkdir()
    first = {
        "images/a.png": picture(1),
        "annotations.xml": xml("Cat", 2, task=meta(7, "2026-01-03 00:00:00+00:00")),
    }
    make_zip(folder / "a.zip", first)
    second = {
        "images/a.png": picture(1),
        "annotations.xml": xml("Cat", 20, task=meta(7, "2026-01-02 23:00:00")),
    }
    make_zip(folder / "b.zip", second)
    other = xml("Dog", 9, name="b.png", task=meta(8, "2026-01-01"))
    make_zip(folder / "c.zip", {"images/b.png": picture(2), "annotations.xml": other})
    assert lefts(taken(folder)[1]) == [("Cat", 2), ("Dog", 9)]
    make_zip(folder / "a.zip", {**first, "annotations.xml": xml("", 2, task=meta(7, "2026-01-03"))})
    assert lefts(taken(folder)[1]) == [("Dog", 9)]


def test_equal_names_of_different_tasks_are_different_photographs(tmp_path: Path, taken: Taken) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for number, grey in ((7, 1), (8, 1), (9, 3)):
        text = xml("Cat", number, task=meta(number, "2026-01-01"))
        make_zip(folder / f"{number}.zip", {"images/a.png": picture(grey), "annotations.xml": text})
    collected, masks, manifest = taken(folder)
    assert lefts(masks) == [("Cat", 7), ("Cat", 8), ("Cat", 9)]
    assert manifest["left_out"]["broken"] == []
    assert sorted(path.name for path in (collected.folder / "images").iterdir()) == ["7", "8", "9"]


def test_equal_files_of_exports_that_say_nothing_are_one_photograph(tmp_path: Path, taken: Taken) -> None:
    folder = tmp_path / "exports"
    folder.mkdir()
    for name, left, grey in (("a", 2, 1), ("b", 12, 1), ("c", 22, 9)):
        make_zip(folder / f"{name}.zip", {"images/a.png": picture(grey), "annotations.xml": xml("Cat", left)})
    collected, masks, _ = taken(folder)
    assert lefts(masks) == [("Cat", 12), ("Cat", 22)]
    assert collected.unused == {"of an older export of the same photograph": 1}


@pytest.mark.parametrize("name", ["b.png", "a.png"])
@pytest.mark.parametrize("layout", ["coco", "datumaro", "cvat"])
def test_all_parts_of_one_export_count(tmp_path: Path, taken: Taken, layout: str, name: str) -> None:
    """A project has subsets, whose photographs may have one name; the older export of both gives way."""
    (tmp_path / "exports").mkdir()
    for month, labels in ((1, "ab"), (2, "cd")):
        files: dict[str, bytes | str] = {}
        for subset, image, label, grey in zip(("train", "val"), ("a.png", name), labels, (5, 9), strict=True):
            if layout == "cvat":
                files[f"{subset}/annotations.xml"] = xml(label, 2, name=image)
                files[f"{subset}/images/{image}"] = picture(grey)
                continue
            path, content = (coco if layout == "coco" else datumaro)(image, label)
            files[path.format(subset)] = content
            files[f"images/{subset}/{image}"] = picture(grey)
        make_zip(tmp_path / "exports" / f"project_p-2026_0{month}_01_00_00_00-x.zip", files)
    collected, masks, _ = taken(tmp_path / "exports")
    assert sorted(masks) == ["c", "d"]
    assert collected.unused == {"of an older export of the same task": 2}


SQUARE = [2, 2, 8, 2, 8, 8, 2, 8]


def coco(name: str, label: str) -> tuple[str, str]:
    image = {"id": 1, "file_name": name, "width": WIDTH, "height": HEIGHT}
    drawn = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [SQUARE]}
    content = {"images": [image], "annotations": [drawn], "categories": [{"id": 1, "name": label}]}
    return "annotations/instances_{}.json", json.dumps(content)


def datumaro(name: str, label: str) -> tuple[str, str]:
    labels = {"label": {"labels": [{"name": label}]}}
    drawn = [{"type": "polygon", "points": SQUARE, "label_id": 0}]
    item = {"id": "1", "image": {"path": name}, "annotations": drawn}
    return "annotations/{}.json", json.dumps({"categories": labels, "items": [item]})


exports = st.lists(
    st.builds(
        Export,
        st.sampled_from(["a.zip", "b.zip", "c.zip"]),
        st.builds(
            Identity,
            st.sampled_from(["", "task", "job"]),
            st.sampled_from(["", "1", "2"]),
            st.frozensets(st.sampled_from(["1", "x"])),
        ),
        st.sampled_from(["", "2026-01-01", "2026-01-02"]),
    ),
    max_size=5,
)


@given(exports)
def test_whatever_is_dropped_has_a_newer_one_of_the_same(found: list[Export]) -> None:
    kept = newest_only(found, Counter())
    for export in found:
        if export not in kept:
            assert any(
                k.identity.is_same(export.identity) and (k.when, k.label) > (export.when, export.label)
                for k in kept
            )
    for place, export in enumerate(kept):
        others = (other for other in kept[place + 1 :] if other.label != export.label)
        assert not any(export.identity.is_same(other.identity) for other in others)
