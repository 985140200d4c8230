"""What CVAT exports, in its four layouts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH, make_zip, png
from PIL import Image
from pycocotools import mask as coco

from ritm_model.errors import RitmError
from ritm_model.masks.cvat_rle import encode
from ritm_ops.pictures import PictureAccess
from training.exports import Options, collect

Taken = Callable[..., Any]
BOX = "10.00,6.00;30.00,6.00;30.00,18.00;10.00,18.00"


def box() -> np.ndarray:
    mask_HW = np.zeros((HEIGHT, WIDTH), bool)
    mask_HW[6:18, 10:30] = True
    return mask_HW


def xml_mask(mask: np.ndarray, label: str, extra: str = "") -> str:
    *runs, left, top, right, bottom = encode(mask)
    place = f'left="{left}" top="{top}" width="{right - left + 1}" height="{bottom - top + 1}"'
    rle = ", ".join(map(str, runs))
    return f'<mask label="{label}" rle="{rle}" {place} z_order="0" {extra}></mask>'


def xml(*shapes: str, name: str = "a b.png") -> str:
    about = f'id="0" name="{name}" width="{WIDTH}" height="{HEIGHT}"'
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>'
        f"<image {about}>{''.join(shapes)}</image></annotations>"
    )


def test_images_with_masks_polygons_and_groups(
    tmp_path: Path, taken: Taken, picture: bytes, ring: np.ndarray, disc: np.ndarray
) -> None:
    shapes = [
        xml_mask(ring, "Ring"),
        f'<polygon label="Box" points="{BOX}" z_order="1"></polygon>',
        xml_mask(disc, "Pair", 'group_id="4"'),
        f'<polygon label="Pair" points="{BOX}" z_order="0" group_id="4"></polygon>',
        '<box label="Ring" xtl="1" ytl="1" xbr="5" ybr="5" z_order="0"></box>',
    ]
    path = make_zip(tmp_path / "a.zip", {"annotations.xml": xml(*shapes), "images/a b.png": picture})
    collected, masks, manifest = taken(path)
    assert collected.objects == 3
    np.testing.assert_array_equal(masks["Ring"], [ring])
    np.testing.assert_array_equal(masks["Box"], [box()])
    np.testing.assert_array_equal(masks["Pair"], [disc | box()])
    assert manifest["left_out"]["by_rule"][0]["reason"] == "Shapes that are no masks: 1 of box."


def test_a_broken_part_of_a_group_costs_itself_only(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    shapes = [
        f'<polygon label="Pair" points="{BOX}" z_order="0" group_id="4"></polygon>',
        '<polygon label="Pair" points="1.00,1.00;2.00,2.00" z_order="0" group_id="4"></polygon>',
    ]
    path = make_zip(tmp_path / "a.zip", {"annotations.xml": xml(*shapes), "images/a b.png": picture})
    _, masks, manifest = taken(path)
    np.testing.assert_array_equal(masks["Pair"], [box()])
    (broken,) = manifest["left_out"]["broken"]
    assert "at least three points" in broken["reason"]
    assert broken["file"].endswith("a.zip: annotations.xml")


def test_images_saved_elsewhere(tmp_path: Path, taken: Taken, picture: bytes, ring: np.ndarray) -> None:
    path = make_zip(tmp_path / "a.zip", {"annotations.xml": xml(xml_mask(ring, "Ring"))})
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "a b.png").write_bytes(picture)
    np.testing.assert_array_equal(taken(path, local_roots=(tmp_path / "photographs",))[1]["Ring"], [ring])


def test_a_turned_photograph(tmp_path: Path, taken: Taken, ring: np.ndarray) -> None:
    """Masks are of the upright photograph; its file is stored lying, with a note that says so."""
    image = Image.new("RGB", (HEIGHT, WIDTH))
    note = Image.Exif()
    note[0x0112] = 6
    file = io.BytesIO()
    image.save(file, "JPEG", exif=note)
    text = xml(xml_mask(ring, "Ring"), name="a.jpg")
    path = make_zip(tmp_path / "a.zip", {"annotations.xml": text, "images/a.jpg": file.getvalue()})
    np.testing.assert_array_equal(taken(path)[1]["Ring"], [ring])


def test_coco_whose_masks_are_flagged_as_crowds(
    tmp_path: Path, taken: Taken, picture: bytes, ring: np.ndarray
) -> None:
    """CVAT flags each mask as a crowd; a crowd of others stays one."""
    counts = plain_runs(ring)
    rows = [
        {"iscrowd": 1, "segmentation": {"counts": counts, "size": [HEIGHT, WIDTH]}, "category_id": 1}
        | {"attributes": {"occluded": False}},
        {"iscrowd": 0, "segmentation": [[10, 6, 30, 6, 30, 18, 10, 18]], "category_id": 2}
        | {"attributes": {"occluded": False}},
        {"iscrowd": 1, "segmentation": {"counts": counts, "size": [HEIGHT, WIDTH]}, "category_id": 1},
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"id": number, "image_id": 1, **row} for number, row in enumerate(rows, 1)],
        "categories": [{"id": 1, "name": "Ring"}, {"id": 2, "name": "Box"}],
    }
    files = {"annotations/instances_default.json": json.dumps(content), "images/default/a.png": picture}
    _, masks, manifest = taken(make_zip(tmp_path / "a.zip", files))
    np.testing.assert_array_equal(masks["Ring"], [ring])
    np.testing.assert_array_equal(masks["Box"], [box()])
    assert manifest["taken"]["ignored"] == 1


def plain_runs(mask: np.ndarray) -> list[int]:
    """Runs down the columns, background first."""
    pixels = mask.T.ravel()
    edges = [0, *(np.flatnonzero(pixels[1:] != pixels[:-1]) + 1).tolist(), pixels.size]
    runs = np.diff(edges).tolist()
    return [0, *runs] if pixels[0] else runs


def test_segmentation_mask_with_overlaps_flattened_by_z_order(
    tmp_path: Path, taken: Taken, picture: bytes, ring: np.ndarray, disc: np.ndarray
) -> None:
    """The disc lies above the ring; two objects are of one class."""
    objects = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    classes = np.zeros_like(objects)
    for mask, colour, kind in ((ring, (128, 0, 0), (250, 50, 83)), (disc, (0, 128, 0), (250, 50, 83))):
        objects[mask], classes[mask] = colour, kind
    files = {
        "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\nCell: big:250,50,83::\n",
        "ImageSets/Segmentation/default.txt": "sub/a b\nsub/nothing\n",
        "SegmentationObject/sub/a b.png": png(objects),
        "SegmentationClass/sub/a b.png": png(classes),
        "JPEGImages/sub/a b.png": picture,
    }
    _, masks, manifest = taken(make_zip(tmp_path / "a.zip", files))
    found = masks["Cell: big"]
    assert {mask.tobytes() for mask in found} == {(ring & ~disc).tobytes(), disc.tobytes()}
    assert "'sub/nothing' is not there" in manifest["left_out"]["broken"][0]["reason"]


def test_datumaro(tmp_path: Path, taken: Taken, picture: bytes, ring: np.ndarray) -> None:
    packed = coco.encode(np.asfortranarray(ring, np.uint8))
    rle = {"counts": packed["counts"].decode(), "size": [HEIGHT, WIDTH]}
    shapes = [
        {"id": 0, "type": "mask", "label_id": 0, "group": 0, "rle": rle},
        {"id": 1, "type": "polygon", "label_id": 1, "group": 2, "points": [10, 6, 30, 6, 30, 12, 10, 12]},
        {"id": 2, "type": "polygon", "label_id": 1, "group": 2, "points": [10, 12, 30, 12, 30, 18, 10, 18]},
        {"id": 3, "type": "bbox", "label_id": 1, "bbox": [1, 1, 2, 2]},
    ]
    item = {"id": "a", "image": {"path": "a.png", "size": [HEIGHT, WIDTH]}, "annotations": shapes}
    labels = {"labels": [{"name": "Ring"}, {"name": "Box"}]}
    content = {"info": {}, "categories": {"label": labels}, "items": [item]}
    files = {"annotations/default.json": json.dumps(content), "images/default/a.png": picture}
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", files))
    np.testing.assert_array_equal(masks["Ring"], [ring])
    np.testing.assert_array_equal(masks["Box"], [box()])


BOMB = '<!DOCTYPE a [<!ENTITY b "cccccccccc"><!ENTITY d "&b;&b;&b;">]><annotations>&d;</annotations>'


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../a.png": b"x"}, "cannot be in this folder"),
        ({"/etc/a.png": b"x"}, "cannot be in this folder"),
        ({"annotations.xml": BOMB}, "document type is refused"),
        ({"annotations.xml": "<annotations>"}, "not XML"),
        ({"annotations.xml": bytes(80_000_000)}, "swells beyond all measure"),
        ({"readme.txt": "nothing"}, "no export of a kind that is known"),
        ({"annotations.xml": xml('<mask label="a" rle="1,2" left="0"/>', name="../x.png")}, "not there"),
    ],
)
def test_hostile_zips(tmp_path: Path, files: dict[str, bytes | str], reason: str) -> None:
    path = make_zip(tmp_path / "a.zip", files)
    with pytest.raises(RitmError, match=reason):
        collect(str(path), tmp_path / "out", images=PictureAccess())
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a.zip"]


def test_a_zip_whose_file_has_no_name(tmp_path: Path) -> None:
    """Found by fuzzing."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, archive.open(zipfile.ZipInfo(""), "w") as file:
        file.write(b"x")
    with pytest.raises(RitmError, match=r"a\.zip"):
        collect(str(tmp_path / "a.zip"), tmp_path / "out", images=PictureAccess())


