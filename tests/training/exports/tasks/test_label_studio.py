"""What Label Studio stores and exports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from boto3.session import Session
from export_files import HEIGHT, WIDTH, png

from ritm_model.errors import RitmError
from ritm_model.masks import brush_rle
from ritm_ops.pictures import PictureAccess
from training.exports import collect

PAYLOADS = Path(__file__).parents[3] / "payloads" / "label_studio"
Taken = Callable[..., Any]


def brush(mask: np.ndarray, label: str = "Cell", **changes: Any) -> dict[str, Any]:
    value = {"format": "rle", "rle": brush_rle.encode(mask), "brushlabels": [label]}
    size = {"original_width": mask.shape[1], "original_height": mask.shape[0], "image_rotation": 0}
    about = {"id": f"r-{label}", "type": "brushlabels", "from_name": "brush", "to_name": "image"}
    return {**about, **size, "value": value, **changes}


def annotation(number: int, result: list[Any], **changes: Any) -> dict[str, Any]:
    when = f"2026-11-22T23:57:{number % 60:02d}.193459Z"
    return {"id": number, "result": result, "was_cancelled": False, "updated_at": when, **changes}


@pytest.fixture
def images(tmp_path: Path, picture: bytes) -> Path:
    folder = tmp_path / "photographs"
    (folder / "imgs").mkdir(parents=True)
    (folder / "imgs" / "a b.png").write_bytes(picture)
    return folder


DATA = {"image": "/data/local-files/?d=imgs/a%20b.png"}


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def test_recorded_objects_of_target_storage(
    tmp_path: Path, taken: Taken, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Label Studio wrote them, one with a ghost; images from a folder and from a bucket."""
    photograph = png(np.zeros((600, 800, 3), np.uint8))
    (tmp_path / "root" / "imgs").mkdir(parents=True)
    (tmp_path / "root" / "imgs" / "a.jpg").write_bytes(photograph)
    client = Session().client("s3")
    if "src" not in [item["Name"] for item in client.list_buckets()["Buckets"]]:
        client.create_bucket(Bucket="src")
    client.put_object(Bucket="src", Key="pics/a.jpg", Body=photograph)
    for number in (6, 7):
        body = (PAYLOADS / f"s3_target_out__{number}.json").read_bytes()
        client.put_object(Bucket=bucket, Key=f"out/{number}", Body=body)
    collected, masks, manifest = taken(f"s3://{bucket}/out", local_roots=(tmp_path / "root",))
    assert (collected.photographs, collected.objects) == (2, 3)
    stored = json.loads((PAYLOADS / "s3_target_out__6.json").read_bytes())["result"]
    other = next(item for item in stored if item["value"]["brushlabels"] == ["Other"])
    np.testing.assert_array_equal(masks["Other"][0], brush_rle.decode(other["value"]["rle"], 800, 600))
    assert len(masks["Object"]) == 2
    reasons = [item["reason"] for item in manifest["left_out"]["by_rule"]]
    assert "Results that are no masks: 1 of keypointlabels that repeats a mask." in reasons
    assert "Results that are no masks: 1 of keypointlabels." in reasons


def test_a_target_prefix_may_end_in_a_slash(
    tmp_path: Path, taken: Taken, images: Path, bucket: str, ring: np.ndarray, disc: np.ndarray
) -> None:
    """Label Studio then writes `out//6`; one that was written before the slash came stays another object."""
    client = Session().client("s3")
    other = {"image": "/data/local-files/?d=imgs/other.png"}
    (images / "imgs" / "other.png").write_bytes(png(np.full((HEIGHT, WIDTH, 3), 50, np.uint8)))
    for key, mask, label, task in (
        ("out/6", ring, "Ring", {"id": 1, "data": DATA}),
        ("out//6", disc, "Disc", {"id": 2, "data": other}),
    ):
        body = {**annotation(6, [brush(mask, label)]), "task": task}
        client.put_object(Bucket=bucket, Key=key, Body=json.dumps(body).encode())
    for source in ("out", "out/", "out//"):
        _, masks, _ = taken(f"s3://{bucket}/{source}", local_roots=(images,))
        assert {label: len(found) for label, found in masks.items()} == {"Ring": 1, "Disc": 1}
        np.testing.assert_array_equal(masks["Disc"][0], disc)


def test_holes_and_parts_are_kept(
    tmp_path: Path, taken: Taken, images: Path, ring: np.ndarray, disc: np.ndarray
) -> None:
    """Label Studio's own BRUSH_TO_COCO takes outer contours only, and makes each part an object."""
    result = [brush(ring), brush(disc, "Disc")]
    path = written(
        tmp_path / "export.json", [{"id": 3, "data": DATA, "annotations": [annotation(1, result)]}]
    )
    collected, masks, _ = taken(path, local_roots=(images,))
    assert collected.objects == 2
    np.testing.assert_array_equal(masks["Cell"][0], ring)
    np.testing.assert_array_equal(masks["Disc"][0], disc)


