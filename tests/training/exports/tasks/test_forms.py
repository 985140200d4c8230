"""The forms in which Label Studio's rows come; and a bad row is one bad row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH, png

from ritm_model.errors import RitmError
from training.exports import Options

Taken = Callable[..., Any]
POINTS = [[10, 10], [60, 10], [60, 70]]


def polygon(label: str = "Cat") -> dict[str, Any]:
    value = {"points": POINTS, "polygonlabels": [label]}
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {"id": "r", "type": "polygonlabels", "to_name": "image", **size, "value": value}


def annotation(number: int = 1, label: str = "Cat", **changes: Any) -> dict[str, Any]:
    when = f"2026-11-22T10:00:{number:02d}Z"
    return {"id": number, "result": [polygon(label)], "created_at": when, **changes}


def task(number: int = 1, *annotations: Any, image: str = "a.png", **changes: Any) -> dict[str, Any]:
    found = list(annotations) or [annotation(number)]
    return {"id": number, "data": {"image": image}, "annotations": found, **changes}


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path]:
    folder = tmp_path / "roots"
    folder.mkdir()
    for grey, name in enumerate(("a.png", "b.png")):
        (folder / name).write_bytes(png(np.full((HEIGHT, WIDTH, 3), grey, np.uint8)))
    return (folder,)


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "export" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "export"


ROW = json.dumps(task())
OLD = {"id": 1, "data": {"image": "a.png"}, "completions": [annotation()]}
OF_STORAGE = {**annotation(), "task": {"id": 1, "data": {"image": "a.png"}}}


@pytest.mark.parametrize(
    "files",
    [
        {"1": ROW},
        {"1.json": ROW},
        {"annotations/1.json": ROW},
        {"annotations/1.json": json.dumps(OF_STORAGE)},
        {"tasks.ndjson": f"{ROW}\n"},
        {"tasks.jsonl": f"{ROW}\n{json.dumps(task(2, annotation(5, was_cancelled=True)))}\n"},
        {"a.json": json.dumps([OLD])},
        {"a.json": json.dumps([task()], indent=2)},
        {"a.json": "\ufeff" + json.dumps([task()])},
        {"of_api.json": json.dumps({"total": 1, "tasks": [task()]})},
        {"of_old_api.json": json.dumps({"count": 1, "next": None, "results": [task()]})},
        {"b.json": json.dumps([{**task(), "data": {"image": {"url": "a.png", "page": 3}}}])},
    ],
    ids=lambda files: next(iter(files)),
)
def test_one_object_in_each_form(
    tmp_path: Path, taken: Taken, roots: tuple[Path], files: dict[str, str]
) -> None:
    folder = written(tmp_path, files)
    for source in (folder, folder / next(iter(files))):
        collected, _, manifest = taken(source, local_roots=roots)
        assert (collected.photographs, collected.objects) == (1, 1)
        assert manifest["left_out"]["broken"] == []


def test_a_bad_row_is_left_out_by_name(tmp_path: Path, taken: Taken, roots: tuple[Path]) -> None:
    two_points = polygon("Dog") | {"id": "bad", "value": {"points": POINTS[:2]}}
    rows = [
        5,
        {"what": "is this"},
        task(1, annotation(1), "no annotation"),
        task(2, {"id": 2, "result": "no list"}),
        task(3, annotation(3, result=[polygon(), two_points, 7]), image="b.png"),
        task(4, image="gone.png"),
    ]
    collected, _, manifest = taken(written(tmp_path, {"a.json": json.dumps(rows)}), local_roots=roots)
    assert (collected.photographs, collected.objects) == (2, 2)
    told = "\n".join(f"{item['file']}: {item['reason']}" for item in manifest["left_out"]["broken"])
    for entry in (1, 2):
        assert f"a.json: Entry {entry} is neither a task nor an annotation" in told
    assert "Entry 1 of the annotations of task 1" in told
    assert "Annotation 2 has no task or no result." in told
    assert "a.json, annotation 3: Result bad: It holds no polygon of at least three points." in told
    assert "annotation 4: " in told


def test_a_newer_annotation_that_is_empty_means_no_object(
    tmp_path: Path, taken: Taken, roots: tuple[Path]
) -> None:
    rows = [task(1, annotation(1), annotation(2, result=[])), task(2, image="b.png")]
    collected, _, _ = taken(written(tmp_path, {"a.json": json.dumps(rows)}), local_roots=roots)
    assert [path.name for path in (collected.folder / "images").iterdir()] == ["2-b.png"]
    assert collected.unused["older than another of their task"] == 1


def test_tasks_of_two_servers_with_one_id_are_different(
    tmp_path: Path, taken: Taken, roots: tuple[Path]
) -> None:
    files = {
        "one/7": json.dumps(task(7, annotation(7, "Cat"))),
        "two/7": json.dumps(task(7, annotation(7, "Dog"), image="b.png")),
    }
    collected, masks, _ = taken(written(tmp_path, files), local_roots=roots)
    assert (collected.photographs, sorted(masks)) == (2, ["Cat", "Dog"])


def test_predictions_alone_say_which_option_takes_them(
    tmp_path: Path, taken: Taken, roots: tuple[Path]
) -> None:
    row = {"id": 1, "data": {"image": "a.png"}, "predictions": [annotation()]}
    folder = written(tmp_path, {"a.json": json.dumps([row])})
    with pytest.raises(RitmError, match=r"1 predictions of a model \(--whose and --predictions"):
        taken(folder, local_roots=roots)
    assert taken(folder, Options(predictions=True), local_roots=roots)[0].objects == 1


def test_times_of_old_versions_are_seconds(tmp_path: Path, taken: Taken, roots: tuple[Path]) -> None:
    """So are those of `completions`; what was skipped is no answer."""
    found = [
        annotation(9, "Old", created_at=1_500_000_000),
        annotation(2, "New", created_at=1_600_000_000),
        annotation(3, "Skipped", created_at=1_700_000_000, skipped=True),
    ]
    row = {"id": 1, "data": {"image": "a.png"}, "completions": found}
    collected, masks, _ = taken(written(tmp_path, {"a.json": json.dumps([row])}), local_roots=roots)
    assert list(masks) == ["New"]
    assert collected.unused == {"older than another of their task": 1}


def test_drafts_and_tasks_without_annotations_are_counted(
    tmp_path: Path, taken: Taken, roots: tuple[Path]
) -> None:
    rows = [{"id": 2, "data": {"image": "b.png"}}, {**task(3), "annotations": [], "drafts": [annotation(4)]}]
    expected = {
        "drafts, which nobody has submitted": 1,
        "still to be drawn: nobody has annotated the task": 2,
    }
    folder = written(tmp_path, {"a.json": json.dumps([task(), *rows])})
    options = Options(cache=tmp_path / "cache")
    for _ in range(2):
        assert taken(folder, options, local_roots=roots)[0].unused == expected
    folder = written(tmp_path, {"a.json": json.dumps(rows)})
    with pytest.raises(RitmError, match=r"1 drafts, .*, 2 still to be drawn: nobody has .* task\.$"):
        taken(folder, options, local_roots=roots)


def test_numbers_may_be_text_and_sizes_unknown(tmp_path: Path, taken: Taken, roots: tuple[Path]) -> None:
    """As programs write them that make rows themselves."""
    texts = {**polygon(), "original_width": f"{WIDTH}", "original_height": f"{HEIGHT}.0", "item_index": "1"}
    texts["value"] = {**texts["value"], "points": [[str(x), str(y)] for x, y in POINTS]}
    zeros = {**polygon("Dog"), "id": "z", "original_width": 0, "original_height": 0, "item_index": 0}
    row = {**task(1, annotation(result=[texts, zeros])), "data": {"image": ["a.png", "b.png"]}}
    collected, masks, _ = taken(written(tmp_path, {"a.json": json.dumps([row])}), local_roots=roots)
    assert (collected.photographs, sorted(masks)) == (2, ["Cat", "Dog"])
    other = {**texts, "original_width": f"{WIDTH + 1}"}
    row["annotations"] = [annotation(result=[other, zeros])]
    assert taken(written(tmp_path, {"a.json": json.dumps([row])}), local_roots=roots)[0].objects == 1


def test_what_was_skipped_is_not_predicted(tmp_path: Path, taken: Taken, roots: tuple[Path]) -> None:
    """Whoever has skipped a task has not left it to a model."""
    skipped = annotation(1, result=[], was_cancelled=True)
    rows = [task(1, skipped, predictions=[annotation(2, "Guess")]), task(2, image="b.png")]
    folder = written(tmp_path, {"a.json": json.dumps(rows)})
    collected, masks, _ = taken(folder, Options(predictions=True), local_roots=roots)
    assert list(masks) == ["Cat"]
    assert collected.unused == {"predictions for tasks that somebody has skipped": 1}


def test_regions_of_one_id_are_all_taken(tmp_path: Path, taken: Taken, roots: tuple[Path]) -> None:
    """Programs that make rows forget that ids tell regions apart; a region that is repeated comes once."""
    other = {**polygon("Dog"), "value": {"points": [[1, 1], [9, 1], [9, 20]], "polygonlabels": ["Dog"]}}
    row = task(1, annotation(result=[polygon(), other, polygon()]))
    _, masks, _ = taken(written(tmp_path, {"a.json": json.dumps([row])}), local_roots=roots)
    assert {label: len(found) for label, found in masks.items()} == {"Cat": 1, "Dog": 1}


@pytest.mark.parametrize("name", ["a#1.png", "a?b.png", "100%.png", "e\u0301.png"])
def test_names_of_files_may_hold_any_sign(
    tmp_path: Path, taken: Taken, roots: tuple[Path], name: str
) -> None:
    (roots[0] / "a.png").rename(roots[0] / name)
    row = {"id": 1, "data": {"photo": name}, "annotations": [annotation()]}
    source = written(tmp_path, {"a.json": json.dumps([row])})
    assert taken(source, local_roots=roots)[0].objects == 1


@pytest.mark.parametrize(
    ("kind", "cure"), [("videorectangle", ""), ("rectanglelabels", " --boxes takes boxes as masks.")]
)
def test_what_was_drawn_instead_of_masks_is_said(
    tmp_path: Path, taken: Taken, roots: tuple[Path], kind: str, cure: str
) -> None:
    value = {"x": 10, "y": 10, "width": 20, "height": 20}
    result = {"id": "r", "type": kind, "to_name": "image", "value": value}
    source = written(tmp_path, {"a.json": json.dumps([task(1, annotation(result=[result]))])})
    name = "rectangle" if cure else kind
    with pytest.raises(RitmError, match=rf"Results that are no masks: 1 of {name}\.{cure}$"):
        taken(source, local_roots=roots)


def test_files_beside_exports_are_passed_over(tmp_path: Path, taken: Taken, roots: tuple[Path]) -> None:
    names = ("Thumbs.db", "desktop.ini", "clip.mp4", "scan.dcm", "weights.pth", "photo.HEIC", "notes.txt")
    folder = written(tmp_path, {"1": ROW, **dict.fromkeys(names, "no export")})
    assert taken(folder, local_roots=roots)[2]["left_out"]["broken"] == []
