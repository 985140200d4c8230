"""Large exports of every format that the project reads, for `exports.py`.

Pictures have 64 x 48 pixels; each task has a mask with a ragged edge and a polygon of 40 points. A few
pictures are made, each with many names, so that writing an export takes seconds.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from PIL import Image
from pycocotools import mask as coco

from ritm_model.masks import brush_rle

HEIGHT, WIDTH = 48, 64
KINDS = 50  # different pictures and drawings


@dataclass(frozen=True)
class Drawing:
    """A picture as PNG, and what is drawn on it in the words of every tool."""

    picture: bytes = field(repr=False)
    packed: str
    brush: list[int] = field(repr=False)
    rows: list[int] = field(repr=False)
    points: list[float] = field(repr=False)
    colours: bytes = field(repr=False)


def drawings() -> list[Drawing]:
    random = np.random.default_rng(0)
    found = []
    for _ in range(KINDS):
        mask_HW = cv2.GaussianBlur(random.normal(size=(HEIGHT, WIDTH)), (0, 0), 4) > 0.01
        colours_HW3 = cv2.GaussianBlur(random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 3)
        counts = coco.encode(np.asfortranarray(mask_HW, np.uint8))["counts"]
        assert isinstance(counts, bytes)
        turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        radii = random.uniform(8, 20, 40)
        points_N2 = np.stack([32 + radii * np.cos(turns), 24 + radii * np.sin(turns)], 1).round(2)
        found.append(
            Drawing(
                _png(colours_HW3),
                counts.decode(),
                brush_rle.encode(mask_HW),
                _row_runs(mask_HW),
                points_N2.ravel().tolist(),
                _png(np.where(mask_HW[..., None], [255, 0, 0], 0).astype(np.uint8)),
            )
        )
    return found


def _png(pixels: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _row_runs(mask_HW: np.ndarray[Any, Any]) -> list[int]:
    """Lengths of runs row by row, background first."""
    ends = np.flatnonzero(np.diff(mask_HW.ravel().astype(np.int8))) + 1
    runs = np.diff([0, *ends.tolist(), mask_HW.size]).tolist()
    return [0, *runs] if mask_HW[0, 0] else [int(run) for run in runs]


def _pairs(item: Drawing) -> Iterator[tuple[float, float]]:
    return zip(item.points[::2], item.points[1::2], strict=True)


def name_of(number: int) -> str:
    return f"{number:07}.png"


def write_links(folder: Path, count: int, files: list[bytes]) -> None:
    """`count` names for a few files; a file has no more names than file systems allow."""
    folder.mkdir(parents=True)
    for place in range(0, count, 20_000):
        for number in range(place, min(place + 20_000, count)):
            path = folder / name_of(number)
            if number < place + len(files):
                path.write_bytes(files[number % len(files)])
            else:
                os.link(folder / name_of(place + (number - place) % len(files)), path)


def write_list(file: TextIO, rows: Iterable[object]) -> None:
    file.write("[")
    for place, row in enumerate(rows):
        file.write((",\n" if place else "\n") + json.dumps(row))
    file.write("]")


def coco_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """COCO 1.0, as CVAT writes it."""
    write_links(folder / "images", count, [item.picture for item in drawn])
    path = folder / "annotations" / "instances_default.json"
    path.parent.mkdir()
    about = {"category_id": 1, "iscrowd": 0, "bbox": [0, 0, WIDTH, HEIGHT], "area": 900.0}

    def annotations() -> Iterator[object]:
        for number in range(count):
            item = drawn[number % KINDS]
            mask = {"size": [HEIGHT, WIDTH], "counts": item.packed}
            for place, segmentation in enumerate((mask, [item.points])):
                yield {
                    "id": 2 * number + place + 1,
                    "image_id": number + 1,
                    "segmentation": segmentation,
                    **about,
                }

    with path.open("w") as file:
        file.write('{"licenses": [], "categories": [{"id": 1, "name": "Cell"}], "images": ')
        write_list(
            file,
            (
                {"id": number + 1, "file_name": name_of(number), "width": WIDTH, "height": HEIGHT}
                for number in range(count)
            ),
        )
        file.write(', "annotations": ')
        write_list(file, annotations())
        file.write("}")
    return folder


def written_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """The COCO-RLE layout, as `ritm dataset` writes it."""
    coco_file(folder, count, drawn)
    (folder / "annotations" / "instances_default.json").rename(folder / "annotations.json")
    return folder


def datumaro_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """Datumaro 1.0."""
    write_links(folder / "images" / "default", count, [item.picture for item in drawn])
    path = folder / "annotations" / "default.json"
    path.parent.mkdir()

    def item_of(number: int) -> object:
        item, about = drawn[number % KINDS], {"label_id": 0, "group": 0, "z_order": 0, "attributes": {}}
        mask = {"id": 0, "type": "mask", "rle": {"counts": item.packed, "size": [HEIGHT, WIDTH]}}
        polygon = {"id": 1, "type": "polygon", "points": item.points}
        picture = {"path": name_of(number), "size": [HEIGHT, WIDTH]}
        drawings = [{**mask, **about}, {**polygon, **about}]
        return {"id": name_of(number)[:-4], "annotations": drawings, "image": picture}

    with path.open("w") as file:
        file.write('{"info": {}, "categories": {"label": {"labels": [{"name": "Cell"}]}}, "items": ')
        write_list(file, map(item_of, range(count)))
        file.write("}")
    return folder


def cvat_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """CVAT for images 1.1."""
    write_links(folder / "images", count, [item.picture for item in drawn])
    with (folder / "annotations.xml").open("w") as file:
        file.write('<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n')
        for number in range(count):
            item = drawn[number % KINDS]
            points = ";".join(f"{x},{y}" for x, y in _pairs(item))
            runs = ", ".join(map(str, item.rows))
            file.write(
                f'<image id="{number}" name="{name_of(number)}" width="{WIDTH}" height="{HEIGHT}">'
                f'<mask label="Cell" rle="{runs}" left="0" top="0" width="{WIDTH}" height="{HEIGHT}" '
                f'z_order="0"/><polygon label="Cell" points="{points}" z_order="1"/></image>\n'
            )
        file.write("</annotations>")
    return folder


def mask_files(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """Segmentation mask 1.1."""
    write_links(folder / "JPEGImages", count, [item.picture for item in drawn])
    for name in ("SegmentationObject", "SegmentationClass"):
        write_links(folder / name, count, [item.colours for item in drawn])
    (folder / "labelmap.txt").write_text("background:0,0,0::\nCell:255,0,0::\n")
    names = folder / "ImageSets" / "Segmentation" / "default.txt"
    names.parent.mkdir(parents=True)
    names.write_text("".join(f"{name_of(number)[:-4]}\n" for number in range(count)))
    return folder


def _task(number: int, drawn: list[Drawing]) -> dict[str, Any]:
    """A task of Label Studio."""
    item, size = drawn[number % KINDS], {"original_width": WIDTH, "original_height": HEIGHT}
    points = [[x / WIDTH * 100, y / HEIGHT * 100] for x, y in _pairs(item)]
    brush = {"format": "rle", "rle": item.brush, "brushlabels": ["Cell"]}
    polygon = {"points": points, "polygonlabels": ["Cell"]}
    result = [
        {"id": "b", "type": "brushlabels", "from_name": "b", "to_name": "image", "value": brush, **size},
        {"id": "p", "type": "polygonlabels", "from_name": "p", "to_name": "image", "value": polygon, **size},
    ]
    about = {"was_cancelled": False, "updated_at": "2026-01-01T00:00:00Z", "completed_by": 1}
    return {
        "id": number + 1,
        "data": {"image": f"/data/upload/1/{name_of(number)}"},
        "annotations": [{"id": number + 1, "result": result, **about}],
    }


def _flat_task(number: int, drawn: list[Drawing]) -> dict[str, Any]:
    """The same, in JSON_MIN."""
    task = _task(number, drawn)
    annotation = task["annotations"][0]
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    controls = {row["from_name"]: [{**row["value"], **size}] for row in annotation["result"]}
    about = {"id": task["id"], "annotation_id": task["id"], "annotator": 1, "updated_at": "2026-01-01"}
    return {**task["data"], **about, **controls}


def json_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """Label Studio's JSON: one list."""
    return _tasks_file(folder, "tasks.json", count, drawn, _task)


