"""Zips as people pass them on, and files that are no exports."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from export_files import HEIGHT, WIDTH, make_zip

from ritm_model.datasets.converters import from_coco, from_masks
from ritm_model.datasets.photograph import NOTHING_KNOWN
from ritm_model.errors import RitmError
from training.exports import Options

Taken = Callable[..., Any]
BOX = [10, 6, 30, 6, 30, 18, 10, 18]
HOLE = [15, 8, 25, 8, 25, 12, 15, 12]
JSON = "annotations/instances_default.json"
NOTE = b"\0\5\x16\7 of the system"


def shapes(label: str, corners: list[int]) -> str:
    points = ";".join(f"{x},{y}" for x, y in zip(corners[::2], corners[1::2], strict=True))
    return f'<polygon label="{label}" points="{points}"/>'


def images(name: str, *drawn: str) -> str:
    about = f'name="{name}" width="{WIDTH}" height="{HEIGHT}"'
    return f"<annotations><image {about}>{''.join(drawn)}</image></annotations>"


def coco(*drawn: tuple[str, list[int]]) -> str:
    """As CVAT writes it."""
    names = sorted({label for label, _ in drawn})
    annotations = [
        {
            "id": place,
            "image_id": 1,
            "category_id": names.index(label),
            "segmentation": [corners],
            "attributes": {"occluded": False},
        }
        for place, (label, corners) in enumerate(drawn)
    ]
    image = {"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}
    categories = [{"id": place, "name": name} for place, name in enumerate(names)]
    return json.dumps({"images": [image], "categories": categories, "annotations": annotations})


@pytest.mark.parametrize("label", ["background", "Background"])
@pytest.mark.parametrize("is_above", [True, False])
def test_background_of_cvat_cuts_holes_in_coco_too(
    tmp_path: Path, taken: Taken, picture: bytes, label: str, is_above: bool
) -> None:
    drawn = [("Cat", BOX), (label, HOLE)]
    text = coco(*(drawn if is_above else drawn[::-1]))
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", {JSON: text, "images/default/a.png": picture}))
    assert {name: [int(mask.sum()) for mask in found] for name, found in masks.items()} == {
        "Cat": [200 if is_above else 240]
    }


def test_background_of_other_tools_is_a_class_as_any(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    text = coco(("Cat", BOX), ("background", HOLE)).replace("occluded", "truncated")
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", {JSON: text, "images/default/a.png": picture}))
    assert sorted(masks) == ["Cat", "background"]


@pytest.mark.parametrize("item", [{"id": "sub/a"}, {"id": "1", "media": {"path": "sub/a.png"}}])
def test_items_of_datumaro_that_name_their_image_otherwise(
    tmp_path: Path, taken: Taken, picture: bytes, item: dict[str, Any]
) -> None:
    drawn = [{"type": "polygon", "points": BOX, "label_id": 0}]
    content = {"items": [{**item, "annotations": drawn}]}
    files = {"annotations/default.json": json.dumps(content), "images/default/sub/a.png": picture}
    collected, _, _ = taken(make_zip(tmp_path / "a.zip", files))
    assert [path.name for path in collected.folder.rglob("*.png")] == ["a.png"]


def test_zips_that_a_mac_has_packed_again(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    files: dict[str, bytes | str] = {JSON: coco(("Cat", BOX)), "images/default/a.png": picture}
    notes = {f"__MACOSX/{name.replace('/', '/._')}": NOTE for name in files}
    assert taken(make_zip(tmp_path / "a.zip", {**files, **notes, ".DS_Store": NOTE}))[0].objects == 1


def without_the_flag_of_utf8(path: Path) -> Path:
    """As macOS writes zips: the names are UTF-8, and nothing says so."""
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        start = data.find(mark)
        while start >= 0:
            data[start + place] &= ~8
            start = data.find(mark, start + 1)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["größe.png", "猫.png"])
def test_names_in_zips_of_a_mac(tmp_path: Path, taken: Taken, picture: bytes, name: str) -> None:
    files = {"annotations.xml": images(name, shapes("Cat", BOX)), f"images/{name}": picture}
    path = without_the_flag_of_utf8(make_zip(tmp_path / "a.zip", files))
    assert taken(path)[0].objects == 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_last_counts(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    path = make_zip(tmp_path / "a.zip", {"annotations.xml": images("a.png"), "images/a.png": picture})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("annotations.xml", images("a.png", shapes("Cat", BOX)))
    assert taken(path)[0].objects == 1


def zipped(files: dict[str, bytes | str]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_zips_in_a_zip_are_exports_each(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    """One of them is broken; the newer of two of a task counts; and tasks of Label Studio lie beside them."""
    task = {"id": 1, "data": {"image": "z.png"}, "annotations": [{"id": 5, "result": []}]}
    files = {
        "all/task_1_2026_01_01_00_00_00_x.zip": zipped(
            {"annotations.xml": images("a.png", shapes("Old", BOX)), "images/a.png": picture}
        ),
        "all/task_1_2026_02_01_00_00_00_x.zip": zipped(
            {"annotations.xml": images("a.png", shapes("New", BOX)), "images/a.png": picture}
        ),
        "all/task_2_2026_02_01_00_00_00_x.ZIP": zipped(
            {JSON: coco(("Other", BOX)), "images/default/b.png": picture, "images/default/a.png": picture}
        ),
        "all/broken.zip": b"PK\3\4 and no more",
        "tasks.json": json.dumps([task]),
    }
    path = make_zip(tmp_path / "a.zip", files)
    options = Options(cache=tmp_path / "cache")
    for _ in range(2):
        collected, masks, manifest = taken(path, options)
        assert sorted(masks) == ["New", "Other"]
        (broken,) = manifest["left_out"]["broken"]
        assert broken["file"] == "a.zip/all/broken.zip"
        assert "is damaged, encrypted or no zip: export it again" in broken["reason"]
        assert collected.unused["of an older export of the same task"] == 1


def in_zips(files: dict[str, bytes | str], depth: int) -> bytes:
    """Files in zips that lie one in the other."""
    data = zipped(files)
    for place in range(1, depth):
        data = zipped({f"{place}/in.zip": data})
    return data


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_zips_in_zips_are_read(tmp_path: Path, taken: Taken, picture: bytes, depth: int) -> None:
    """Each has something beside it that is read, too: nothing is lost because it lies deeper."""
    export = {"annotations.xml": images("a.png", shapes("Deep", BOX)), "images/a.png": picture}
    beside = {"annotations.xml": images("b.png", shapes("Beside", BOX)), "images/b.png": picture}
    path = make_zip(tmp_path / "a.zip", {"in/deep.zip": in_zips(export, depth), "in/b.zip": zipped(beside)})
    if depth < 4:
        assert sorted(taken(path)[1]) == ["Beside", "Deep"]
        return
    _, masks, manifest = taken(path)
    assert sorted(masks) == ["Beside"]
    (broken,) = manifest["left_out"]["broken"]
    assert broken["reason"].endswith("1/in.zip lies in 4 zips: unpack the outer ones first.")


@pytest.mark.parametrize("name", ["all.zip", "project_7_dataset_2026_01_31_12_00_00_x.zip"])
def test_a_broken_file_of_a_zip(tmp_path: Path, taken: Taken, picture: bytes, name: str) -> None:
    """It is left out alone, but an export of a task or project is taken whole or not at all."""
    files = {
        "one/annotations.xml": images("a.png", shapes("Cat", BOX)),
        "one/images/a.png": picture,
        "two/annotations.xml": "<annotations><image name='a'>",
    }
    path = make_zip(tmp_path / name, files)
    if name != "all.zip":
        with pytest.raises(RitmError, match="is not XML, or was cut off"):
            taken(path)
        return
    _, masks, manifest = taken(path)
    assert sorted(masks) == ["Cat"]
    (broken,) = manifest["left_out"]["broken"]
    assert broken["file"] == "all.zip/two"
    assert "is not XML, or was cut off" in broken["reason"]


def test_files_of_a_zip_that_are_no_exports(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    files = {"good.json": coco(("Cat", BOX)), "a.png": picture}
    others = {"package.json": '{"name": "viewer"}', "cut.json": '{"images": ['}
    _, masks, manifest = taken(make_zip(tmp_path / "a.zip", {**files, **others}))
    assert sorted(masks) == ["Cat"]
    assert {item["file"] for item in manifest["left_out"]["broken"]} == {f"a.zip/{name}" for name in others}


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.zip", b"<!doctype html><title>Sign in", "is a web page"),
        ("a.zip", b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer.*git lfs pull"),
        ("a.zip", b"Rar!\x1a\7", "is a packed archive: unpack it first"),
        ("a.zip", b"PK", "is damaged, encrypted or no zip"),
        ("a.json", b"<html>Sign in", "is a web page"),
        ("a.json", b"\x1f\x8b\x08\0", "is a packed archive: unpack it first"),
        ("a.json", b"[5]", "no export of a kind that is known: JSON, JSON_MIN or target storage"),
        ("a.json", b'[{"image": "a.png"}]', "no export of a kind that is known: JSON, JSON_MIN or target"),
        ("a.csv", b"image,id,brush\n", "is a table, which has no masks: export JSON"),
        ("annotations.xml", b"<annotations><track/></annotations>", "1; export the task as CVAT for images"),
        ("annotations.xml", b"<annotations></annotations>", "It has no images"),
        ("annotations.xml", b"<annotations><image name='a'>", "is not XML, or was cut off; export it again"),
    ],
)
def test_what_is_no_export_is_named(
    tmp_path: Path, taken: Taken, name: str, data: bytes, sentence: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(RitmError, match=sentence):
        taken(path)


@pytest.mark.parametrize("file", ["Annotations/a.xml", "task-1-annotation-1-tag-Cat-0.png"])
def test_zips_of_other_formats_are_named(tmp_path: Path, taken: Taken, file: str) -> None:
    path = make_zip(tmp_path / "a.zip", {file: "0 0.1 0.1 0.2 0.2"})
    with pytest.raises(
        RitmError, match=r"a\.zip is no export of a kind that is known: .*; export it as one of"
    ):
        taken(path)


LINE = "1 0.25 0.2 0.75 0.2 0.75 0.6 0.25 0.6"
LABELME = {
    "shapes": [{"label": "cat", "points": [[10, 6], [30, 6], [30, 18], [10, 18]]}],
    "imagePath": "a.png",
}
VIA = {
    "a": {
        "filename": "a.png",
        "regions": [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": [10, 30, 30, 10],
                    "all_points_y": [6, 6, 18, 18],
                },
                "region_attributes": {"class": "cat"},
            }
        ],
    }
}
OUTLINES: dict[str, dict[str, bytes | str]] = {
    "YOLO of CVAT": {
        "data.yaml": "names: {0: dog, 1: cat}",
        "labels/train/a.txt": LINE,
        "train.txt": "a.png",
    },
    "YOLO of Label Studio": {"classes.txt": "dog\ncat\n", "labels/a.txt": LINE, "notes.json": "{}"},
    "LabelMe": {"sub/a.json": json.dumps(LABELME)},
    "VIA": {"via_project.json": json.dumps({"_via_settings": {}, "_via_img_metadata": VIA})},
}


@pytest.mark.parametrize("is_inside", [True, False])
@pytest.mark.parametrize("kind", OUTLINES)
def test_zips_with_outlines(tmp_path: Path, taken: Taken, picture: bytes, kind: str, is_inside: bool) -> None:
    folder = {"YOLO of CVAT": "images/train", "YOLO of Label Studio": "images", "LabelMe": "sub"}.get(
        kind, "x"
    )
    inside = {f"{folder}/a.png": picture} if is_inside else {}
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(picture)
    path = make_zip(tmp_path / "a.zip", {**OUTLINES[kind], **inside})
    _, masks, _ = taken(path, local_roots=() if is_inside else (tmp_path / "photos",))
    assert {name: [int(mask.sum()) for mask in found] for name, found in masks.items()} == {"cat": [240]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (LABELME, r"is of LabelMe: `ritm dataset from-masks FOLDER OUT --layout labelme`"),
        (VIA, r"is of VGG Image Annotator: `ritm dataset from-masks FILE OUT --layout via`"),
        (
            {"project": {}, "config": {}, "attribute": {}, "view": {}, "metadata": {}},
            "Annotator 3: export it",
        ),
        (
            {"size": {"height": 1, "width": 1}, "objects": [], "tags": []},
            "is of Supervisely: export it there",
        ),
        ({"data_row": {}, "projects": {}}, "is of Labelbox: export it there in COCO's format"),
    ],
)
def test_files_of_other_tools_are_named(tmp_path: Path, taken: Taken, content: Any, sentence: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content))
    with pytest.raises(RitmError, match=sentence):
        taken(path)
    with pytest.raises(RitmError, match=sentence):
        from_coco(path, NOTHING_KNOWN)


def test_a_folder_of_yolo_is_named(tmp_path: Path, taken: Taken) -> None:
    (tmp_path / "in" / "labels").mkdir(parents=True)
    (tmp_path / "in" / "labels" / "a.txt").write_text(LINE)
    with pytest.raises(RitmError, match=r"from-masks .*in OUT --layout yolo` reads it"):
        taken(tmp_path / "in")


def test_zips_given_as_something_else_are_named(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "a.zip", {"a.png": b""})
    with pytest.raises(RitmError, match="is a zip: unpack it first, or give it to `ritm dataset from-cvat`"):
        from_coco(path, NOTHING_KNOWN)
    with pytest.raises(RitmError, match=r"cannot be read: Not a directory\. Unpack it first\."):
        from_masks(path, "labels", (), NOTHING_KNOWN)


def test_a_tar_is_named(tmp_path: Path, taken: Taken) -> None:
    (tmp_path / "annotations.xml").write_text(images("a.png", shapes("Cat", BOX)))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "annotations.xml", "annotations.xml")
    with pytest.raises(RitmError, match="is a packed archive: unpack it first"):
        taken(tmp_path / "a.tar")


def test_no_option_is_named_that_would_not_help(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    """The newer export of a task has nothing: then there is nothing."""
    folder = tmp_path / "exports"
    folder.mkdir()
    for month, drawn in ((1, shapes("Cat", BOX)), (2, "")):
        files = {"annotations.xml": images("a.png", drawn), "images/a.png": picture}
        make_zip(folder / f"task_1_2026_0{month}_01_00_00_00_x.zip", files)
    with pytest.raises(RitmError, match=r"1 of an older export of the same task\.$"):
        taken(folder)
