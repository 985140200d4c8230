"""From regions to objects: signs, groups, pixels and ids."""

import math

import pytest

from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.errors import TaskError
from ritm_backend.label_studio.options import ProjectOptions
from ritm_backend.label_studio.prompts import objects_in, objects_of_task, stable_id
from ritm_backend.label_studio.regions import read_regions
from ritm_model.clicks import Click
from ritm_model.inference import Box
from ritm_model.masks.brush_rle import decode


@pytest.fixture
def objects(config):
    return lambda *results: list(objects_in(read_regions(list(results)), config))


def recorded_object(body):
    reading = read_regions(body["params"]["context"]["result"])
    (found,) = objects_in(reading, parse_config(body["label_config"]))
    return found


def test_recorded_clicks_become_pixels_of_the_image(recorded):
    clicks = recorded_object(recorded("15")).clicks(800, 600)

    assert [c.is_positive for c in clicks] == [True, True, False]
    assert (clicks[0].x, clicks[0].y) == (pytest.approx(209.001), pytest.approx(300))


def test_a_rotated_view_changes_nothing_but_what_is_echoed(recorded):
    found = recorded_object(recorded("19"))
    (click,) = found.clicks(800, 600)

    assert (click.x, click.y) == (pytest.approx(175.631), pytest.approx(122.663))
    assert found.frame.rotation == 90


def test_an_exif_rotated_image_is_addressed_upright(recorded):
    found = recorded_object(recorded("20"))
    (click,) = found.clicks(600, 800)

    assert (found.frame.width, found.frame.height) == (600, 800)
    assert (click.x, click.y) == (pytest.approx(460.3175), pytest.approx(200))


def test_reloaded_clicks_without_sign_are_stale_once_a_fresh_one_is_there(recorded):
    for number, fresh in (("13", "G0wku4Lg9z"), ("14", "as4kt2Bu6M")):
        assert [p.id for p in recorded_object(recorded(number)).points] == [fresh]


def test_without_any_sign_all_clicks_are_positive(objects, keypoint):
    (found,) = objects(keypoint("a"), keypoint("b"))

    assert [c.is_positive for c in found.clicks(10, 10)] == [True, True]


def test_clicks_are_clamped_into_the_image(objects, keypoint):
    (found,) = objects(keypoint("a", x=-3, y=100), keypoint("b", x=1e8, y=50))

    assert found.clicks(200, 100) == (Click(0, 99), Click(199, 50))


def test_labels_images_and_items_are_different_objects(objects, keypoint):
    found = objects(
        keypoint("a"),
        keypoint("b", label="Dog"),
        keypoint("c", item_index=1),
        keypoint("d", to_name="other", from_name="kp2"),
        keypoint("e"),
        keypoint("f", parentID="a"),
    )

    assert [[p.id for p in o.points] for o in found] == [["a", "e"], ["b"], ["c"], ["d"], ["f"]]


def test_points_of_plain_tools_beside_smart_ones_are_not_clicks(keypoint):
    config = parse_config(
        """<View><Image name="image" value="$image"/><KeyPointLabels name="joints" toName="image"/>
        <KeyPoint name="kp" toName="image" smart="true"/></View>"""
    )
    reading = read_regions(
        [keypoint("a", from_name="joints"), keypoint("b"), keypoint("c", from_name="labels")]
    )

    assert [[p.id for p in o.points] for o in objects_in(reading, config)] == [["b", "c"]]


def test_only_negative_clicks_ask_for_nothing(objects, keypoint):
    (found,) = objects(keypoint("a", sign=False))

    assert not found.is_asked_for


def test_a_box_is_a_region_with_a_click_at_its_centre(objects, rectangle):
    (found,) = objects(rectangle("r"))

    assert found.is_asked_for
    assert found.region(200, 100) == Box(20, 20, 80, 60)
    assert found.clicks(200, 100) == (Click(50, 40),)


def test_a_box_with_a_positive_click_leaves_the_choice_of_place_to_it(objects, rectangle, keypoint):
    (found,) = objects(rectangle("r"), keypoint("a", x=20, sign=True))
    (negative,) = objects(rectangle("r"), keypoint("a", x=20, sign=False))

    assert found.clicks(200, 100) == (Click(40, 50),)
    assert found.region(200, 100) == Box(20, 20, 80, 60)
    assert negative.clicks(200, 100) == (Click(50, 40), Click(40, 50, False))


def test_of_several_boxes_the_newest_counts(objects, rectangle):
    (found,) = objects(rectangle("old"), rectangle("new", x=50))

    assert found.first.id == "new"


def test_a_turned_box_gives_the_box_around_it(objects, rectangle):
    # 60 x 40 pixels, turned by 90 degrees clockwise about (100, 20): it now hangs to the left and down.
    (found,) = objects(rectangle("r", x=50, rotation=90))
    region = found.region(200, 100)

    assert (region.left, region.right) == (pytest.approx(60, abs=1), pytest.approx(100, abs=1))
    assert (region.top, region.bottom) == (pytest.approx(20, abs=1), pytest.approx(80, abs=1))
    (click,) = found.clicks(200, 100)
    assert math.hypot(click.x - 80, click.y - 50) < 1e-6


