"""One click after the other, as an annotator makes them; and everything that can go wrong with a task."""

import re
import threading

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st


@pytest.fixture
def click(client, recorded):
    """Send clicks (id, x percent, y percent, sign) on a task, and get its result."""

    def send(*clicks, task=None, config=None, **fields):
        body = recorded("04")
        body["tasks"][0] |= task or {}
        if config is not None:
            body["label_config"] = config
        example = body["params"]["context"]["result"][0]
        body["params"]["context"]["result"] = [
            {**example, "id": id, "is_positive": sign, "value": {**example["value"], "x": x, "y": y}} | fields
            for id, x, y, sign in clicks
        ]
        answer = client.post("/predict", json=body)
        assert answer.status_code == 200
        (result,) = answer.json["results"]
        return result

    return send


def test_the_region_keeps_its_id_while_clicks_are_added(click):
    first = click(("a", 31, 50, True))["result"]
    second = click(("a", 31, 50, True), ("b", 40, 70, False))["result"]
    other = click(("b", 31, 50, True))["result"]

    assert first[0]["id"] == second[0]["id"] != other[0]["id"]


def test_one_more_click_runs_the_network_for_that_click_only(click, annotator):
    click(("n1", 30, 50, True), ("n2", 32, 55, True))
    before = annotator.stats()
    click(("n1", 30, 50, True), ("n2", 32, 55, True), ("n3", 50, 50, False))
    after = annotator.stats()

    assert after.clicks_run - before.clicks_run == 1
    assert after.images_loaded == before.images_loaded


def test_undo_and_a_dragged_click_give_what_a_fresh_server_would(click):
    together = click(("u1", 30, 50, True), ("u2", 35, 52, True))
    undone = click(("u1", 30, 50, True))
    dragged = click(("u1", 74, 31, True))

    assert undone["result"] == click(("u1", 30, 50, True), task={"id": 1})["result"]
    assert undone["result"][0]["value"] != dragged["result"][0]["value"]
    assert click(("u1", 30, 50, True), ("u2", 35, 52, True)) == together


def test_only_negative_clicks_show_nothing(click):
    assert click(("a", 31, 50, False))["result"] == []


def test_a_negative_click_inside_an_existing_mask_refines_it(click, mask_of):
    existing = click(("e1", 31, 50, True))["result"][0]
    draft = {"id": 9, "result": [existing | {"id": "kept"}]}

    refined = click(("e2", 31, 50, False), task={"drafts": [draft]})["result"]

    assert [r["id"] for r in refined] in (["kept"], [])
    if refined:
        assert (mask_of(refined[0]) != mask_of(existing)).any()


def test_a_refinement_keeps_its_region_although_the_draft_changes(click):
    existing = click(("s1", 31, 50, True))["result"][0] | {"id": "kept"}
    first = click(("s2", 31, 50, True), task={"drafts": [{"id": 9, "result": [existing]}]})
    second = click(("s2", 31, 50, True), ("s3", 34, 55, True), task={"drafts": []})

    assert first["result"][0]["id"] == second["result"][0]["id"] == "kept"


def test_a_refined_region_keeps_its_own_brush(click):
    config = """<View><Image name="image" value="$image"/>
      <BrushLabels name="first" toName="image"><Label value="Object"/></BrushLabels>
      <BrushLabels name="second" toName="image"><Label value="Object"/></BrushLabels>
      <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Object"/></KeyPointLabels></View>"""
    (made,) = click(("s1", 31, 50, True), config=config)["result"]
    assert made["from_name"] == "first"
    stored = {"id": 51, "drafts": [{"id": 1, "result": [made | {"id": "R", "from_name": "second"}]}]}

    (refined,) = click(("s2", 31, 50, True), config=config, task=stored)["result"]

    assert (refined["id"], refined["from_name"]) == ("R", "second")


