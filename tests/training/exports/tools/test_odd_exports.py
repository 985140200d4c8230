"""What other programs and people make of exports of CVAT, Roboflow and YOLO, and of the zips around them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH, make_zip, png

from ritm_model.errors import RitmError

Taken = Callable[..., Any]
CORNERS = "10.00,6.00;30.00,6.00;30.00,18.00;10.00,18.00"
BOX = np.zeros((HEIGHT, WIDTH), bool)
BOX[6:18, 10:30] = True
RING = [10, 6, 30, 6, 30, 18, 10, 18]


def xml(shapes: str, label: str = "cat", encoding: str = "utf-8") -> bytes:
    about = f'id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}"'
    content = f"<annotations><image {about}>{shapes}</image></annotations>"
    text = f'<?xml version="1.0" encoding="{encoding}"?>\n{content}'
    return text.replace("LABEL", label).encode(encoding)


POLYGON = f'<polygon label="LABEL" points="{CORNERS}" z_order="0"></polygon>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252", "koi8-r"])
def test_xml_in_the_encoding_that_it_declares(
    tmp_path: Path, taken: Taken, picture: bytes, encoding: str
) -> None:
    label = "Кот" if encoding == "koi8-r" else "Käse"
    files = {"annotations.xml": xml(POLYGON, label, encoding), "images/a.png": picture}
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", files))
    np.testing.assert_array_equal(masks[label], [BOX])


@pytest.mark.parametrize("encoding", ["shift_jis", "nothing-known", "base64"])
def test_xml_in_an_encoding_that_is_not_read(
    tmp_path: Path, taken: Taken, picture: bytes, encoding: str
) -> None:
    text = xml(POLYGON, "Käse").replace(b'"utf-8"', f'"{encoding}"'.encode()).replace("ä".encode(), b"\xe4")
    with pytest.raises(RitmError, match="is not XML"):
        taken(make_zip(tmp_path / "a.zip", {"annotations.xml": text, "images/a.png": picture}))


def test_whole_numbers_and_shapes_outside(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    shapes = (
        '<mask label="cat" rle="0.0, 240, " left="10.0" top="6" width="20" height="12" z_order="0"/>'
        '<mask label="cat" rle="0, 240" left="10.5" top="6" width="20" height="12" z_order="0"/>'
        f'<polygon label="dog" points="{CORNERS}" outside="1" z_order="0"></polygon>'
    )
    files = {"annotations.xml": xml(shapes), "images/a.png": picture}
    _, masks, manifest = taken(make_zip(tmp_path / "a.zip", files))
    np.testing.assert_array_equal(masks["cat"], [BOX])
    assert "dog" not in masks
    (broken,), (by_rule,) = manifest["left_out"]["broken"], manifest["left_out"]["by_rule"]
    assert broken["reason"] == "The numbers of mask 2 are damaged."
    assert by_rule["reason"] == "Shapes that are no masks: 1 of those outside the frame."


def coco(*corners: list[int]) -> str:
    image = {"id": 0, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    found = [
        {"id": number, "image_id": 0, "category_id": 1, "segmentation": [ring]}
        for number, ring in enumerate(corners)
    ]
    return json.dumps({"images": [image], "categories": [{"id": 1, "name": "cat"}], "annotations": found})


@pytest.mark.parametrize("name", ["_annotations.coco.json", "annotations.xml"])
def test_parts_with_one_name_of_file_and_photograph(
    tmp_path: Path, taken: Taken, picture: bytes, name: str
) -> None:
    """As Roboflow writes `train` and `valid`: different photographs of one name are all there."""
    content = coco(RING) if name.endswith(".json") else xml(POLYGON)
    other = png(np.full((HEIGHT, WIDTH, 3), 20, np.uint8))
    files: dict[str, bytes | str] = {f"{part}/{name}": content for part in ("train", "valid")}
    files |= {"train/a.png": picture, "valid/a.png": other}
    collected, masks, manifest = taken(make_zip(tmp_path / "a.zip", files))
    assert (collected.photographs, len(masks["cat"])) == (2, 2)
    assert manifest["left_out"] == {"broken": [], "by_rule": []}


def test_members_of_any_name(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    """A name that no file can have costs its photograph, a colon nothing."""
    long = f"{'猫' * 90}.png"
    content = coco(RING).replace("a.png", "12:30.png")
    images = json.loads(coco(RING))["images"]
    rows = {**json.loads(content), "images": [*json.loads(content)["images"]]}
    rows["images"].append({**images[0], "id": 1, "file_name": long})
    rows["annotations"].append({**rows["annotations"][0], "id": 7, "image_id": 1})
    files = {"result.json": json.dumps(rows), "12:30.png": picture, long: picture}
    collected, masks, manifest = taken(make_zip(tmp_path / "a.zip", files))
    assert (collected.photographs, len(masks["cat"])) == (1, 1)
    assert len(manifest["left_out"]["broken"]) == 1


def test_keypoints_of_yolo_are_no_polygons(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    files = {
        "data.yaml": "names: {0: cat}\nkpt_shape: [4, 2]\n",
        "labels/train/a.txt": "0 .5 .5 .2 .2 .1 .1 .4 .1 .4 .4 .1 .4\n",
        "images/train/a.png": picture,
    }
    with pytest.raises(RitmError, match=r"boxes with keypoints \(kpt_shape\), which are no masks"):
        taken(make_zip(tmp_path / "a.zip", files))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_an_empty_line_in_a_list_of_classes_counts(
    tmp_path: Path, taken: Taken, picture: bytes, encoding: str
) -> None:
    sides = " ".join(str(side / (HEIGHT if place % 2 else WIDTH)) for place, side in enumerate(RING))
    files = {
        "classes.txt": "dog\r\n\r\nKäse\r\n".encode(encoding),
        "labels/a.txt": f"2 {sides}\r\n".encode(encoding),
        "images/a.png": picture,
    }
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", files))
    assert list(masks) == ["Käse"]


def labelme_of(size: tuple[int, int]) -> dict[str, str]:
    points = [list(pair) for pair in zip(RING[::2], RING[1::2], strict=True)]
    shape = {"label": "cat", "points": points, "shape_type": "polygon"}
    about = {"imagePath": "a.png", "imageHeight": size[0], "imageWidth": size[1]}
    return {"a.json": json.dumps({"shapes": [shape], **about})}


def datumaro_of(size: tuple[int, int]) -> dict[str, str]:
    drawn = {"type": "polygon", "label_id": 0, "points": RING}
    item = {"id": "a", "annotations": [drawn], "media": {"path": "a.png", "size": size}}
    content = {"categories": {"label": {"labels": [{"name": "cat"}]}}, "items": [item]}
    return {"annotations/default.json": json.dumps(content)}


def cvat_of(size: tuple[int, int]) -> dict[str, str]:
    text = xml(POLYGON).decode().replace(f'width="{WIDTH}" height="{HEIGHT}"', "SIZE")
    return {"annotations.xml": text.replace("SIZE", f'width="{size[1]}" height="{size[0]}"')}


@pytest.mark.parametrize("made", [labelme_of, datumaro_of, cvat_of])
def test_outlines_of_another_size_are_left_out(
    tmp_path: Path, taken: Taken, picture: bytes, made: Callable[[tuple[int, int]], dict[str, str]]
) -> None:
    """As after photographs were made smaller: the outlines lay elsewhere."""
    collected, _, _ = taken(make_zip(tmp_path / "a.zip", {**made((HEIGHT, WIDTH)), "a.png": picture}))
    assert collected.objects == 1
    with pytest.raises(RitmError, match="40 x 30 pixels, its annotations are for 80 x 60"):
        taken(make_zip(tmp_path / "b.zip", {**made((2 * HEIGHT, 2 * WIDTH)), "a.png": picture}))


@pytest.mark.parametrize("suffix", ["png", "npy"])
def test_bare_masks_of_label_studio_are_named(
    tmp_path: Path, taken: Taken, picture: bytes, suffix: str
) -> None:
    files = {f"task-1-annotation-2-by-3-tag-cat-0.{suffix}": picture}
    with pytest.raises(RitmError, match=r"a\.zip holds masks of Label Studio .* export JSON there"):
        taken(make_zip(tmp_path / "a.zip", files))


OUTSIDE = ["..", "../../taken", "a/../../../taken", "ABSOLUTE", "..\\..\\taken", "C:\\taken", "file:///taken"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_subsets_of_cvat_lead_nowhere_else(tmp_path: Path, taken: Taken, picture: bytes, name: str) -> None:
    """The folder that a photograph is written to has a name out of the export."""
    subset = name.replace("ABSOLUTE", str(tmp_path / "taken"))
    text = xml(POLYGON).replace(b"<image ", f'<image subset="{subset}" '.encode())
    source, images = tmp_path / "in" / "a.zip", tmp_path / "images"
    for path in (source.parent, images):
        path.mkdir()
    (images / "a.png").write_bytes(picture)
    collected, _, _ = taken(make_zip(source, {"annotations.xml": text}), local_roots=(images,))
    written = set(tmp_path.rglob("*.png")) - {images / "a.png"}
    assert collected.photographs == len(written) == 1
    assert written.pop().is_relative_to(collected.folder / "images")


@pytest.mark.parametrize("name", [*OUTSIDE, "a/b"])
def test_ids_of_tasks_lead_nowhere_else(tmp_path: Path, taken: Taken, picture: bytes, name: str) -> None:
    (tmp_path / "a.png").write_bytes(picture)
    points = [[10, 10], [60, 10], [60, 60]]
    value = {"points": points, "polygonlabels": ["cat"]}
    result = {"id": "r", "type": "polygonlabels", "to_name": "image", "value": value}
    task = {"id": name.replace("ABSOLUTE", str(tmp_path / "taken")), "data": {"image": "a.png"}}
    path = tmp_path / "in" / "export.json"
    path.parent.mkdir()
    path.write_text(json.dumps([{**task, "annotations": [{"id": 1, "result": [result]}]}]))
    collected, _, _ = taken(path, local_roots=(tmp_path,))
    (written,) = set(tmp_path.rglob("*.png")) - {tmp_path / "a.png"}
    assert written.parent == collected.folder / "images"


def test_zips_in_a_zip_swell_together(
    tmp_path: Path, taken: Taken, picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each level may be as much larger as one zip, and so may each of many zips on it: here all may not."""
    monkeypatch.setattr("training.exports.unpacking.SMALL_BYTES", 1 << 12)
    monkeypatch.setattr("training.exports.unpacking.MOST_RATIO", 2)
    files = {"annotations.xml": xml(POLYGON), "images/a.png": picture}
    files |= {f"zeros/{place}": bytes(4000) for place in range(10)}
    inner = {f"task_{place}.zip": make_zip(tmp_path / "inner.zip", files).read_bytes() for place in range(4)}
    collected, _, manifest = taken(make_zip(tmp_path / "a.zip", inner))
    told = [problem["reason"] for problem in manifest["left_out"]["broken"]]
    assert collected.photographs == 1
    assert len(told) == 3
    assert all("is refused: it swells beyond all measure" in each for each in told), told