def test_a_box_at_the_edge_keeps_a_pixel_inside(objects, rectangle):
    (found,) = objects(rectangle("r", x=99.9, y=-200, height=200.1))

    assert found.region(200, 100) == Box(199, 0, 200, 1)


@pytest.mark.parametrize("side", [{"x": 100}, {"y": 150}, {"x": -30}, {"y": -200}, {"x": -1, "rotation": 90}])
def test_a_box_outside_the_image_is_refused(objects, rectangle, side):
    (found,) = objects(rectangle("r", **side))

    with pytest.raises(TaskError, match="outside"):
        found.clicks(200, 100)


class TestStrokesOfASmartBrush:
    def test_their_clicks_lie_on_what_is_left_of_them(self, recorded):
        body = recorded("23")
        found = recorded_object(body)
        (stroke,) = body["params"]["context"]["result"]
        drawn_HW = decode(stroke["value"]["rle"], 800, 600)
        clicks = found.clicks(800, 600)

        assert found.label == "Coin"
        assert found.is_asked_for
        assert len(clicks) == 3
        assert all(click.is_positive and drawn_HW[int(click.y), int(click.x)] for click in clicks)

    def test_the_object_keeps_its_id_while_its_stroke_grows(self, recorded):
        before, after = recorded_object(recorded("22")), recorded_object(recorded("23"))
        assert stable_id(1, before) == stable_id(1, after)
        assert before.clicks(800, 600) != after.clicks(800, 600)

    def test_they_lie_where_they_were_drawn_on_a_smaller_picture(self, recorded):
        whole, half = (recorded_object(recorded("22")).clicks(*size) for size in ((800, 600), (400, 300)))
        assert [(c.x / 2, c.y / 2) for c in whole] == [(c.x, c.y) for c in half]

    @pytest.mark.parametrize(
        ("smart", "more", "asks"),
        [
            ("true", "", True),
            ("false", "", False),
            ("false", '<Brush name="b" toName="image" smart="true"/>', False),
        ],
    )
    def test_masks_of_a_plain_brush_are_none(self, recorded, smart, more, asks):
        body = recorded("22")
        config = (
            body["label_config"]
            .replace('smart="true"', f'smart="{smart}"')
            .replace("</View>", f"{more}</View>")
        )
        reading = read_regions(body["params"]["context"]["result"])
        assert bool(list(objects_in(reading, parse_config(config)))) is asks

    def test_masks_that_stand_in_a_task_are_none(self, recorded):
        body = recorded("22")
        task = {"annotations": [{"id": 1, "result": body["params"]["context"]["result"]}]}
        assert objects_of_task(task, parse_config(body["label_config"])) == ([], [])


def test_ids_stay_while_an_object_grows_and_differ_between_objects(objects, keypoint):
    (one,) = objects(keypoint("a", sign=True))
    (two,) = objects(keypoint("a", sign=True, x=51), keypoint("b", sign=False))
    others = objects(keypoint("b"), keypoint("a", label="Dog"), keypoint("a2", item_index=1))

    ids = {stable_id(1, o) for o in others} | {stable_id(2, one), stable_id(1, one)}
    assert stable_id(1, one) == stable_id(1, two)
    assert len(ids) == 5
    assert all(len(id) == 12 and int(id, 16) >= 0 for id in ids)


def test_an_id_never_changes_between_versions(objects, keypoint):
    (found,) = objects(keypoint("CtNIxxR_UU", sign=True))

    assert stable_id(1, found) == "c29612155a13"


def test_strange_ids_are_fine(objects, keypoint):
    (found,) = objects(keypoint("\ud800|\0"))

    assert stable_id("\udfff", found)