def test_a_smaller_version_of_the_image_gives_a_mask_of_the_shown_size(click, mask_of):
    (region,) = click(("a", 31, 50, True), task={"id": 50, "data": {"image": "/data/upload/1/small.jpg"}})[
        "result"
    ]

    assert mask_of(region).shape == (600, 800)
    assert mask_of(region)[300, 248]


def test_without_sizes_the_image_says_them(click):
    (region,) = click(("a", 31, 50, True), original_width=None, original_height=None)["result"]

    assert (region["original_width"], region["original_height"]) == (800, 600)


def test_an_item_of_a_list_of_images(click, label_studio):
    config = """<View><Image name="image" valueList="$pages"/>
      <BrushLabels name="brush" toName="image"><Label value="Object"/></BrushLabels>
      <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Object"/></KeyPointLabels></View>"""
    task = {"id": 60, "data": {"pages": ["/data/upload/1/p0.jpg", "/data/upload/1/p1.jpg"]}}

    (region,) = click(("a", 31, 50, True), task=task, config=config, item_index=1)["result"]

    assert region["item_index"] == 1
    assert "/data/upload/1/p1.jpg" in label_studio.asked
    assert "/data/upload/1/p0.jpg" not in label_studio.asked


def test_a_page_of_a_repeater(click, label_studio):
    config = """<View><Repeater on="$images" indexFlag="{{idx}}">
      <Image name="page_{{idx}}" value="$images[{{idx}}].url"/>
      <BrushLabels name="brush_{{idx}}" toName="page_{{idx}}"><Label value="Object"/></BrushLabels>
      <KeyPointLabels name="kp_{{idx}}" toName="page_{{idx}}" smart="true">
      <Label value="Object"/></KeyPointLabels></Repeater></View>"""
    pages = [{"url": f"/data/upload/1/r{number}.jpg"} for number in range(2)]

    (region,) = click(
        ("a", 31, 50, True),
        task={"id": 61, "data": {"images": pages}},
        config=config,
        to_name="page_1",
        from_name="kp_1",
    )["result"]

    assert (region["from_name"], region["to_name"]) == ("brush_1", "page_1")
    assert "/data/upload/1/r1.jpg" in label_studio.asked
    assert "/data/upload/1/r0.jpg" not in label_studio.asked


@pytest.mark.parametrize(
    ("task", "config", "sentence"),
    [
        ({"data": {"image": "/data/upload/1/gone.jpg"}}, None, "has no image"),
        ({"data": {"image": "/data/upload/1/text.jpg"}}, None, "image"),
        ({"data": {"image": "file:///etc/passwd"}}, None, "none of the folders"),
        ({"data": {}}, None, "no image under '\\$image'"),
        ({}, "<View", "not well-formed"),
        ({}, '<View><Image name="image" value="$image"/></View>', "no BrushLabels, BitmaskLabels"),
        ({"data": {"image": "/data/upload/1/exif6.jpg"}}, None, "600 x 800 .* 800 x 600"),
    ],
    ids=["gone", "no image", "file", "no reference", "no xml", "no brush", "other shape"],
)
def test_a_task_that_cannot_be_answered_says_why(click, caplog, task, config, sentence):
    result = click(("a", 31, 50, True), task={"id": 70} | task, config=config)

    assert result["result"] == []
    assert re.search(sentence, result["message"])
    (line,) = [record for record in caplog.records if record.message == "request"]
    assert line.levelname == "WARNING"
    assert line.fields["problems"] == [result["message"]]
    assert line.fields["task"] == 70


def test_one_bad_task_of_a_batch_leaves_the_others_their_masks(client, recorded):
    body = recorded("06")
    point = {
        "id": "p",
        "type": "keypointlabels",
        "from_name": "kp",
        "to_name": "image",
        "value": {"x": 31, "y": 50, "keypointlabels": ["Object"]},
    }
    task = body["tasks"][0] | {"predictions": [{"result": [point]}]}
    body["tasks"] = [task | {"id": 80, "data": {"image": "/data/upload/1/gone.jpg"}}, task | {"id": 81}]

    bad, good = client.post("/predict", json=body).json["results"]

    assert bad == []
    assert len(good["result"]) == 1


