"""What people have, in every format that is read: odd photographs, odd names, odd numbers."""

from __future__ import annotations

import io
import json
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from ritm_model.datasets import open_dataset
from ritm_model.datasets.problems import ConversionError, DatasetError
from ritm_model.masks import brush_rle

HEIGHT, WIDTH = 30, 40
TRUTH = np.zeros((HEIGHT, WIDTH), bool)
TRUTH[4:12, 6:30] = True
"""The object on the upright photograph; no turn brings it onto itself."""
BOX = [6, 4, 30, 4, 30, 12, 6, 12]


@dataclass(frozen=True)
class Shot:
    """A photograph, and the mask as a tool has it that ignores the orientation tag."""

    data: bytes
    mask_HW: np.ndarray


def shot(form: str = "JPEG", mode: str = "RGB", *, exif: int = 1, **save: Any) -> Shot:
    grey_HW = np.full((HEIGHT, WIDTH), 60, np.uint8)
    grey_HW[TRUTH] = 200
    picture = Image.fromarray(grey_HW).convert("RGB")
    mask = Image.fromarray(TRUTH)
    if mode == "I;16":
        picture = Image.fromarray(grey_HW.astype(np.uint16) * 257)
    elif mode != "RGB":
        picture = picture.convert(mode)
    if exif != 1:  # what a camera holds is what its tag turns upright
        turn = {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270, 5: Image.Transpose.TRANSPOSE}[
            exif
        ]
        picture, mask = picture.transpose(turn), mask.transpose(turn)
        tags = Image.Exif()
        tags[0x0112] = exif
        save["exif"] = tags
    file = io.BytesIO()
    picture.save(file, form, **save)
    return Shot(file.getvalue(), np.array(mask))


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def mask_png(mask_HW: np.ndarray, value: int | tuple[int, int, int] = 255) -> bytes:
    file = io.BytesIO()
    colour = np.array(value, np.uint8)
    mask = mask_HW[..., None] if colour.ndim else mask_HW
    Image.fromarray(np.where(mask, colour, np.uint8(0))).save(file, "PNG")
    return file.getvalue()


def packed(mask_HW: np.ndarray) -> dict[str, Any]:
    runs = coco.encode(np.asfortranarray(mask_HW, np.uint8))
    return {"size": list(mask_HW.shape), "counts": runs["counts"].decode()}


def coco_content(name: str, mask_HW: np.ndarray, **annotation: Any) -> dict[str, Any]:
    height, width = mask_HW.shape
    return {
        "images": [{"id": 1, "file_name": name, "height": height, "width": width}],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": packed(mask_HW), **annotation}
        ],
    }


Made = tuple[str, Path]
"""The layout, and where it lies."""


