"""Reading results: what the editor really sends, and what anybody may send."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_backend.label_studio.regions import BoxRegion, BrushMask, KeyPoint, Reading, read_regions


def context_of(body):
    return read_regions(body["params"]["context"]["result"])


def test_clicks_keep_their_order_sign_and_place(recorded):
    points = context_of(recorded("15")).points()

    assert [p.id for p in points] == ["CtNIxxR_UU", "M05OsbCV0v", "3oKsVa-_r2"]
    assert [p.is_positive for p in points] == [True, True, False]
    assert points[0].x == pytest.approx(26.125137)
    assert points[0].label == "Object"
    assert (points[0].frame.width, points[0].frame.height) == (800, 600)


def test_a_click_that_comes_twice_with_one_id_is_one_click(recorded):
    reading = context_of(recorded("18"))

    assert [(p.id, p.label) for p in reading.points()] == [
        ("uuANJE4L8v", "Object"),
        ("3a_RuONHhf", "Object"),
        ("JvQbKv-Ekj", "Object"),
    ]
    assert [p.from_name for p in reading.points()] == ["kp", "kp", "kp"]
    assert reading.notes == ()


def test_the_label_may_stand_in_the_second_result_only(keypoint):
    bare = keypoint("a") | {"type": "keypoint", "value": {"x": 1, "y": 2, "width": 1}}
    labelled = keypoint("a") | {"type": "labels", "value": {"x": 1, "y": 2, "width": 1, "labels": ["Dog"]}}

    for results in ([bare, labelled], [labelled, bare]):
        (point,) = read_regions(results).regions
        assert isinstance(point, KeyPoint)
        assert point.label == "Dog"


def test_the_tool_of_a_region_is_named_whichever_result_comes_first(keypoint):
    value = {"x": 1, "y": 2, "width": 3, "height": 4}
    bare = keypoint("a") | {"type": "rectangle", "from_name": "rect", "value": value}
    labelled = keypoint("a") | {"type": "labels", "from_name": "label", "value": {**value, "labels": ["Dog"]}}
    only_label = labelled | {"value": {"labels": ["Dog"]}}

    for results in ([bare, labelled], [labelled, bare], [bare, only_label], [only_label, bare]):
        reading = read_regions(results)
        assert [(each.from_name, each.label) for each in reading.boxes()] == [("rect", "Dog")]
        assert not reading.notes


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("ellipse", {"x": 50, "y": 50, "radiusX": 10, "radiusY": 5, "rotation": 0}),
        ("polygon", {"points": [[1, 1], [9, 1], [5, 9]], "closed": True}),
        ("bitmask", {"imageDataURL": "data:image/png;base64,"}),
    ],
)
def test_the_label_of_a_finished_region_is_no_click(keypoint, kind, value):
    drawn = keypoint("a") | {"type": kind, "from_name": kind, "value": value}
    named = keypoint("a") | {"type": "labels", "from_name": "label", "value": {**value, "labels": ["Dog"]}}

    for results in ([drawn, named], [named, drawn], [named]):
        assert read_regions(results) == Reading((), ())


def test_value_labels_come_before_the_list_of_the_type(keypoint):
    (point,) = read_regions([keypoint("a", value={"labels": ["Dog"]})]).points()

    assert point.label == "Dog"


def test_no_label_is_none(keypoint):
    for labels in ([], [None], [5], None, "Cat", [""]):
        (point,) = read_regions([keypoint("a", value={"keypointlabels": labels})]).points()
        assert point.label is None


def test_the_sign_stands_beside_or_inside_the_value(keypoint):
    results = [
        keypoint("a", sign=False),
        keypoint("b", value={"positive": False}),
        keypoint("c", sign=True, value={"positive": False}),
        keypoint("d", sign=0),
        keypoint("e"),
        keypoint("f", sign="yes"),
    ]

    assert [p.is_positive for p in read_regions(results).points()] == [False, False, True, False, None, None]


def test_a_smart_rectangle(recorded):
    (box,) = context_of(recorded("16")).regions

    assert isinstance(box, BoxRegion)
    assert box.label == "Object"
    assert box.width > 0


def test_a_mask_is_found_once_although_a_keypoint_control_holds_it_too(recorded):
    reading = read_regions(recorded("14")["tasks"][0]["drafts"][0]["result"])

    assert [(type(r), r.id) for r in reading.regions] == [(KeyPoint, "sEzif94PQ8"), (BrushMask, "8e9db853")]
    assert reading.notes == ()


def test_a_list_of_images_says_which(keypoint):
    first, second, odd = read_regions(
        [keypoint("a"), keypoint("b", item_index=3), keypoint("c", item_index=True)]
    ).points()

    assert (first.frame.item_index, second.frame.item_index, odd.frame.item_index) == (None, 3, None)


@pytest.mark.parametrize("x", [None, "50", True, [], float("nan"), float("inf"), 10**400, -(10**400), 1e300])
def test_a_click_without_a_place_is_left_out_with_a_note(keypoint, x):
    reading = read_regions([keypoint("bad", x=x), keypoint("good")])

    assert [r.id for r in reading.regions] == ["good"]
    assert reading.notes == ("Left out the region 'bad': x and y must be numbers.",)


@pytest.mark.parametrize("side", [{"width": 0}, {"height": -1}, {"width": None}, {"x": "left"}])
def test_a_box_without_extent_is_left_out_with_a_note(rectangle, side):
    reading = read_regions([rectangle("bad", **side)])

    assert reading.regions == ()
    assert "'bad'" in reading.notes[0]


@pytest.mark.parametrize("size", [0, -5, "800", None, True, 10**9, float("nan")])
def test_a_size_that_cannot_be_is_unknown(keypoint, size):
    (point,) = read_regions([keypoint("a", original_width=size)]).points()

    assert point.frame.width is None


def test_results_without_id_stay_apart(keypoint):
    a, b = keypoint("", x=1), keypoint("", x=2)
    del a["id"]

    assert [p.x for p in read_regions([a, b]).points()] == [1, 2]


def test_what_other_tools_made_is_passed_over_silently():
    results = [{"type": "relation", "from_id": "a"}, {"type": "choices", "value": {}}, 5, None, "x", {}]

    assert read_regions(results).regions == ()
    assert read_regions(results).notes == ()
    assert read_regions(None).notes == ()
    assert read_regions({"a": 1}).notes == ("The result is not a list.",)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("id", "type", "value", "from_name", "to_name", "is_positive", "item_index", "original_width", "x")
TYPES = st.sampled_from(["keypointlabels", "keypoint", "labels", "rectanglelabels", "brushlabels", "brush"])
RESULTS = st.fixed_dictionaries(
    {"type": TYPES, "value": st.dictionaries(st.sampled_from([*"xy", "width", "height", "rle"]), ANYTHING)},
    optional={name: ANYTHING for name in FIELDS if name not in ("type", "value")},
)


@given(st.lists(RESULTS | ANYTHING, max_size=5) | ANYTHING)
def test_nothing_makes_reading_fail(results):
    for region in read_regions(results).regions:
        json.dumps(region.id)