@pytest.mark.parametrize("size", ['width="40.0" height="30.0"', ""])
def test_sizes_as_fractions_or_missing(tmp_path: Path, taken: Taken, picture: bytes, size: str) -> None:
    text = xml(f'<polygon label="Box" points="{BOX}"/>').replace(f'width="{WIDTH}" height="{HEIGHT}"', size)
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", {"annotations.xml": text, "images/a b.png": picture}))
    assert np.array_equal(masks["Box"][0], box())


def test_an_order_of_fractions_is_an_order(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    hole = '<polygon label="background" points="12,8;20,8;20,12;12,12" z_order="1.0"/>'
    text = xml(hole, f'<polygon label="Box" points="{BOX}" z_order="0.0"/>')
    _, masks, _ = taken(make_zip(tmp_path / "a.zip", {"annotations.xml": text, "images/a b.png": picture}))
    assert masks["Box"][0].sum() == box().sum() - 32


@pytest.mark.parametrize("name", ["annotations (1).xml", "job_7_Annotations.XML"])
def test_files_that_were_renamed(tmp_path: Path, taken: Taken, picture: bytes, name: str) -> None:
    files = {name: xml(f'<polygon label="Box" points="{BOX}"/>'), "images/a b.png": picture}
    assert taken(make_zip(tmp_path / "a.zip", files))[0].objects == 1
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        archive.extractall(tmp_path / "folder")
    (tmp_path / "folder" / "other.xml").write_text("<annotation/>")
    for source in (tmp_path / "folder", tmp_path / "folder" / name):
        assert taken(source)[0].objects == 1


ELLIPSE = '<ellipse label="Disc" cx="20" cy="15" rx="9" ry="4" rotation="90"/>'
TURNED_BOX = '<box label="Turned" xtl="14" ytl="11" xbr="26" ybr="19" rotation="90"/>'
STRAIGHT_BOX = '<box label="Box" xtl="10" ytl="6" xbr="30" ybr="18"/>'


def ellipse(across: float, down: float) -> np.ndarray:
    row_H1, column_1W = np.ogrid[:HEIGHT, :WIDTH]
    return np.asarray(((column_1W - 19.5) / across) ** 2 + ((row_H1 - 14.5) / down) ** 2 <= 1)


@pytest.mark.parametrize("boxes", [True, False])
def test_ellipses_and_boxes(tmp_path: Path, taken: Taken, picture: bytes, boxes: bool) -> None:
    """A box is a mask only where the user says so."""
    text = xml(ELLIPSE, TURNED_BOX, STRAIGHT_BOX, '<ellipse label="Disc" cx="20" cy="x" rx="9" ry="4"/>')
    path = make_zip(tmp_path / "a.zip", {"annotations.xml": text, "images/a b.png": picture})
    _, masks, manifest = taken(path, Options(boxes=boxes))
    np.testing.assert_array_equal(masks.pop("Disc"), [ellipse(4, 9)])
    turned = np.zeros((HEIGHT, WIDTH), bool)
    turned[9:21, 16:24] = True
    expected = {"Turned": turned, "Box": box()} if boxes else {}
    assert masks.keys() == expected.keys()
    assert all(np.array_equal(masks[name], [mask]) for name, mask in expected.items())
    (broken,) = manifest["left_out"]["broken"]
    assert broken["reason"] == "The numbers of ellipse 4 are damaged."


@pytest.mark.parametrize("boxes", [True, False])
def test_ellipses_and_boxes_of_datumaro(tmp_path: Path, taken: Taken, picture: bytes, boxes: bool) -> None:
    """Labels that the file does not list are called by their numbers."""
    shapes = [
        {"type": "ellipse", "label_id": 0, "points": [11, 11, 29, 19]},
        {"type": "ellipse", "label_id": 0, "points": [11, 11, 29]},
        {"type": "bbox", "label_id": 7, "bbox": [10, 6, 20, 12], "attributes": {"rotation": 0.0}},
        {"type": "bbox", "label_id": 7, "bbox": [14, 11, 12, 8], "attributes": {"rotation": 90.0}},
    ]
    item = {"id": "a", "image": {"path": "a.png", "size": [HEIGHT, WIDTH]}, "annotations": shapes}
    content = {"categories": {"label": {"labels": [{"name": "Disc"}]}}, "items": [item]}
    files = {"annotations/default.json": json.dumps(content), "images/default/a.png": picture}
    _, masks, manifest = taken(make_zip(tmp_path / "a.zip", files), Options(boxes=boxes))
    np.testing.assert_array_equal(masks["Disc"], [ellipse(9, 4)])
    assert [int(mask.sum()) for mask in masks.get("7", [])] == [240, 96] * boxes
    told = [problem["reason"] for problem in manifest["left_out"]["by_rule"]]
    assert ("The file does not list label 7; its number stands for its name." in told) == boxes


def test_colours_without_a_class_stand_for_it(tmp_path: Path, taken: Taken, picture: bytes) -> None:
    colours = np.where(box()[..., None], np.array([250, 50, 83], np.uint8), np.uint8(0))
    files = {
        "labelmap.txt": "background:0,0,0::\nCell:1,2,3::\n",
        "ImageSets/Segmentation/default.txt": "a\n",
        "SegmentationObject/a.png": png(colours),
        "SegmentationClass/a.png": png(colours),
        "JPEGImages/a.png": picture,
    }
    _, masks, manifest = taken(make_zip(tmp_path / "a.zip", files))
    np.testing.assert_array_equal(masks["#fa3253"], [box()])
    (told,) = manifest["left_out"]["by_rule"]
    assert told["reason"] == "labelmap.txt has no class of the colour #fa3253; the colour stands for it."
