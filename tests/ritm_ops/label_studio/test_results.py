"""Results of Label Studio, from any hand, become masks or sentences."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ritm_model.masks import brush_rle
from ritm_ops.label_studio.results import Drawing, read_results
from ritm_ops.label_studio.shapes import ShapeError

HEIGHT, WIDTH = 30, 40


def ring() -> np.ndarray:
    mask_HW = np.zeros((HEIGHT, WIDTH), bool)
    mask_HW[4:16, 5:20] = True
    mask_HW[8:12, 9:14] = False
    return mask_HW


def png_url(mask_HW: np.ndarray, mode: str = "RGBA") -> str:
    alpha = Image.fromarray(mask_HW.astype(np.uint8) * 255)
    picture = alpha.convert(mode)
    if mode == "RGBA":
        picture = Image.merge("RGBA", [Image.new("L", alpha.size)] * 3 + [alpha])
    file = io.BytesIO()
    picture.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def result(kind: str, value: object, **changes: Any) -> dict[str, Any]:
    size = {"original_width": WIDTH, "original_height": HEIGHT}
    return {
        "id": "r",
        "type": kind,
        "from_name": "tool",
        "to_name": "image",
        **size,
        "value": value,
        **changes,
    }


def only(results: list[dict[str, Any]]) -> Drawing:
    found = read_results(results)
    assert not found.broken
    (drawing,) = found.drawings
    return drawing


BOX = {"x": 25, "y": 20, "width": 50, "height": 40, "rotation": 0}
POINTS = [[25, 20], [75, 20], [75, 60], [25, 60]]


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("brush", {"format": "rle", "rle": brush_rle.encode(ring())}, ring()),
        ("bitmask", {"imageDataURL": png_url(ring())}, ring()),
        ("bitmask", {"imageDataURL": png_url(ring(), "L")}, ring()),
        ("polygon", {"points": POINTS, "closed": True}, None),
        ("rectangle", BOX, None),
    ],
)
@pytest.mark.parametrize("is_labelled", [True, False])
def test_every_kind(kind: str, value: dict[str, Any], expected: np.ndarray | None, is_labelled: bool) -> None:
    """With labels of its own, or with those of a `Labels` tag beside it under the same id."""
    if expected is None:
        expected = np.zeros((HEIGHT, WIDTH), bool)
        expected[6:18, 10:30] = True
    if is_labelled:
        results = [result(f"{kind}labels", {**value, f"{kind}labels": ["Cat"]})]
    else:
        named = {key: item for key, item in value.items() if key not in ("rle", "imageDataURL")}
        results = [result(kind, value), result("labels", {**named, "labels": ["Cat"]}, from_name="label")]
    drawing = only(results)
    assert (drawing.kind, drawing.label, drawing.to_name) == (kind, "Cat", "image")
    np.testing.assert_array_equal(drawing.mask(HEIGHT, WIDTH), expected)


def test_the_tool_of_a_brush_is_named_whichever_result_comes_first() -> None:
    """Where labels are a control of their own, both results of a brush hold its mask."""
    value = {"format": "rle", "rle": brush_rle.encode(ring())}
    drawn = result("brush", value, from_name="brush")
    named = result("labels", {**value, "labels": ["Cat"]}, from_name="label")
    for results in ([drawn, named], [named, drawn]):
        drawing = only(results)
        assert (drawing.from_name, drawing.label) == ("brush", "Cat")
    assert only([named]).from_name == "label"


def test_an_ellipse_is_as_large_as_its_radii_say_and_turns() -> None:
    value = {"x": 50, "y": 50, "radiusX": 20, "radiusY": 10, "rotation": 0, "ellipselabels": ["Cat"]}
    drawing = only([result("ellipselabels", value, original_width=400, original_height=400)])
    mask_HW = drawing.mask(400, 400)
    assert mask_HW.sum() == pytest.approx(np.pi * 80 * 40, rel=0.01)
    assert mask_HW[200, 130]
    assert not mask_HW[130, 200]
    turned = only([result("ellipse", {**value, "rotation": 90}, original_width=400, original_height=400)])
    np.testing.assert_array_equal(turned.mask(400, 400), np.rot90(mask_HW))


def test_a_turned_box_is_turned_in_pixels() -> None:
    box = {"x": 50, "y": 0, "width": 25, "height": 50, "rotation": 90}
    mask_HW = only([result("rectangle", box)]).mask(HEIGHT, WIDTH)
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[:10, 5:20] = True
    np.testing.assert_array_equal(mask_HW, expected)


def test_sizes_may_be_floats_or_missing() -> None:
    polygon = {"points": POINTS, "polygonlabels": ["Cat"]}
    for size in ({"original_width": 40.0, "original_height": 30.0}, {"original_width": None}):
        assert only([result("polygonlabels", polygon, **size)]).mask(HEIGHT, WIDTH).sum() == 12 * 20


def test_another_size_is_refused_and_a_turn_is_named() -> None:
    drawing = only([result("polygonlabels", {"points": POINTS})])
    with pytest.raises(ShapeError, match="orientation"):
        drawing.mask(WIDTH, HEIGHT)
    with pytest.raises(ShapeError, match=r"5 x 5\.$"):
        drawing.mask(5, 5)


def test_what_encloses_nothing_is_counted_and_one_broken_region_is_one() -> None:
    results = [
        result("keypointlabels", {"x": 1, "y": 2}),
        result("keypointlabels", {"rle": [1], "keypointlabels": ["Cat"]}),
        result("polygonlabels", {"points": [[1, 2], [3, 4]]}, id="two points"),
        result("polygonlabels", {"points": POINTS}, id="good"),
        {"type": "relation", "from_id": "a"},
        5,
    ]
    found = read_results(results)
    assert [drawing.id for drawing in found.drawings] == ["good"]
    assert [id for id, _ in found.broken] == ["two points"]
    assert found.others == {
        "keypointlabels": 1,
        "keypointlabels that repeats a mask": 1,
        "relation": 1,
        "broken result": 1,
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
keys = (
    "rle",
    "imageDataURL",
    "points",
    "x",
    "y",
    "width",
    "height",
    "radiusX",
    "radiusY",
    "rotation",
    "labels",
)
values = st.dictionaries(st.sampled_from(keys), st.floats(-200, 200) | json_values)
kinds = st.sampled_from(["brush", "bitmask", "polygon", "rectangle", "ellipse", "labels", "x"])
anything = st.lists(
    st.fixed_dictionaries(
        {"type": kinds, "value": values | json_values},
        optional={"id": json_values, "item_index": json_values, "original_width": json_values},
    )
    | json_values,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(anything | json_values)
def test_anything_is_read_or_refused_with_a_sentence(results: object) -> None:
    for drawing in read_results(json.loads(json.dumps(results))).drawings:
        check_painted(drawing)


def check_painted(drawing: Drawing) -> None:
    try:
        mask_HW = drawing.mask(HEIGHT, WIDTH)
    except ShapeError as error:
        assert str(error).endswith(".")
    else:
        assert mask_HW.shape == (HEIGHT, WIDTH)
        assert mask_HW.dtype == np.bool_


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 0.99), st.sampled_from(["RGBA", "L", "1", "P"]))
def test_bitmasks_of_any_mode_come_out_as_they_went_in(seed: int, share: float, mode: str) -> None:
    mask_HW = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < share
    drawing = only([result("bitmasklabels", {"imageDataURL": png_url(mask_HW, mode)})])
    np.testing.assert_array_equal(drawing.mask(HEIGHT, WIDTH), mask_HW)