def json_min_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """Label Studio's JSON_MIN: one list."""
    return _tasks_file(folder, "tasks-min.json", count, drawn, _flat_task)


def _tasks_file(
    folder: Path,
    name: str,
    count: int,
    drawn: list[Drawing],
    task: Callable[[int, list[Drawing]], dict[str, Any]],
) -> Path:
    write_links(folder / "images", count, [item.picture for item in drawn])
    with (folder / name).open("w") as file:
        write_list(file, (task(number, drawn) for number in range(count)))
    return folder / name


def lines_file(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """Tasks of Label Studio, one a line."""
    write_links(folder / "images", count, [item.picture for item in drawn])
    with (folder / "tasks.ndjson").open("w") as file:
        file.writelines(json.dumps(_task(number, drawn)) + "\n" for number in range(count))
    return folder / "tasks.ndjson"


def task_files(folder: Path, count: int, drawn: list[Drawing]) -> Path:
    """Label Studio's target storage: one file a task."""
    write_links(folder / "images", count, [item.picture for item in drawn])
    (folder / "tasks").mkdir()
    for number in range(count):
        (folder / "tasks" / str(number + 1)).write_text(json.dumps(_task(number, drawn)))
    return folder / "tasks"


FORMATS: dict[str, Callable[[Path, int, list[Drawing]], Path]] = {
    "coco": coco_file,
    "datumaro": datumaro_file,
    "cvat": cvat_file,
    "masks": mask_files,
    "json": json_file,
    "json-min": json_min_file,
    "ndjson": lines_file,
    "storage": task_files,
}
"""From a format to what writes an export of it, with so many tasks, and returns where it lies."""
