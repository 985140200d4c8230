"""Every recorded request is read, and every malformed one gets a sentence."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat_serverless.request import MAX_PROMPTS, InteractionError, read_request
from ritm_model.clicks import Click
from ritm_model.inference import Box

Payload = Callable[[str], Any]

GOOD = sorted(
    path.stem
    for path in (Path(__file__).parents[1] / "payloads" / "cvat").glob("request_*.json")
    if path.stem not in ("request_bad_points", "request_missing_image")
)


@pytest.mark.parametrize("name", GOOD)
def test_recorded_requests_are_read_from_a_dict_and_from_bytes(payload: Payload, name: str) -> None:
    body = payload(name)

    request = read_request(body)

    assert request.image == body["image"]
    assert [(click.x, click.y) for click in request.prompts.positives] == [
        tuple(point) for point in body["pos_points"]
    ]
    assert len(request.prompts.negatives) == len(body["neg_points"])
    assert read_request(json.dumps(body).encode()) == request


def test_clicks_have_their_sign(payload: Payload) -> None:
    prompts = read_request(payload("request_points_pos_neg")).prompts

    assert prompts.positives == (Click(7.4, 8.1), Click(9.02, 10.5))
    assert prompts.negatives == (Click(3.0, 3.25, is_positive=False),)


def test_boxes_come_as_pairs_of_corners(payload: Payload) -> None:
    first, second = Box(3.2, 4.0, 11.9, 12.6), Box(14.0, 2.0, 21.7, 12.9)

    assert read_request(payload("request_box")).prompts.boxes == (first,)
    assert read_request(payload("request_two_boxes")).prompts.boxes == (first, second)
    for name in ("request_bbox_null", "request_legacy_no_bbox_key", "request_points_1"):
        assert read_request(payload(name)).prompts.boxes == ()


def test_corners_may_come_in_any_order(payload: Payload) -> None:
    body = payload("request_box") | {"obj_bbox": [[11.9, 4.0], [3.2, 12.6]]}

    assert read_request(body).prompts.boxes == (Box(3.2, 4.0, 11.9, 12.6),)


def test_the_threshold_is_optional(payload: Payload) -> None:
    body = payload("request_threshold")

    assert read_request(body).prompts.threshold == 0.6
    for absent in (None, 0, 0.0):
        assert read_request(body | {"threshold": absent}).prompts.threshold is None
    assert read_request(payload("request_points_1")).prompts.threshold is None


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": None}, "holds no image"),
        ({"image": ""}, "holds no image"),
        ({"image": 7}, "holds no image"),
        ({"pos_points": [[7.4]]}, "'pos_points' holds a point that is not a pair"),
        ({"pos_points": [["7", "8"]]}, "'pos_points' holds a point that is not a pair"),
        ({"pos_points": [[True, 8]]}, "'pos_points' holds a point that is not a pair"),
        ({"pos_points": [[float("nan"), 8]]}, "'pos_points' holds a point that is not a pair"),
        ({"pos_points": [[float("inf"), 8]]}, "'pos_points' holds a point that is not a pair"),
        ({"pos_points": [[10**400, 8]]}, "'pos_points' holds a point that is not a pair"),
        ({"neg_points": [7.4, 8.1]}, "'neg_points' holds a point that is not a pair"),
        ({"neg_points": "7,8"}, "'neg_points' is not a list"),
        ({"obj_bbox": [[1, 2], [3, 4], [5, 6]]}, "odd number of corners"),
        ({"obj_bbox": [1, 2, 3, 4]}, "'obj_bbox' holds a point that is not a pair"),
        ({"threshold": 1.5}, "'threshold' is not a number between"),
        ({"threshold": "high"}, "'threshold' is not a number between"),
        ({"threshold": True}, "'threshold' is not a number between"),
        ({"pos_points": [[1, 1]] * (MAX_PROMPTS + 1)}, "more than 200"),
    ],
)
def test_a_wrong_field_is_named(payload: Payload, changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(InteractionError, match=sentence):
        read_request(payload("request_points_1") | changes)


@pytest.mark.parametrize("name", ["request_missing_image", "request_bad_points"])
def test_recorded_bad_requests_are_refused(payload: Payload, name: str) -> None:
    with pytest.raises(InteractionError):
        read_request(payload(name))


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe\x00", "[1, 2", b"[]", b"7", b"[" * 100_000, None, 3.5, ["image"]]
)
def test_what_is_no_json_object_is_refused(body: object) -> None:
    with pytest.raises(InteractionError, match="The body is not"):
        read_request(body)


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["image", "pos_points", "neg_points", "obj_bbox", "threshold"]), junk))
def test_junk_is_read_or_refused_and_nothing_else(body: dict[str, object]) -> None:
    with contextlib.suppress(InteractionError):
        read_request(body)
