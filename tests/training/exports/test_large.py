"""Exports that do not fit into memory: what is drawn stays in the file until its photograph is wanted."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH, make_zip

from ritm_model.datasets import json_stream
from ritm_model.datasets.photograph import Photograph, Region
from ritm_model.datasets.problems import BrokenFileError
from training.exports import ExportError
from training.exports.library import Library
from training.exports.reading import Reader
from training.exports.source import open_source
from training.exports.tasks.rows import Rules
from training.exports.tools.cvat_xml import CvatXml, image_at

COUNT = 200
TURNS = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
POINTS = np.stack([20 + 9 * np.cos(TURNS), 15 + 9 * np.sin(TURNS)], 1).ravel().tolist()
"""A disc of about 250 pixels, drawn with so many points that it fills 50 kB."""


def coco(name: Callable[[int], str]) -> tuple[str, str]:
    images = [{"id": n, "file_name": name(n), "height": HEIGHT, "width": WIDTH} for n in range(COUNT)]
    drawn = [{"id": n, "image_id": n, "category_id": 1, "segmentation": [POINTS]} for n in range(COUNT)]
    content = {"annotations": drawn, "images": images, "categories": [{"id": 1, "name": "Ä"}]}
    return "annotations/instances_default.json", json.dumps(content, indent=1, ensure_ascii=False)


def datumaro(name: Callable[[int], str]) -> tuple[str, str]:
    drawn = [{"type": "polygon", "points": POINTS, "label_id": 0, "z_order": 0}]
    items = [{"id": str(n), "annotations": drawn, "image": {"path": name(n)}} for n in range(COUNT)]
    content = {"items": items, "categories": {"label": {"labels": [{"name": "Ä"}]}}}
    return "annotations/default.json", json.dumps(content, ensure_ascii=False)


def cvat(name: Callable[[int], str]) -> tuple[str, str]:
    points = ";".join(f"{x},{y}" for x, y in zip(POINTS[::2], POINTS[1::2], strict=True))
    drawn = f'<polygon label="Ä" points="{points}"/>'
    size = f'width="{WIDTH}" height="{HEIGHT}"'
    images = "\r\n".join(f'<image id="{n}" name="{name(n)}" {size}>{drawn}</image>' for n in range(COUNT))
    return "annotations.xml", f"\ufeff<annotations>\r\n{images}\r\n</annotations>"


@pytest.fixture(params=[coco, datumaro, cvat])
def export(request: pytest.FixtureRequest, tmp_path: Path, picture: bytes) -> Path:
    """The file of an export with many large drawings."""
    folder = tmp_path / "export"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "0.png").write_bytes(picture)
    for number in range(1, COUNT):
        os.link(folder / "images" / "0.png", folder / "images" / f"{number}.png")
    place, text = request.param(lambda number: f"{number}.png")
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / place).write_text(text, encoding="utf-8", newline="")
    return folder / place


def read(export: Path) -> list[Photograph]:
    folder = export.parent if export.name == "annotations.xml" else export.parent.parent
    with closing(Library(folder.parent / "library", "")) as library:
        source = open_source(str(folder), library, 30)
        photographs, problems = Reader(source, library, Rules(), ()).read(source.set_listing(), Counter())
    assert problems == []
    return photographs


def masks(photograph: Photograph) -> list[Any]:
    return [found for found in photograph.regions(HEIGHT, WIDTH) if isinstance(found, Region)]


def test_memory_holds_no_drawings(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_PIECE", 1 << 16)  # pieces are some megabytes, however large a file is
    read(export)  # what is imported and compiled once does not count
    tracemalloc.start()
    photographs = read(export)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < export.stat().st_size / 4
    assert len(photographs) == COUNT
    for photograph in (photographs[0], photographs[-1]):
        (region,) = masks(photograph)
        assert region.category == "Ä"
        assert 230 < region.mask.sum() < 290


def test_an_export_that_is_another_by_now_is_told(export: Path) -> None:
    photographs = read(export)
    export.write_text("other " * 20, encoding="utf-8")
    with pytest.raises(BrokenFileError, match="was changed after it was opened"):
        masks(photographs[-1])
    export.unlink()
    with pytest.raises(BrokenFileError):
        masks(photographs[-1])


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_images_are_found_again_at_their_places(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "a.xml"
    text = f'{mark}<?xml version="1.0"?>\r\n<annotations>ä<track/><image name="ö &amp; 1"><mask/></image>'
    path.write_text(f'{text}<x><image name="2"/></x><track/></annotations>', encoding="utf-8", newline="")
    file = CvatXml(path)
    found = list(file.images())
    assert [element.get("name") for element, _ in found] == ["ö & 1", "2"]
    assert file.tracks == 2
    again = [image_at(path, start) for _, start in found]
    assert [(element.get("name"), len(element)) for element in again] == [("ö & 1", 1), ("2", 0)]
    with pytest.raises(BrokenFileError, match="was changed after it was opened"):
        image_at(path, found[0].start + 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("<annotations><image name='1'/>", "is not XML"),
        ("<annotations><image name='1'></annotations>", "is not XML"),
        ('<annotations><image name="\xe4"/></annotations>', "is not XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "document type is refused"),
        ("", "is not XML"),
    ],
)
def test_files_that_are_no_such_xml(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(text.encode("latin1"))
    with pytest.raises(BrokenFileError, match=reason):
        list(CvatXml(path).images())


def test_a_broken_export_does_not_take_the_place_of_an_older_one(
    taken: Any, tmp_path: Path, picture: bytes
) -> None:
    """Also where it breaks off after some of its images."""
    drawn = '<polygon label="{}" points="5,5;25,5;25,25;5,25"/>'
    image = f'<image name="a.png" width="{WIDTH}" height="{HEIGHT}">{drawn}</image>'
    folder = tmp_path / "exports"
    folder.mkdir()
    for day, label, end in ((1, "old", "</annotations>"), (2, "new", "")):
        files = {"annotations.xml": f"<annotations>{image.format(label)}{end}", "images/a.png": picture}
        make_zip(folder / f"task_7_annotations_2026_01_0{day}_12_00_00_cvat for images 1.1.zip", files)
    collected, found, manifest = taken(folder)
    assert list(found) == ["old"]
    assert collected.left_out == 1
    assert "is not XML" in manifest["left_out"]["broken"][0]["reason"]
    with pytest.raises(ExportError, match="is not XML"):
        taken(next(folder.glob("*01_02*")))