def as_coco(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    return "COCO", put(folder / "some labels.json", json.dumps(coco_content(name, photo.mask_HW)))


def as_lvis(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    return "LVIS", put(folder / "labels" / "mine.json", json.dumps(coco_content(name, photo.mask_HW)))


def as_panoptic(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    stem = name.rpartition(".")[0]
    put(folder / "mine" / f"{stem}.png", mask_png(photo.mask_HW, (7, 0, 0)))
    content = coco_content(name, photo.mask_HW)
    segment = {"id": 7, "category_id": 1, "iscrowd": 0}
    content["annotations"] = [{"image_id": 1, "file_name": f"{stem}.png", "segments_info": [segment]}]
    return "COCO_Panoptic", put(folder / "mine.json", json.dumps(content))


def as_voc(folder: Path, name: str, photo: Shot) -> Made:
    stem = name.rpartition(".")[0]
    put(folder / "JPEGImages" / name, photo.data)
    put(folder / "SegmentationObject" / f"{stem}.png", mask_png(photo.mask_HW, (128, 0, 0)))
    return "PascalVOC", put(folder / "ImageSets/Segmentation/mine.txt", f"{stem}\r\n")


def as_masks(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    put(folder / "masks" / f"{name.rpartition('.')[0]}.png", mask_png(photo.mask_HW))
    return "images_dir", folder


def as_labels(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    put(folder / "masks" / f"{name.rpartition('.')[0]}.png", mask_png(photo.mask_HW, 1))
    return "labels", folder


def as_cvat(folder: Path, name: str, photo: Shot) -> Made:
    height, width = photo.mask_HW.shape
    ends = np.flatnonzero(np.diff(photo.mask_HW.ravel().astype(np.int8))) + 1
    runs = np.diff([0, *ends.tolist(), photo.mask_HW.size]).tolist()
    put(folder / "images" / name, photo.data)
    escaped = name.replace("&", "&amp;")
    text = (
        f'<annotations><image name="{escaped}" width="{width}" height="{height}"><mask label="cat" '
        f'rle="{", ".join(map(str, runs))}" left="0" top="0" width="{width}" height="{height}"/>'
        "</image></annotations>"
    )
    put(folder / "annotations.xml", text)
    return "", folder


def as_datumaro(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / "default" / name, photo.data)
    drawn = [{"type": "mask", "label_id": 0, "rle": packed(photo.mask_HW)}]
    image = {"path": name, "size": list(photo.mask_HW.shape)}
    labels = {"label": {"labels": [{"name": "cat"}]}}
    content = {"categories": labels, "items": [{"id": "1", "annotations": drawn, "image": image}]}
    put(folder / "annotations" / "default.json", json.dumps(content))
    return "", folder


def as_colours(folder: Path, name: str, photo: Shot) -> Made:
    stem = name.rpartition(".")[0]
    put(folder / "JPEGImages" / name, photo.data)
    for kind in ("SegmentationObject", "SegmentationClass"):
        put(folder / kind / f"{stem}.png", mask_png(photo.mask_HW, (255, 0, 0)))
    put(folder / "labelmap.txt", "background:0,0,0::\ncat:255,0,0::\n")
    put(folder / "ImageSets/Segmentation/default.txt", f"\ufeff{stem}\r\n")
    return "", folder


def as_tasks(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "media" / name, photo.data)
    height, width = photo.mask_HW.shape
    value = {"format": "rle", "rle": brush_rle.encode(photo.mask_HW), "brushlabels": ["cat"]}
    size = {"original_width": width, "original_height": height}
    result = {"id": "r", "type": "brushlabels", "from_name": "b", "to_name": "image", "value": value, **size}
    task = {"id": 1, "data": {"image": f"C:\\photos\\{name}"}, "annotations": [{"id": 1, "result": [result]}]}
    return "", put(folder / "tasks.json", json.dumps([task], indent=1).replace("\n", "\r\n"))


READERS = [
    as_coco, as_lvis, as_panoptic, as_voc, as_masks, as_labels, as_cvat, as_datumaro, as_colours, as_tasks,
]  # fmt: skip
SHOTS = {
    "plain": ("a.jpg", shot()),
    "upper case": ("A.JPG", shot()),
    "16 bit": ("a.png", shot("PNG", "I;16")),
    "palette": ("a.PNG", shot("PNG", "P")),
    "transparent": ("a.webp", shot("WEBP", "RGBA")),
    "CMYK": ("a.jpeg", shot(mode="CMYK")),
    "LZW": ("a.tiff", shot("TIFF", compression="tiff_lzw")),
    "upright tag": ("a.jpg", shot(exif=6)),
    "tag 8": ("a.jpg", shot(exif=8)),
    "tag 5": ("a.png", shot("PNG", exif=5)),
    "space and percent": ("my photo 100%20 & 1.jpg", shot()),
    "Unicode": ("größe 猫.png", shot("PNG")),
}


@pytest.fixture
def found(tmp_path: Path, taken: Any) -> Callable[[Made], list[np.ndarray]]:
    """The masks that a reader finds."""

    def find(made: Made) -> list[np.ndarray]:
        layout, place = made
        if layout:
            return [sample.mask == 1 for sample in open_dataset("own", {"own": f"{layout}:{place}"})]
        return taken(place, local_roots=(place.parent,))[1]["cat"]

    return find


@pytest.mark.parametrize("kind", SHOTS)
@pytest.mark.parametrize("reader", READERS)
def test_every_photograph(
    reader: Callable[[Path, str, Shot], Made], kind: str, found: Any, tmp_path: Path
) -> None:
    """Masks of tools that ignore the orientation are turned; Label Studio's are refused with the reason."""
    name, photo = SHOTS[kind]
    made = reader(tmp_path / "data", name, photo)
    if reader is as_tasks and photo.mask_HW.shape != TRUTH.shape:
        with pytest.raises(ConversionError, match="turned by its orientation tag"):
            found(made)
        return
    (mask_HW,) = found(made)
    assert np.array_equal(mask_HW, TRUTH) or reader is as_lvis
    assert (mask_HW != TRUTH).sum() < 80  # LVIS draws outlines, too


@pytest.mark.parametrize("reader", READERS)
def test_accents_may_be_written_either_way(
    reader: Callable[[Path, str, Shot], Made], found: Any, tmp_path: Path
) -> None:
    """macOS writes them apart."""
    made = reader(tmp_path / "data", "größe.jpg", shot())
    for path in sorted((tmp_path / "data").rglob("*.jpg")):
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    assert len(found(made)) == 1


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
