"""What the fuzzer starts from: one small whole example of everything that is read."""

from __future__ import annotations

import base64
import json
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from export_files import HEIGHT, WIDTH, make_zip, png
from pycocotools import mask as coco

from ritm_model.masks import brush_rle, cvat_rle

HEAD = b"POST /predict HTTP/1.1\r\nHost: here\r\n"
PICTURE = png(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))


def _disc() -> np.ndarray:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (y - 14) ** 2 + (x - 18) ** 2 < 70


def _label_studio() -> list[dict[str, Any]]:
    about = {"to_name": "image", "original_width": WIDTH, "original_height": HEIGHT}
    brush = {"format": "rle", "rle": brush_rle.encode(_disc()), "brushlabels": ["Cell"]}
    corners = {"points": [[10, 10], [60, 10], [60, 70]], "polygonlabels": ["Cell"]}
    result = [
        {"id": "a", "type": "brushlabels", "value": brush, **about},
        {"id": "b", "type": "polygonlabels", "value": corners, **about},
    ]
    done = {"id": 3, "result": result, "updated_at": "2026-11-22T23:56:30Z"}
    return [{"id": 1, "data": {"image": "a.png"}, "annotations": [done]}]


def _flat() -> list[dict[str, Any]]:
    (task,) = _label_studio()
    result = task["annotations"][0]["result"][0]
    value = {**result["value"], "original_width": WIDTH, "original_height": HEIGHT}
    return [{"id": 1, "annotation_id": 3, "image": "a.png", "brush": [value]}]


def _coco() -> dict[str, Any]:
    runs = {"counts": [100, 50, HEIGHT * WIDTH - 150], "size": [HEIGHT, WIDTH]}
    packed = coco.encode(np.asfortranarray(_disc(), np.uint8))
    shapes = [
        runs,
        {"counts": packed["counts"].decode(), "size": [HEIGHT, WIDTH]},
        [[10, 6, 30, 6, 30, 18]],
    ]
    return {
        "images": [{"id": 1, "file_name": "a.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [
            {"id": number, "image_id": 1, "category_id": 1, "iscrowd": number % 2, "segmentation": shape}
            for number, shape in enumerate(shapes, 1)
        ],
        "categories": [{"id": 1, "name": "Cell"}],
    }


def _datumaro() -> dict[str, Any]:
    packed = coco.encode(np.asfortranarray(_disc(), np.uint8))
    rle = {"counts": packed["counts"].decode(), "size": [HEIGHT, WIDTH]}
    shapes = [
        {"id": 0, "type": "mask", "label_id": 0, "group": 0, "rle": rle},
        {"id": 1, "type": "polygon", "label_id": 0, "group": 2, "points": [10, 6, 30, 6, 30, 12]},
    ]
    item = {"id": "a", "image": {"path": "a.png"}, "annotations": shapes}
    return {"categories": {"label": {"labels": [{"name": "Cell"}]}}, "items": [item]}


def _xml() -> str:
    *runs, left, top, right, bottom = cvat_rle.encode(_disc())
    place = f'left="{left}" top="{top}" width="{right - left + 1}" height="{bottom - top + 1}"'
    mask = f'<mask label="Cell" rle="{", ".join(map(str, runs))}" {place} z_order="0" group_id="4"/>'
    polygon = '<polygon label="Cell" points="10.00,6.00;30.00,6.00;30.00,18.00" z_order="1"/>'
    about = f'id="0" name="a.png" width="{WIDTH}" height="{HEIGHT}"'
    return f"<annotations><image {about}>{mask}{polygon}</image></annotations>"


def _colours() -> bytes:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[_disc()] = (250, 50, 83)
    return png(picture)


FILES: Mapping[str, bytes] = {
    "annotations.xml": _xml().encode(),
    "annotations/instances_default.json": json.dumps(_coco()).encode(),
    "annotations/default.json": json.dumps(_datumaro()).encode(),
    "tasks.json": json.dumps(_label_studio()).encode(),
    "flat.json": json.dumps(_flat()).encode(),
    "labelmap.txt": b"# label:color_rgb:parts:actions\nCell:250,50,83::\n",
    "ImageSets/Segmentation/default.txt": b"a\n",
    "SegmentationObject/a.png": _colours(),
    "SegmentationClass/a.png": _colours(),
    "JPEGImages/a.png": PICTURE,
    "images/a.png": PICTURE,
}
"""By the place in an export at which each stands."""

_EXPORTS = (
    ("annotations.xml", "images/a.png"),
    ("annotations/instances_default.json", "images/a.png"),
    ("annotations/default.json", "images/a.png"),
    ("tasks.json", "images/a.png"),
    tuple(name for name in FILES if name.startswith(("label", "ImageSets", "Seg", "JPEG"))),
)


def brush() -> list[bytes]:
    """Width and height less one, then a brush mask of that size."""
    return [bytes([WIDTH - 1, HEIGHT - 1, *brush_rle.encode(mask)]) for mask in (_disc(), ~_disc())]


def results() -> list[bytes]:
    """Results of every kind that encloses pixels."""
    bitmask = {"imageDataURL": "data:image/png;base64," + base64.b64encode(_colours()).decode()}
    box = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 30, "rectanglelabels": ["Cell"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 30}
    others = [
        {"id": kind, "type": kind, "value": value}
        for kind, value in (("bitmask", bitmask), ("rectanglelabels", box), ("ellipse", ellipse))
    ]
    (task,) = _label_studio()
    return [json.dumps([result]).encode() for result in [*task["annotations"][0]["result"], *others]]


def documents() -> list[bytes]:
    """JSON of every kind, after a byte that says where it stands."""
    return [place + data for place in (b"0", b"1") for name, data in FILES.items() if name.endswith(".json")]


def xml() -> list[bytes]:
    """CVAT for images."""
    return [FILES["annotations.xml"]]


def zips() -> list[bytes]:
    """An export of each layout."""
    with tempfile.TemporaryDirectory() as folder:
        return [
            make_zip(Path(folder, f"{number}.zip"), {name: FILES[name] for name in names}).read_bytes()
            for number, names in enumerate(_EXPORTS)
        ]


def choices() -> list[bytes]:
    """Nothing in particular, from which a target makes its input."""
    source = random.Random(1)
    return [source.randbytes(80) for _ in range(20)]


def bodies() -> list[bytes]:
    """Requests as Label Studio sends them, with short masks, and what once was read wrongly."""
    recorded = Path(__file__).parents[1] / "payloads" / "label_studio"
    (predict,) = recorded.glob("16_*.json")
    request = json.loads(predict.read_text())["json"]
    masks = [{"rle": [0, 0, 1, 255], "format": "rle"}, {"rle": []}]
    small = {"tasks": [{"id": 1, "annotations": [{"result": [{"value": mask} for mask in masks]}]}]}
    odd = [
        b'{"\\u0072le": [7], "rle": [1]}',
        b'{"rle": [1], "rle": ["2"]}',
        b'[{"rle": [-0]}, {"rle": [01]}]',
    ]
    return [json.dumps(request).encode(), json.dumps(small).encode(), *odd]


def requests() -> list[bytes]:
    """Requests over HTTP; where they are cut stands at the end."""
    wholes = [
        HEAD + b"Content-Length: 10\r\n\r\n0123456789",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;a=b\r\ndefg\r\n0\r\nX: y\r\n\r\n",
        HEAD + b"Expect: 100-continue\r\nContent-Length: 500\r\n\r\n" + b"x" * 500,
        b"GET /health HTTP/1.0\r\n\r\n",
    ]
    return [whole + bytes(range(24)) for whole in wholes]