@pytest.mark.slow
def test_annotators_at_the_same_time_get_their_own_masks(click):
    """Thirty requests on six images, in parallel, equal the same requests one by one."""
    places = [(31, 50), (74, 31), (33, 45), (72, 35), (28, 52)]

    def requests(prefix):
        for image in range(6):
            for n, (x, y) in enumerate(places):
                yield (
                    (f"{prefix}{n}", x, y, True),
                    {"id": 100 + image, "data": {"image": f"/data/upload/{image}.jpg"}},
                )

    together: dict[int, list] = {}

    def ask(index, place, task):
        together[index] = click(place, task=task)["result"]

    threads = [
        threading.Thread(target=ask, args=(index, place, task))
        for index, (place, task) in enumerate(requests("t"))
    ]
    for start in range(0, len(threads), 6):  # fewer than the process takes at once
        for thread in threads[start : start + 6]:
            thread.start()
        for thread in threads[start : start + 6]:
            thread.join()
    alone = [click(place, task=task)["result"] for place, task in requests("t")]

    assert [together[index] for index in range(len(alone))] == alone


PLACES = st.floats(-20, 120)
LABELS = st.sampled_from(["Object", "Other"])
WILD = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.lists(st.integers(), max_size=3)
)


def changed(thing, fields):
    """The same with up to one of its fields replaced by anything."""
    changes = st.just({}) | st.dictionaries(st.sampled_from(fields), WILD, max_size=1)
    return st.tuples(thing, changes).map(lambda pair: pair[0] | pair[1])


COMMON = {
    "id": st.sampled_from("abcd"),
    "to_name": st.just("image"),
    "from_name": st.sampled_from(["kp", "rect", "brush"]),
    "original_width": st.just(800),
    "original_height": st.just(600),
}
FIELDS = [*COMMON, "type", "value", "is_positive", "item_index", "image_rotation", "parentID"]
CLICKS = st.fixed_dictionaries(
    COMMON
    | {
        "type": st.just("keypointlabels"),
        "is_positive": st.booleans(),
        "value": changed(
            st.fixed_dictionaries({"x": PLACES, "y": PLACES, "labels": st.lists(LABELS, max_size=1)}),
            ["x", "y", "labels", "positive", "keypointlabels"],
        ),
    }
)
BOXES = st.fixed_dictionaries(
    COMMON
    | {
        "type": st.just("rectanglelabels"),
        "value": changed(
            st.fixed_dictionaries(dict.fromkeys(("x", "y", "width", "height", "rotation"), PLACES)),
            ["x", "y", "width", "height", "rotation", "rectanglelabels"],
        ),
    }
)
MASKS = st.fixed_dictionaries(
    COMMON
    | {
        "type": st.sampled_from(["brushlabels", "brush", "keypointlabels"]),
        "value": st.fixed_dictionaries({"rle": st.lists(st.integers(0, 255), max_size=20) | WILD}),
    }
)
LISTS = st.lists(changed(CLICKS | BOXES, FIELDS) | MASKS, min_size=1, max_size=4)
RESULTS = st.integers(0, 9).flatmap(lambda n: LISTS if n else WILD)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(context=st.fixed_dictionaries({"result": RESULTS}) | st.none(), stored=RESULTS)
def test_no_list_of_regions_makes_the_server_fail(client, recorded, context, stored):
    body = recorded("04")
    body["params"]["context"] = context
    body["tasks"][0]["annotations"] = [{"id": 1, "result": stored}]

    answer = client.post("/predict", json=body)

    assert answer.status_code == 200
    (result,) = answer.json["results"]
    regions = result["result"] if result else []
    event(f"{len(regions)} masks")
    for region in regions:
        assert None not in region["value"].get("brushlabels", ["some"])
