"""One photograph with one object, laid out as every reader of annotations expects it.

Each function takes the photograph's name on disk and what the annotation calls it, which is the same unless
it is given.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as coco
from scipy.io import savemat

from ritm_model.masks import brush_rle

HEIGHT, WIDTH = 30, 40
TRUTH = np.zeros((HEIGHT, WIDTH), bool)
TRUTH[4:12, 6:30] = True
"""The object on the upright photograph; no turn brings it onto itself."""


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


def coco_content(name: str, mask_HW: np.ndarray) -> dict[str, Any]:
    height, width = mask_HW.shape
    return {
        "images": [{"id": 1, "file_name": name, "height": height, "width": width}],
        "categories": [{"id": 1, "name": "cat", "isthing": 1}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": packed(mask_HW)}],
    }


def stem(name: str) -> str:
    """A name without extension, if it is one of an image."""
    end = name.rpartition(".")[2].lower()
    return name.rpartition(".")[0] if end in ("jpg", "jpeg", "png", "webp", "tiff") else name


def _is_foreign(said: str) -> bool:
    return said.startswith(("C:", "/", "file:"))


Made = tuple[str, Path]
"""The layout, and where it lies."""
Lay = Callable[..., Made]
"""From a folder, the name on disk, the photograph and the name in the annotation, to a data set."""


def as_coco(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "images" / name, photo.data)
    content = coco_content(said or name, photo.mask_HW)
    return "COCO", put(folder / "some labels.json", json.dumps(content))


def as_lvis(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "images" / name, photo.data)
    content = coco_content(said or name, photo.mask_HW)
    return "LVIS", put(folder / "labels" / "mine.json", json.dumps(content))


def as_panoptic(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "images" / name, photo.data)
    mask = f"{stem(Path(name).name)}.png"
    put(folder / "mine" / mask, mask_png(photo.mask_HW, (7, 0, 0)))
    content = coco_content(said or name, photo.mask_HW)
    segment = {"id": 7, "category_id": 1, "iscrowd": 0}
    content["annotations"] = [{"image_id": 1, "file_name": mask, "segments_info": [segment]}]
    return "COCO_Panoptic", put(folder / "mine.json", json.dumps(content))


def as_voc(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "JPEGImages" / name, photo.data)
    put(folder / "SegmentationObject" / f"{stem(name)}.png", mask_png(photo.mask_HW, (128, 0, 0)))
    return "PascalVOC", put(folder / "ImageSets/Segmentation/mine.txt", f"{said or stem(name)}\r\n")


def as_sbd(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "img" / name, photo.data)
    annotation = np.empty((1, 1), [("Segmentation", object), ("Categories", object)])
    annotation[0, 0] = (photo.mask_HW.astype(np.uint8), np.array([[8]], np.uint8))
    mat = put(folder / "inst" / f"{stem(name)}.mat", b"")
    savemat(mat, {"GTinst": annotation})
    put(folder / "val.txt", f"\ufeff{said or stem(name)}\r\n")
    return "SBD", folder


def as_ade20k(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    place = Path("images", "training", name)
    put(folder / place, photo.data)
    mask = place.with_name(f"{stem(place.name)}_seg.png")
    put(folder / mask, mask_png(photo.mask_HW, (0, 0, 9)))
    above, _, told = (said or stem(name)).replace("\\", "/").rpartition("/")
    layer = {"mask_name": mask.name, "stuff_instances": [], "instance_to_class": {1: "cat"}}
    training = f"{above}/images/training" if _is_foreign(said) else f"images\\training\\{above}"
    content = pickle.dumps({told: {"folder": training, "layers": [layer]}})
    put(folder / "val-annotations-object-segmentation.pkl", content)
    return "ADE20k", folder


def as_open_images(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "val" / "images" / name, photo.data)
    mask = f"{stem(Path(name).name)}_m01.png"
    put(folder / "val" / "masks" / mask, mask_png(photo.mask_HW))
    told = said or stem(name)
    content = pickle.dumps({"dataset_samples": [told], "image_id_to_masks": {told: [mask]}})
    put(folder / "val" / "val-annotations-object-segmentation_clean.pkl", content)
    return "OpenImages", folder


def as_coco_lvis(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "val" / "images" / name, photo.data)
    layers = [np.frombuffer(mask_png(photo.mask_HW, 1), np.uint8)]
    put(folder / "val" / "masks" / f"{stem(name)}.pickle", pickle.dumps((layers, [(0, 1)])))
    content = pickle.dumps({said or stem(name): {"num_instance_masks": 1, "hierarchy": {}}})
    put(folder / "val" / "hannotation.pickle", content)
    return "COCO_LVIS", folder


def as_pack(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "photos" / name, photo.data)
    mask = f"masks/{stem(Path(name).name)}.png"
    put(folder / mask, mask_png(photo.mask_HW, 1))
    above = "" if _is_foreign(said) else "photos/"
    about = {"image": f"{above}{said or name}", "mask": mask, "objects": [{"id": 1, "area": 0.1}]}
    put(folder / "manifest.json", json.dumps({"samples": [about]}))
    return "pack", folder


def as_davis(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "img" / name, photo.data)
    put(folder / "gt" / f"{stem(name)}.png", mask_png(photo.mask_HW))
    return "DAVIS", folder


def as_masks(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    put(folder / "masks" / f"{stem(name)}.png", mask_png(photo.mask_HW))
    return "images_dir", folder


def as_labels(folder: Path, name: str, photo: Shot) -> Made:
    put(folder / "images" / name, photo.data)
    put(folder / "masks" / f"{stem(name)}.png", mask_png(photo.mask_HW, 1))
    return "labels", folder


def as_cvat(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    height, width = photo.mask_HW.shape
    ends = np.flatnonzero(np.diff(photo.mask_HW.ravel().astype(np.int8))) + 1
    runs = np.diff([0, *ends.tolist(), photo.mask_HW.size]).tolist()
    put(folder / "images" / name, photo.data)
    escaped = (said or name).replace("&", "&amp;")
    text = (
        f'<annotations><image name="{escaped}" width="{width}" height="{height}"><mask label="cat" '
        f'rle="{", ".join(map(str, runs))}" left="0" top="0" width="{width}" height="{height}"/>'
        "</image></annotations>"
    )
    put(folder / "annotations.xml", text)
    return "", folder


def as_datumaro(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "images" / "default" / name, photo.data)
    drawn = [{"type": "mask", "label_id": 0, "rle": packed(photo.mask_HW)}]
    image = {"path": said or name, "size": list(photo.mask_HW.shape)}
    labels = {"label": {"labels": [{"name": "cat"}]}}
    content = {"categories": labels, "items": [{"id": "1", "annotations": drawn, "image": image}]}
    put(folder / "annotations" / "default.json", json.dumps(content))
    return "", folder


def as_colours(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "JPEGImages" / name, photo.data)
    for kind in ("SegmentationObject", "SegmentationClass"):
        put(folder / kind / f"{stem(name)}.png", mask_png(photo.mask_HW, (255, 0, 0)))
    put(folder / "labelmap.txt", "background:0,0,0::\ncat:255,0,0::\n")
    put(folder / "ImageSets/Segmentation/default.txt", f"\ufeff{said or stem(name)}\r\n")
    return "", folder


def corners(mask_HW: np.ndarray) -> list[list[int]]:
    """Of the box that a mask fills."""
    rows, columns = np.flatnonzero(mask_HW.any(1)), np.flatnonzero(mask_HW.any(0))
    left, top, right, bottom = (int(side) for side in (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def as_labelme(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "photos" / name, photo.data)
    height, width = photo.mask_HW.shape
    shape = {"label": "cat", "points": corners(photo.mask_HW), "shape_type": "polygon", "group_id": None}
    path = said or f"..\\photos\\{name}"
    about = {"imagePath": path, "imageData": None, "imageHeight": height, "imageWidth": width}
    put(folder / "json" / f"{stem(Path(name).name)}.json", json.dumps({"shapes": [shape], **about}))
    return "labelme", folder


def as_via(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    """Of what the browser shows, which is upright."""
    put(folder / "images" / name, photo.data)
    across, down = (list(sides) for sides in zip(*corners(TRUTH), strict=True))
    shape = {"name": "polygon", "all_points_x": across, "all_points_y": down}
    region = {"shape_attributes": shape, "region_attributes": {"note": "seen", "class": "cat"}}
    record = {"filename": said or name, "size": 7, "regions": [region]}
    content = {"_via_settings": {}, "_via_img_metadata": {"a7": record}}
    return "via", put(folder / "project.json", json.dumps(content))


def as_yolo(folder: Path, name: str, photo: Shot) -> Made:
    """Of what is shown, which is upright."""
    put(folder / "images" / "val" / name, photo.data)
    sides = [f"{x / WIDTH} {y / HEIGHT}" for x, y in corners(TRUTH)]
    put(folder / "labels" / "val" / f"{stem(name)}.txt", f"1 {' '.join(sides)}\n")
    put(folder / "data.yaml", "names: [dog, cat]\n")
    return "yolo", folder


def as_tasks(folder: Path, name: str, photo: Shot, said: str = "") -> Made:
    put(folder / "media" / name, photo.data)
    height, width = photo.mask_HW.shape
    value = {"format": "rle", "rle": brush_rle.encode(photo.mask_HW), "brushlabels": ["cat"]}
    size = {"original_width": width, "original_height": height}
    result = {"id": "r", "type": "brushlabels", "from_name": "b", "to_name": "image", "value": value, **size}
    data = {"image": said or f"C:\\photos\\{name}"}
    task = {"id": 1, "data": data, "annotations": [{"id": 1, "result": [result]}]}
    return "", put(folder / "tasks.json", json.dumps([task], indent=1).replace("\n", "\r\n"))


NAMED: tuple[Lay, ...] = (
    *(as_coco, as_lvis, as_panoptic, as_open_images, as_ade20k, as_pack, as_cvat, as_datumaro, as_tasks),
    *(as_voc, as_sbd, as_coco_lvis, as_colours, as_labelme, as_via),
)
"""Layouts whose annotations name photographs."""
EVERY: tuple[Lay, ...] = (*NAMED, as_davis, as_masks, as_labels, as_yolo)
