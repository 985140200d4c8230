"""Clicks through the whole application, answered as every kind of region."""

import numpy as np
import pytest

from ritm_ops.label_studio.results import read_results

TAGS = {
    "brush": "BrushLabels",
    "bitmask": "BitmaskLabels",
    "polygon": "PolygonLabels",
    "rectangle": "RectangleLabels",
    "ellipse": "EllipseLabels",
}


def config_of(*kinds):
    tools = "".join(
        f'<{TAGS[kind]} name="{kind}" toName="image"><Label value="Object"/></{TAGS[kind]}>' for kind in kinds
    )
    return f"""<View><Image name="image" value="$image"/>{tools}
      <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Object"/></KeyPointLabels></View>"""


@pytest.fixture
def click(client, recorded):
    """Send clicks (id, x percent, y percent, sign), and get the results."""

    def send(*clicks, config, task=None, project="7.1"):
        body = recorded("04") | {"label_config": config, "project": project}
        body["tasks"][0] |= task or {}
        example = body["params"]["context"]["result"][0]
        body["params"]["context"]["result"] = [
            {**example, "id": id, "is_positive": sign, "value": {**example["value"], "x": x, "y": y}}
            for id, x, y, sign in clicks
        ]
        answer = client.post("/predict", json=body)
        assert answer.status_code == 200
        (result,) = answer.json["results"]
        assert "message" not in result
        return result["result"]

    return send


def mask_of(results):
    return np.logical_or.reduce([drawing.mask(600, 800) for drawing in read_results(results).drawings])


@pytest.mark.parametrize("kind", TAGS)
def test_a_click_is_answered_in_the_kind_of_the_configuration(click, kind):
    (region,) = click(("k1", 31, 50, True), config=config_of(kind), task={"id": 800})
    (more,) = click(("k1", 31, 50, True), ("k2", 33, 55, True), config=config_of(kind), task={"id": 800})
    brush = mask_of(click(("k1", 31, 50, True), config=config_of("brush"), task={"id": 800}))

    assert region["type"] == f"{kind}labels"
    assert region["value"][f"{kind}labels"] == ["Object"]
    assert region["id"] == more["id"]
    mask = mask_of([region])
    assert (mask & brush).sum() / (mask | brush).sum() > (0.6 if kind == "rectangle" else 0.85)


@pytest.mark.parametrize("kind", TAGS)
def test_a_region_that_was_there_keeps_kind_id_and_label(click, kind):
    config = config_of("brush", *(other for other in TAGS if other != "brush"))
    (made,) = click(("m1", 31, 50, True), config=config_of(kind), task={"id": 801})
    draft = {"drafts": [{"id": 5, "result": [made | {"id": f"kept-{kind}"}]}]}

    (refined, *_) = click((f"r-{kind}", 32, 52, True), config=config, task={"id": 801} | draft)

    assert refined["type"] == f"{kind}labels"
    assert (refined["id"] == f"kept-{kind}") is (kind != "bitmask")  # see Existing.can_be_replaced
    assert refined["value"][f"{kind}labels"] == ["Object"]


def test_a_project_says_what_it_prefers_and_may_want_two(client, click):
    config = config_of("brush", "polygon", "rectangle")
    setup = {"project": "9.1", "schema": config, "extra_params": {"output": "polygon", "also": "box"}}
    assert client.post("/setup", json=setup).status_code == 200

    polygon, box = click(("p1", 31, 50, True), config=config, task={"id": 802}, project="9.1")
    assert (polygon["type"], box["type"]) == ("polygonlabels", "rectanglelabels")
    assert box["parentID"] == polygon["id"] != box["id"]
    (brush,) = click(("p1", 31, 50, True), config=config, task={"id": 802}, project="8.1")
    assert brush["type"] == "brushlabels"


def test_another_annotators_region_is_left_alone(client, click):
    (made,) = click(("o1", 31, 50, True), config=config_of("brush"), task={"id": 803})
    task = {"id": 803, "annotations": [{"id": 5, "result": [made | {"id": "theirs"}]}]}

    (fresh,) = click(("o2", 32, 52, True), config=config_of("brush"), task=task)
    assert fresh["id"] != "theirs"
    client.post("/setup", json={"project": "10.1", "extra_params": {"refine": "everyone"}})
    (refined,) = click(("o3", 32, 52, True), config=config_of("brush"), task=task, project="10.1")
    assert refined["id"] == "theirs"


def test_many_imported_points_are_many_objects(client, recorded):
    body = recorded("06") | {"label_config": config_of("polygon")}
    places = [(10 + 6 * column, 20 + 30 * row) for row in range(2) for column in range(7)]
    point = {"type": "keypointlabels", "from_name": "kp", "to_name": "image"}
    results = [
        {**point, "id": f"c{n}", "value": {"x": x, "y": y, "width": 1, "keypointlabels": ["Object"]}}
        for n, (x, y) in enumerate(places)
    ]
    body["tasks"] = [body["tasks"][0] | {"id": 804, "annotations": [{"id": 1, "result": results}]}]

    (prediction,) = client.post("/predict", json=body).json["results"]
    assert len({region["id"] for region in prediction["result"]}) > 1
    body["tasks"][0]["annotations"][0]["result"] = results[:3]
    body["tasks"][0]["id"] = 805
    (few,) = client.post("/predict", json=body).json["results"]
    assert len(few["result"]) >= 1
