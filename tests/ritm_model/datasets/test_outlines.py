"""Outlines that other tools have written: LabelMe, VGG Image Annotator, YOLO."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ritm_model.cli.main import ritm
from ritm_model.datasets import Dataset, DatasetError, open_dataset

HEIGHT, WIDTH = 30, 40
BOX = np.zeros((HEIGHT, WIDTH), bool)
BOX[6:18, 10:30] = True
CORNERS = [[10, 6], [30, 6], [30, 18], [10, 18]]
SHARES = " ".join(f"{x / WIDTH} {y / HEIGHT}" for x, y in CORNERS)


def picture(form: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (90, 60, 30)).save(file, form)
    return file.getvalue()


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content if isinstance(content, bytes) else (
        content if isinstance(content, str) else json.dumps(content)
    ).encode()  # fmt: skip
    path.write_bytes(data)
    return path


def opened(layout: str, place: Path, split: str = "") -> Dataset:
    return open_dataset(f"own:{split}" if split else "own", {"own": f"{layout}:{place}"})


def reasons(dataset: Dataset) -> list[str]:
    return [problem.reason for problem in dataset.problems]


def disc(x: float, y: float, across: float, down: float) -> np.ndarray:
    row_H1, column_1W = np.ogrid[:HEIGHT, :WIDTH]
    return np.asarray(((column_1W + 0.5 - x) / across) ** 2 + ((row_H1 + 0.5 - y) / down) ** 2 <= 1)


def patch(mask_HW: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(mask_HW).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def shape(points: Any, kind: str | None = "polygon", **more: Any) -> dict[str, Any]:
    return {"label": "cat", "points": points, "shape_type": kind, "group_id": None, **more}


def of_labelme(*shapes: Any, path: object = "a.png", data: str | None = None) -> dict[str, Any]:
    sides = {"imageHeight": HEIGHT, "imageWidth": WIDTH}
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": path,
        "imageData": data,
    } | sides


HALF = np.zeros((12, 10), bool)
HALF[:, :5] = True
SEEN = np.zeros((HEIGHT, WIDTH), bool)
SEEN[6:18, :3] = True


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        (shape(CORNERS), BOX),
        (shape(CORNERS, None), BOX),
        ({"label": "cat", "points": CORNERS}, BOX),  # of version 3
        (shape([[str(side) for side in point] for point in CORNERS]), BOX),
        (shape([[20, 15], [20, 8]], "circle"), disc(20, 15, 7, 7)),
        (shape([[10, 6], [29, 17]], "mask", mask=patch(np.ones((12, 20), bool))), BOX),
        (shape([[-2.0, 6.0], [7, 17]], "mask", mask=patch(HALF)), SEEN),  # reaches over the edge
    ],
)
def test_shapes_of_labelme(tmp_path: Path, drawn: Any, expected: np.ndarray) -> None:
    put(tmp_path / "a.png", picture())
    put(tmp_path / "a.json", of_labelme(drawn))
    (sample,) = opened("labelme", tmp_path)
    assert sample.category == "cat"
    assert np.array_equal(sample.mask == 1, expected)


def test_shapes_of_a_group_are_one_object_and_boxes_are_none(tmp_path: Path) -> None:
    put(tmp_path / "a.png", picture())
    left, right = [[10, 6], [20, 6], [20, 18], [10, 18]], [[20, 6], [30, 6], [30, 18], [20, 18]]
    shapes = [shape(left, group_id=1), shape([[1, 1], [5, 5]], "rectangle"), shape(right, group_id=1)]
    shapes += [shape(left, label="dog", group_id=1), shape([[3, 3]], "point"), shape([[1, 1]]), None]
    put(tmp_path / "a.json", of_labelme(*shapes))
    dataset = opened("labelme", tmp_path)
    assert [(sample.category, int((sample.mask == 1).sum())) for sample in dataset] == [
        ("cat", 240),
        ("dog", 120),
    ]
    assert reasons(dataset) == [
        "Shape 6: A polygon needs at least three points.",
        "Shapes that are no masks: 1 of broken record.",
        "Shapes that are no masks: 1 of point.",
        "Shapes that are no masks: 1 of rectangle.",
    ]


@pytest.mark.parametrize(
    ("file", "image", "said"),
    [
        ("a.json", "a.png", "a.png"),
        ("json/a.json", "photos/a.png", "..\\photos\\a.png"),
        ("json/a.json", "photos/a.png", "a.png"),
        ("a.json", "a.png", "C:\\work\\other\\a.png"),
        ("a.json", "a.png", "renamed.png"),  # after photograph and file were renamed together
        ("val/a.json", "val/a.png", "a.png"),
        ("a.json", "a.png", None),
    ],
)
def test_photographs_of_labelme(tmp_path: Path, file: str, image: str, said: str | None) -> None:
    put(tmp_path / image, picture())
    put(tmp_path / "other" / "a.png", b"another one") if file == "a.json" else None
    put(tmp_path / file, of_labelme(shape(CORNERS), path=said))
    dataset = opened("labelme", tmp_path, "val" if "val" in file else "")
    assert [sample.photograph.name for sample in dataset] == [image]


def test_photographs_that_lie_in_the_file_itself(tmp_path: Path) -> None:
    data = base64.b64encode(picture("JPEG")).decode()
    put(tmp_path / "in" / "sub" / "a.json", of_labelme(shape(CORNERS), path="a.jpg", data=data))
    put(tmp_path / "in" / "b.json", of_labelme(shape(CORNERS), path="b.jpg", data="a"))
    put(tmp_path / "in" / "c.json", of_labelme(shape(CORNERS), path="c.jpg"))
    (sample,) = dataset = opened("labelme", tmp_path / "in")
    assert sample.load_image().shape == (HEIGHT, WIDTH, 3)
    assert reasons(dataset) == [
        "Its 'imageData' is damaged, and its image is not there.",
        "The image 'c.jpg' is not there.",
    ]
    arguments = ["dataset", "from-masks", str(tmp_path / "in"), str(tmp_path / "out"), "--layout", "labelme"]
    result = CliRunner().invoke(ritm, [*arguments, "--images", "link", "--jobs", "1"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out/images/sub/a.jpg").read_bytes() == picture("JPEG")


REGIONS: list[tuple[dict[str, Any], np.ndarray]] = [
    (
        {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [6, 6, 18, 18]},
        BOX,
    ),
    ({"name": "circle", "cx": 20, "cy": 15, "r": 7}, disc(20, 15, 7, 7)),
    ({"name": "ellipse", "cx": 20, "cy": 15, "rx": 9, "ry": 4, "theta": 0}, disc(20, 15, 9, 4)),
    ({"name": "ellipse", "cx": 20, "cy": 15, "rx": 9, "ry": 4, "theta": np.pi / 2}, disc(20, 15, 4, 9)),
]


@pytest.mark.parametrize("form", ["project", "exported", "version 1"])
@pytest.mark.parametrize(("about", "expected"), REGIONS)
def test_regions_of_via(tmp_path: Path, form: str, about: dict[str, Any], expected: np.ndarray) -> None:
    put(tmp_path / "a.png", picture())
    region = {"shape_attributes": about, "region_attributes": {"id": "7", "Class": "cat"}}
    regions = {"0": region} if form == "version 1" else [region]
    content: dict[str, Any] = {"a.png7": {"filename": "a.png", "size": 7, "regions": regions}}
    if form == "project":
        content = {"_via_settings": {"ui": {}}, "_via_img_metadata": content}
    (sample,) = opened("via", put(tmp_path / "project.json", content))
    assert sample.category == "cat"
    assert np.array_equal(sample.mask == 1, expected)


def test_what_is_broken_in_via_costs_itself(tmp_path: Path) -> None:
    put(tmp_path / "a.png", picture())
    box = {"name": "rect", "x": 1, "y": 1, "width": 5, "height": 5}
    odd = {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1, 2, 3]}
    ticked = {"region_attributes": {"kind": {"dog": False, "cat": True}}}
    regions = [{"shape_attributes": REGIONS[0][0], **ticked}, {"shape_attributes": box}]
    regions += [{"shape_attributes": odd}, 7, {"shape_attributes": {"name": "circle", "cx": None}}]  # type: ignore[list-item]
    content = {
        "a": {"filename": "a.png", "regions": regions},
        "b": {"filename": "b.png", "regions": regions[:1]},
        "c": {"filename": None, "regions": []},
        "d": {"filename": "a.png", "regions": None},
    }
    dataset = opened("via", put(tmp_path / "labels.json", content))
    assert [sample.category for sample in dataset] == ["cat"]
    assert reasons(dataset) == [
        "Region 3: Its polygon has not as many x as y.",
        "Region 5: Its numbers are damaged: [None, None, None].",
        "Regions that are no masks: 1 of broken record.",
        "Regions that are no masks: 1 of rect.",
        "The image 'b.png' is not there.",
        "It does not name its image.",
        "It has no mask.",
    ]


@pytest.mark.parametrize(
    ("image", "label", "names", "split"),
    [
        ("images/a.png", "labels/a.txt", ("data.yaml", "names:\n  0: dog\n  1: cat\n"), ""),
        ("images/val/a.png", "labels/val/a.txt", ("data.yaml", "names: [dog, cat]\n"), "val"),
        ("val/images/a.png", "val/labels/a.txt", ("data.yaml", "nc: 2\nnames: ['dog', 'cat']\n"), "val"),
        ("a.PNG", "a.txt", ("classes.txt", "dog\r\ncat\r\n"), ""),
        ("images/a.b.png", "labels/a.b.txt", ("classes.txt", "\ufeffdog\ncat\n"), ""),
        ("images/x/a.png", "labels/x/a.txt", ("x", ""), ""),
    ],
)
def test_layouts_of_yolo(tmp_path: Path, image: str, label: str, names: tuple[str, str], split: str) -> None:
    put(tmp_path / image, picture())
    put(tmp_path / label, f"1 {SHARES}\r\n\r\n0 0.5 0.5 0.2 0.2\n")
    put(tmp_path / names[0], names[1])
    put(tmp_path / "train.txt", f"./{image}\n")
    dataset = opened("yolo", tmp_path, split)
    (sample,) = dataset
    assert (sample.photograph.name, sample.category) == (image, "cat" if names[1] else "1")
    assert np.array_equal(sample.mask == 1, BOX)
    assert reasons(dataset) == ["Lines that are no masks: 1 of boxes."]


def test_lines_of_yolo_that_are_none(tmp_path: Path) -> None:
    put(tmp_path / "images" / "a.png", picture())
    put(
        tmp_path / "labels" / "a.txt", f"0 {SHARES}\ncat {SHARES}\n0 1 2\n0 {SHARES} 0.5\n0 10 6 30 6 30 18\n"
    )
    put(tmp_path / "labels" / "b.txt", f"0 {SHARES}\n")
    put(tmp_path / "labels" / "c.txt", "")
    put(tmp_path / "labels" / "d.txt", b"\xff\xfe\xff")
    dataset = opened("yolo", tmp_path)
    assert len(dataset) == 1
    assert [reason.partition(": ")[0] for reason in reasons(dataset)[:4]] == [
        f"Line {n}" for n in (2, 3, 4, 5)
    ]
    assert reasons(dataset)[4:] == [
        "The image 'b' is not there.",
        "It has no polygon.",
        "The file is not text in UTF-8; save it as UTF-8.",
    ]


@pytest.mark.parametrize(
    ("layout", "content", "sentence"),
    [
        ("labelme", {"images": []}, "The file is none of LabelMe: it has no list 'shapes'"),
        ("labelme", "[1", "The file is not JSON"),
        ("labelme", of_labelme(shape([[1, 1], [9, 9]], "rectangle")), "no masks: 1 of rectangle"),
        ("via", {"images": []}, "The file is none of VIA 1 or 2"),
    ],
)
def test_files_that_are_something_else(tmp_path: Path, layout: str, content: object, sentence: str) -> None:
    with pytest.raises(DatasetError, match=sentence):
        opened(layout, put(tmp_path / "a.json", content))


def test_commands_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("labelme/a.png", "a.png", "yolo/images/a.png"):
        put(Path(place), picture())
    put(Path("labelme/a.json"), of_labelme(shape(CORNERS)))
    region = {"shape_attributes": REGIONS[0][0], "region_attributes": {"class": "cat"}}
    put(Path("via_project.json"), {"_via_img_metadata": {"a": {"filename": "a.png", "regions": [region]}}})
    put(Path("yolo/labels/a.txt"), f"0 {SHARES}")
    page = (Path(__file__).parents[3] / "docs" / "models" / "datasets.md").read_text()
    commands = [
        line for line in page.splitlines() if line.startswith("ritm dataset") and " polygons/ " in line
    ]
    for number, line in enumerate(commands):
        words = line.replace("polygons/", f"polygons{number}/").split()[1:]
        result = CliRunner().invoke(ritm, [*words, "--json"])
        assert json.loads(result.stdout)["objects"] == 1, result.output
    assert len(commands) == 3