class TestClicksThatStandInATask:
    @pytest.fixture
    def ids(self, config):
        def of(task):
            objects, _ = objects_of_task(task, config)
            return [[p.id for p in o.points] for o in objects]

        return of

    def test_annotations_come_before_predictions_and_drafts_before_both(self, ids, keypoint):
        task = {
            "predictions": [{"id": 1, "result": [keypoint("p")]}],
            "annotations": [{"id": 2, "result": [keypoint("a")]}],
            "drafts": [{"id": 3, "result": [keypoint("d")]}],
        }

        assert ids(task) == [["d"]]
        assert ids(task | {"drafts": []}) == [["a"]]
        assert ids(task | {"drafts": [], "annotations": []}) == [["p"]]

    def test_the_newest_source_with_clicks_counts(self, ids, keypoint):
        annotations = [
            {"id": 1, "updated_at": "2026-01-02T00:00:00Z", "result": [keypoint("newer")]},
            {"id": 2, "updated_at": "2026-01-01T00:00:00Z", "result": [keypoint("older")]},
            {"id": 3, "updated_at": "2026-01-03T00:00:00Z", "result": []},
        ]

        assert ids({"annotations": annotations}) == [["newer"]]

    def test_cancelled_annotations_and_those_with_a_draft_do_not_count(self, ids, keypoint):
        annotations = [
            {"id": 1, "result": [keypoint("cancelled")], "was_cancelled": True},
            {"id": 2, "result": [keypoint("drafted")]},
        ]

        assert ids({"annotations": annotations, "drafts": [{"id": 1, "annotation": 2, "result": []}]}) == []

    def test_one_object_per_label(self, ids, keypoint):
        result = [
            keypoint("a"),
            keypoint("b", label="Dog"),
            keypoint("c"),
            keypoint("d", label="Fish", sign=None),
        ]

        assert ids({"predictions": [{"result": result}]}) == [["a", "c"], ["b"], ["d"]]

    def test_objects_with_only_negative_clicks_are_not_asked_for(self, ids, keypoint):
        assert ids({"annotations": [{"result": [keypoint("a", sign=False)]}]}) == []

    @pytest.mark.parametrize("odd", [None, 5, "x", {}, [None, 5, {"result": 7}]])
    def test_odd_tasks_hold_none(self, ids, odd):
        assert ids({"annotations": odd, "drafts": odd, "predictions": odd}) == []


@pytest.mark.parametrize(
    ("count", "most", "sign", "objects"),
    [(12, 12, None, 1), (13, 12, None, 13), (13, 12, True, 1), (1, 0, None, 1), (2, 0, None, 2)],
)
def test_unsigned_points_of_one_label_that_are_many_are_counted(config, keypoint, count, most, sign, objects):
    points = [keypoint(f"p{number}", sign=sign) for number in range(count)]
    found, _ = objects_of_task({"id": 1, "predictions": [{"result": points}]}, config, most)

    assert len(found) == objects
    assert sum(len(each.points) for each in found) == count


class TestSeveralBoxesOfOneLabel:
    @pytest.fixture
    def objects(self, config):
        def of(*results, most=12):
            found, _ = objects_of_task({"predictions": [{"result": list(results)}]}, config, most)
            return [(each.box and each.box.id, [point.id for point in each.points]) for each in found]

        return of

    def test_points_belong_to_the_smallest_box_around_them(self, objects, keypoint, rectangle):
        small = rectangle("small", x=40, y=40, width=20, height=20)
        large = rectangle("large", x=0, y=0, width=70, height=70)
        points = [keypoint("inner"), keypoint("outer", x=10, y=10), keypoint("beside", x=90)]

        assert objects(large, *points, small) == [
            ("large", ["outer"]),
            ("small", ["inner"]),
            (None, ["beside"]),
        ]

    def test_negative_clicks_stay_with_theirs(self, objects, keypoint, rectangle):
        boxes = [rectangle("a", x=0), rectangle("b", x=60)]
        points = [keypoint("no", x=65, y=30, sign=False), keypoint("nowhere", x=50, y=90, sign=False)]

        assert objects(*boxes, *points) == [("a", []), ("b", ["no"])]

    def test_a_turned_box_holds_what_lies_in_its_turned_place(self, objects, keypoint, rectangle):
        # 60 x 40 pixels from x = 100 on, which then hang to the left.
        boxes = [rectangle("turned", x=50, rotation=90), rectangle("b", x=0, y=0, width=5, height=5)]

        assert objects(*boxes, keypoint("in", x=45, y=70)) == [("turned", ["in"]), ("b", [])]
        assert objects(*boxes, keypoint("out", x=70, y=30))[2:] == [(None, ["out"])]

    def test_hundreds_of_boxes_and_counted_points_are_as_many_objects(self, objects, keypoint, rectangle):
        places = [(5 * (number % 20), 6 * (number // 20)) for number in range(300)]
        boxes = [rectangle(f"b{x} {y}", x=x, y=y, width=4, height=4) for x, y in places]
        points = [keypoint(f"p{x} {y}", x=x + 2, y=y + 2) for x, y in places]

        assert objects(*boxes, *points) == [(f"b{x} {y}", [f"p{x} {y}"]) for x, y in places]

    def test_many_points_in_a_box_are_counted_things(self, objects, keypoint, rectangle):
        around, other = rectangle("around", x=0, y=0, width=90, height=90), rectangle("other", x=95, y=95)
        points = [keypoint(f"p{number}", x=number) for number in range(13)]

        singles = [(None, [f"p{number}"]) for number in range(13)]
        assert objects(around, *points) == [("around", []), *singles]
        assert objects(around, other, *points) == [("around", []), ("other", []), *singles]


def test_the_project_says_how_many_points_one_object_may_have():
    found = {name: ProjectOptions(points=name).most_points_of_one for name in ("auto", "one", "each")}

    assert (found["auto"], found["each"]) == (12, 0)
    assert found["one"] > 100_000
