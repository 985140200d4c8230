"""The verdict on an answer: whatever a function says, it is one, and it looks where the mask is."""

import json
import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cvat_serverless.browser import AnswerError
from cvat_serverless.check import Probe, _judge, check_function, probes
from cvat_serverless.dashboard import Dashboard
from ritm_model.masks.cvat_rle import encode

WIDTH, HEIGHT = 8, 6
REGION = (2, 1, 6, 4)


def probe(**expected: object) -> Probe:
    return Probe("a click", {}, WIDTH, HEIGHT, **{"inside": (3, 2), **expected})  # type: ignore[arg-type]


def shapes_of(*masks: np.ndarray, **shape: object) -> str:
    return json.dumps({"shapes": [{"type": "mask", "points": encode(mask), **shape} for mask in masks]})


def block(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask_HW = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask_HW[top:bottom, left:right] = True
    return mask_HW


numbers = st.integers(-2, 12) | st.sampled_from([10**400, 1e300, float("nan"), float("inf"), 255, 0.5])
junk = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=3),
    lambda children: st.lists(children, max_size=8) | st.dictionaries(st.text(max_size=3), children),
    max_leaves=12,
)
rows = st.integers(1, 8).flatmap(
    lambda width: st.lists(st.lists(numbers | junk, min_size=width, max_size=width), max_size=6)
)
shapes: st.SearchStrategy[dict[str, object]] = st.fixed_dictionaries(
    {"type": st.sampled_from(["mask", "mask", "tag", None, 7, []])},
    optional={"points": st.lists(numbers, max_size=9) | junk, "attributes": junk},
)
answers = junk | st.fixed_dictionaries(
    {}, optional={"mask": rows | junk, "shapes": st.lists(shapes | junk, max_size=3) | junk}
)


@pytest.mark.parametrize("region", [None, REGION])
@given(answer=answers)
def test_any_json_gives_shapes_or_a_sentence(
    region: tuple[int, int, int, int] | None, answer: object
) -> None:
    try:
        verdict = _judge(probe(region=region), 200, json.dumps(answer))
    except AnswerError as error:
        verdict = str(error)
    assert verdict


@pytest.mark.parametrize("text", ["", "<html>", "[" * 100_000, "9" * 5000])
def test_what_is_no_json_gets_a_sentence(text: str) -> None:
    with pytest.raises(AnswerError, match="not JSON"):
        _judge(probe(), 200, text)


def test_a_mask_elsewhere_is_wrong() -> None:
    assert _judge(probe(), 200, shapes_of(block(1, 1, 5, 4))) == "a mask of 12 pixels"
    with pytest.raises(AnswerError, match=r"wrong place: the pixel \(3, 2\) is not in it"):
        _judge(probe(), 200, shapes_of(block(5, 3, 8, 6)))


def test_one_of_several_masks_in_the_place_is_enough() -> None:
    assert "12 pixels" in _judge(probe(), 200, shapes_of(block(5, 3, 8, 6), block(1, 1, 5, 4)))


def test_a_mask_over_the_background_that_was_clicked_is_wrong() -> None:
    asked = probe(outside=(7, 5))

    assert _judge(asked, 200, shapes_of(block(1, 1, 5, 4)))
    with pytest.raises(AnswerError, match=r"the pixel \(7, 5\) is in it"):
        _judge(asked, 200, shapes_of(block(0, 0, WIDTH, HEIGHT)))


def test_a_mask_that_the_slider_hides_is_noted() -> None:
    attributes = [{"spec_id": 0, "value": "0.4"}]

    assert "hidden until" in _judge(probe(), 200, shapes_of(block(1, 1, 5, 4), attributes=attributes))


def definition(**notes: str) -> dict[str, object]:
    return {"metadata": {"name": "f", "annotations": {"type": "interactor", **notes}}}


def test_probes_hold_what_the_function_asks_for() -> None:
    asked = {p.name: p.body for p in probes(definition(min_pos_points="4", startswith_box="true"))}

    for name, body in asked.items():
        if name == "a request without an image":
            continue
        clicks, box = body["pos_points"], body["obj_bbox"]
        assert len(set(clicks)) == len(clicks) >= 4  # type: ignore[arg-type, call-overload]
        assert len(box) == 2  # type: ignore[arg-type]
    assert "a box" not in asked
    assert "nothing marked" not in asked
    assert asked["a region of interest"]["obj_bbox"] == [(30, 20), (170, 160)]


def test_silence_is_a_finding_and_the_check_goes_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        findings = list(check_function(Dashboard(url, timeout_seconds=0.05), definition()))

    asked = {p.name for p in probes(definition())}
    silences = {f.name: f.detail for f in findings if f.name in asked}
    assert silences.keys() == asked
    assert silences["a click"] == "No answer within 0.05 s: CVAT answers 504."
    assert not any(f.ok for f in findings if f.name in asked)