def test_the_newest_that_counts(
    tmp_path: Path, taken: Taken, images: Path, ring: np.ndarray, disc: np.ndarray
) -> None:
    tasks = [annotation(1, [brush(disc)]), annotation(2, [brush(ring)])]
    tasks += [annotation(3, [brush(disc)], was_cancelled=True)]
    path = written(tmp_path / "export.json", [{"id": 3, "data": DATA, "annotations": tasks}])
    collected, masks, manifest = taken(path, local_roots=(images,))
    np.testing.assert_array_equal(masks["Cell"], [ring])
    assert collected.unused == {"older than another of their task": 1}
    reasons = [item["reason"] for item in manifest["left_out"]["by_rule"]]
    assert sorted(reasons) == [
        "Annotation 3 was cancelled.",
        "Annotations that are older than another of their task: 1.",
    ]


def test_newest_across_objects_in_any_order(
    tmp_path: Path, taken: Taken, images: Path, ring: np.ndarray, disc: np.ndarray
) -> None:
    task = {"id": 3, "data": DATA}
    for name, item in (("1", annotation(9, [brush(ring)])), ("2", annotation(1, [brush(disc)]))):
        written(tmp_path / "storage" / name, {**item, "task": task})
    first, masks, _ = taken(tmp_path / "storage", local_roots=(images,))
    np.testing.assert_array_equal(masks["Cell"], [ring])
    shutil.copy(tmp_path / "storage" / "1", tmp_path / "storage" / "3")
    (tmp_path / "storage" / "1").unlink()
    assert taken(tmp_path / "storage", local_roots=(images,))[0].fingerprint == first.fingerprint
    written(tmp_path / "storage" / "3", {**annotation(9, [brush(disc)]), "task": task})
    assert taken(tmp_path / "storage", local_roots=(images,))[0].fingerprint != first.fingerprint


def test_json_min(tmp_path: Path, taken: Taken, images: Path, ring: np.ndarray) -> None:
    flat = {**brush(ring)["value"], "original_width": WIDTH, "original_height": HEIGHT}
    ghost = {"format": "rle", "rle": flat["rle"], "keypointlabels": ["Cell"]}
    row = {**DATA, "id": 3, "annotation_id": 8, "brush": [flat], "kp": [ghost], "annotator": 1}
    collected, masks, _ = taken(written(tmp_path / "min.json", [row]), local_roots=(images,))
    assert collected.objects == 1
    np.testing.assert_array_equal(masks["Cell"], [ring])


def test_polygons(tmp_path: Path, taken: Taken, images: Path) -> None:
    value = {"points": [[25, 20], [75, 20], [75, 60], [25, 60]], "polygonlabels": ["Box"]}
    item = brush(np.ones((HEIGHT, WIDTH), bool), type="polygonlabels", value=value)
    path = written(tmp_path / "e.json", [{"id": 3, "data": DATA, "annotations": [annotation(1, [item])]}])
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[6:18, 10:30] = True
    np.testing.assert_array_equal(taken(path, local_roots=(images,))[1]["Box"], [expected])


def test_labels_drawn_on_another_size_are_left_out(
    tmp_path: Path, taken: Taken, images: Path, ring: np.ndarray
) -> None:
    result = [brush(ring), brush(np.ones((5, 5), bool), "Small")]
    path = written(tmp_path / "e.json", [{"id": 3, "data": DATA, "annotations": [annotation(1, result)]}])
    _, masks, manifest = taken(path, local_roots=(images,))
    assert list(masks) == ["Cell"]
    assert "5 x 5" in manifest["left_out"]["broken"][0]["reason"]


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", "private or reserved"),
        ("http://user:secret@127.0.0.1/a.png", "user name or password"),
        ("../../etc/passwd", "is not there"),
        ("/etc/passwd", "is not there"),
        ("/data/local-files/?d=../../imgs/nowhere.png", "set LABEL_STUDIO_URL"),
        ("gs://bucket/a.png", "set LABEL_STUDIO_URL"),
        ("data:image/png;base64,%%%", "not valid base64"),
    ],
)
def test_nobody_is_asked_who_may_not_be(
    tmp_path: Path, images: Path, ring: np.ndarray, reference: str, reason: str
) -> None:
    task = {"id": 3, "data": {"image": reference}, "annotations": [annotation(1, [brush(ring)])]}
    path = written(tmp_path / "e.json", [task])
    with pytest.raises(RitmError, match=reason) as caught:
        collect(str(path), tmp_path / "out", images=PictureAccess(local_roots=(images,)))
    assert "secret" not in str(caught.value)
