"""Events that no CVAT sends, to the function in a process of its own: each gets a sentence, clicks go on."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from nuclio_processor import Processor, running
from PIL import Image
from test_nuclio import MAIN

pytestmark = pytest.mark.slow

JSON = "application/json; charset=utf-8"  # not parsed by Nuclio: the function sees all of it


@pytest.fixture(scope="module")
def function() -> Iterator[Processor]:
    environment = {"RITM_DEVICE": "cpu", "RITM_ENGINE": "torch", "RITM_MEMORY_MB": "1024"}
    with running(MAIN, environment) as processor:
        yield processor


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def png_of(width: int, height: int) -> bytes:
    """The beginning of a PNG that says it is so large."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def small_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16)).save(file, "PNG")
    return file.getvalue()


FRAME = text(small_png())
POINT = {"image": FRAME, "pos_points": [[7, 8]], "neg_points": []}
DEEP: Any = 1
for _ in range(500):
    DEEP = [DEEP]
REFUSED: dict[str, object] = {
    "nothing": {},
    "a list": [POINT],
    "a text": "click",
    "no image": {"pos_points": [[7, 8]]},
    "an image of another kind": POINT | {"image": {"data": FRAME}},
    "an image that is a list": POINT | {"image": [FRAME]},
    "an image that is no base64": POINT | {"image": "%" * 1000},
    "an image that is half a character": POINT | {"image": "\ud800"},
    "an image that is no image": POINT | {"image": text(b"x" * 1000)},
    "an image cut off": POINT | {"image": text(small_png()[:50])},
    "an image of 10 gigapixels": POINT | {"image": text(png_of(100_000, 100_000))},
    "an image of 100 megapixels, without pixels": POINT | {"image": text(png_of(12_000, 9_000))},
    "an image as wide as can be": POINT | {"image": text(png_of(2**31 - 1, 1))},
    "an image without a side": POINT | {"image": text(png_of(0, 5))},
    "a drawing": POINT | {"image": text(b"<svg xmlns='http://www.w3.org/2000/svg'/>")},
    "points that are no numbers": POINT | {"pos_points": [[float("nan"), 8]]},
    "points beyond all numbers": POINT | {"pos_points": [[float("inf"), 8]]},
    "points beyond all frames": POINT | {"pos_points": [[1e300, 8]]},
    "points as numbers of 400 digits": POINT | {"neg_points": [[10**400, 8]]},
    "points as texts": POINT | {"pos_points": [["7", "8"]]},
    "points as objects": POINT | {"pos_points": [{"x": 7, "y": 8}]},
    "points with three numbers": POINT | {"pos_points": [[7, 8, 9]]},
    "points in deep lists": POINT | {"pos_points": DEEP},
    "points in deep lists beside points": POINT | {"neg_points": [[7, 8], [DEEP, 8]]},
    "points as an object": POINT | {"pos_points": {"0": [7, 8]}},
    "half a box": POINT | {"obj_bbox": [[1, 2]]},
    "a box in one list": POINT | {"obj_bbox": [1, 2, 3, 4]},
    "very many points": POINT | {"pos_points": [[7, 8]] * 100_000},
    "very many boxes": POINT | {"obj_bbox": [[1, 2], [3, 4]] * 1000},
    "a threshold of another kind": POINT | {"threshold": [0.5]},
    "a threshold that is no number": POINT | {"threshold": float("nan")},
    "a threshold beyond all": POINT | {"threshold": 2},
}
ANSWERED: dict[str, object] = {
    "points missing": {"image": FRAME},
    "points null": {"image": FRAME, "pos_points": None, "neg_points": None, "obj_bbox": None},
    "points far away": POINT | {"pos_points": [[-1e6, 1e6]]},
    "points twice": POINT | {"pos_points": [[7, 8]] * 10, "neg_points": [[7, 8]] * 10},
    "a box beside the frame": POINT | {"obj_bbox": [[1000, 1000], [2000, 2000]]},
    "a box without an area": POINT | {"obj_bbox": [[5, 5], [5, 5]]},
    "a threshold of next to nothing": POINT | {"threshold": 5e-324},
    "fields that nobody knows": POINT | {"__class__": "x", "context": DEEP, "": None},
}


@pytest.mark.parametrize("content_type", ["application/json", JSON])
@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_cvat_sends_is_refused_with_a_sentence(
    function: Processor, kind: str, content_type: str
) -> None:
    reply = function.invoke(json.dumps(REFUSED[kind]).encode(), content_type)
    assert reply.status == 400, reply.body
    assert reply.json["error"].endswith(".")
    assert "Traceback" not in json.dumps(reply.logs)


@pytest.mark.parametrize("kind", ANSWERED)
def test_odd_clicks_are_answered(function: Processor, kind: str) -> None:
    reply = function.invoke(json.dumps(ANSWERED[kind]).encode(), JSON)
    assert reply.status == 200, reply.body


def test_afterwards_clicks_get_the_same_answer_as_ever(
    function: Processor, payload: Callable[[str], Any]
) -> None:
    click = json.dumps(payload("request_points_1")).encode()
    with running(MAIN, {"RITM_DEVICE": "cpu", "RITM_ENGINE": "torch"}) as fresh:
        assert function.invoke(click).body == fresh.invoke(click).body
