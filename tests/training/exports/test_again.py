"""What was read before and has not changed is neither fetched nor decoded again."""

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
from ritm_ops.object_store.s3 import S3Store
from training.exports import Options
from training.exports.library import Library

Taken = Callable[..., Any]
BOX = "4,4;20,4;20,20;4,20"


def body(number: int, mask: np.ndarray, bucket: str) -> bytes:
    value = {"format": "rle", "rle": brush_rle.encode(mask), "brushlabels": ["Cell"]}
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    result = [{"id": "r", "type": "brushlabels", "to_name": "image", "value": value, **size}]
    task = {"id": number, "data": {"image": f"s3://{bucket}/images/{number}.png"}}
    return json.dumps({"id": number, "result": result, "task": task}).encode()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of the objects that are fetched."""
    asked: list[str] = []
    read = S3Store.read_tagged

    def counted(self: S3Store, key: str, **options: Any) -> tuple[bytes, str]:
        asked.append(key)
        return read(self, key, **options)

    monkeypatch.setattr(S3Store, "read_tagged", counted)
    return asked


def test_only_what_has_changed_is_fetched(
    tmp_path: Path, taken: Taken, bucket: str, reads: list[str], ring: np.ndarray, disc: np.ndarray
) -> None:
    client = Session().client("s3")
    for number in (1, 2, 3):
        client.put_object(Bucket=bucket, Key=f"labels/{number}", Body=body(number, ring, bucket))
        picture = png(np.full((HEIGHT, WIDTH, 3), number, np.uint8))
        client.put_object(Bucket=bucket, Key=f"images/{number}.png", Body=picture)

    def again() -> tuple[Any, list[np.ndarray], set[str]]:
        reads.clear()
        collected, masks, _ = taken(f"s3://{bucket}/labels", Options(cache=tmp_path / "cache"))
        return collected, masks["Cell"], set(reads)

    first, masks, fetched = again()
    assert len(fetched) == 6
    with pytest.MonkeyPatch.context() as patched:
        patched.delattr(Library, "tasks")  # nor is anything chosen or converted again
        second, same, fetched = again()
    assert fetched == set()
    assert second.fingerprint == first.fingerprint
    np.testing.assert_array_equal(same, masks)
    assert (second.folder / "conversion.json").read_bytes() == (first.folder / "conversion.json").read_bytes()

    client.put_object(Bucket=bucket, Key="labels/2", Body=body(2, disc, bucket))
    client.delete_object(Bucket=bucket, Key="labels/3")
    picture = png(np.full((HEIGHT, WIDTH, 3), 99, np.uint8))
    client.put_object(Bucket=bucket, Key="images/1.png", Body=picture)
    third, masks, fetched = again()
    assert fetched == {"2", "images/1.png"}
    assert third.photographs == 2
    np.testing.assert_array_equal(masks, [ring, disc])
    assert (third.folder / "images/1-1.png").read_bytes() == picture
    kept = list((tmp_path / "cache").glob("*/pictures/*/*"))
    assert len(kept) == 2  # what no annotation names any more is gone


def test_other_options_read_anew_and_a_damaged_cache_is_made_anew(
    tmp_path: Path, taken: Taken, picture: bytes
) -> None:
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots" / "a.png").write_bytes(picture)
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["Box"]}
    polygon = {"points": [[10, 10], [90, 10], [50, 90]], "polygonlabels": ["Tri"]}
    result = [
        {"id": "r", "type": "rectanglelabels", "to_name": "image", "value": value},
        {"id": "p", "type": "polygonlabels", "to_name": "image", "value": polygon},
    ]
    task = {"id": 1, "data": {"image": "a.png"}, "annotations": [{"id": 1, "result": result}]}
    (tmp_path / "export.json").write_text(json.dumps([task]))
    cache = tmp_path / "cache"

    def labels(*, boxes: bool) -> set[str]:
        options = Options(boxes=boxes, cache=cache)
        return set(taken(tmp_path / "export.json", options, local_roots=(tmp_path / "roots",))[1])

    assert labels(boxes=False) == {"Tri"}
    assert labels(boxes=True) == {"Tri", "Box"}
    assert labels(boxes=False) == {"Tri"}
    for path in cache.glob("*/read.sqlite"):
        path.write_bytes(b"no database")
    assert labels(boxes=True) == {"Tri", "Box"}
    shutil.rmtree(cache)
    assert labels(boxes=True) == {"Tri", "Box"}


def test_one_key_without_a_suffix(
    tmp_path: Path, taken: Taken, bucket: str, ring: np.ndarray, picture: bytes
) -> None:
    """As target storage names them."""
    client = Session().client("s3")
    client.put_object(Bucket=bucket, Key="images/7.png", Body=picture)
    for key, number in (("labels/7", 7), ("labels/70", 70)):
        client.put_object(Bucket=bucket, Key=key, Body=body(number, ring, bucket))
    assert taken(f"s3://{bucket}/labels/7")[0].photographs == 1
    with pytest.raises(RitmError, match="There is nothing at s3://.*/labels/8"):
        taken(f"s3://{bucket}/labels/8")


def test_a_picture_that_is_none_is_called_as_its_task_calls_it(
    tmp_path: Path, taken: Taken, bucket: str, ring: np.ndarray, picture: bytes
) -> None:
    client = Session().client("s3")
    for number, data in ((1, b"no picture"), (2, picture)):
        client.put_object(Bucket=bucket, Key=f"labels/{number}", Body=body(number, ring, bucket))
        client.put_object(Bucket=bucket, Key=f"images/{number}.png", Body=data)
    collected, _, manifest = taken(f"s3://{bucket}/labels", Options(cache=tmp_path / "cache"))
    assert collected.photographs == 1
    (broken,) = manifest["left_out"]["broken"]
    assert broken["file"] == f"annotation 1, image s3://{bucket}/images/1.png"
