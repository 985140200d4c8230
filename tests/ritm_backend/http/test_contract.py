"""Every recorded request of Label Studio 1.23.2, against the real application."""

import json
from pathlib import Path

import numpy as np
import pytest

from ritm_model.inference import Annotator
from ritm_model.masks.brush_rle import encode

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"
REQUESTS = sorted(path.name for path in PAYLOADS.glob("[0-9]*.json") if "RESPONSE" not in path.name)
CLICKED = [name for name in REQUESTS if "predict" in name and not name.startswith(("05", "06"))]


def replay(client, name):
    recorded = json.loads((PAYLOADS / name).read_text())
    body = None if recorded["json"] is None else json.dumps(recorded["json"])
    return client.open(
        recorded["path"],
        method=recorded["method"],
        data=body,
        headers=[(k, v) for k, v in recorded["headers"].items() if k in ("User-Agent", "Content-Type")],
    )


def test_there_are_requests():
    assert len(REQUESTS) == 23
    assert len(CLICKED) == 11


@pytest.mark.parametrize("name", REQUESTS)
def test_every_request_is_answered(client, name):
    answer = replay(client, name)

    assert answer.status_code == 200
    assert isinstance(answer.json, dict)


@pytest.mark.parametrize("name", CLICKED)
def test_a_click_is_answered_in_the_form_that_draws(client, name):
    """The keys and types of an answer that the editor drew."""
    drawn = json.loads((PAYLOADS / "31_RESPONSE_ml_backend_to_ls_predict.json").read_text())["results"][0]
    (result,) = replay(client, name).json["results"]

    assert result.keys() == drawn.keys(), result.get("message")
    assert {key: type(value) for key, value in result.items()} == {k: type(v) for k, v in drawn.items()}
    for region in result["result"]:
        if region["type"] == "labels":
            continue
        (example,) = drawn["result"]
        names = {"brushlabels"} if region["type"] == "brush" else set()
        assert region.keys() == example.keys()
        assert region["value"].keys() == example["value"].keys() - names
        assert {type(region[key]) for key in example} == {type(value) for value in example.values()}
        assert region["value"]["format"] == "rle"
        assert set(region["value"]["rle"]) <= set(range(256))


@pytest.mark.parametrize(
    ("name", "size"),
    [(name, (600, 800) if "exif6" in name else (800, 600)) for name in CLICKED],
)
def test_a_click_on_a_disc_gives_a_mask_there(client, mask_of, name, size):
    context = json.loads((PAYLOADS / name).read_text())["json"]["params"]["context"]["result"]
    (result,) = replay(client, name).json["results"]
    region = result["result"][0]
    mask_HW = mask_of(region)

    assert (region["original_width"], region["original_height"]) == size
    for point in (r for r in context if r.get("is_positive")):
        column, row = point["value"]["x"] / 100 * size[0], point["value"]["y"] / 100 * size[1]
        assert mask_HW[int(row), int(column)], "the mask holds the click"
    assert mask_HW.mean() < 0.5
    assert region["image_rotation"] == context[-1]["image_rotation"]
    assert region["to_name"] == context[-1]["to_name"]


@pytest.mark.parametrize("name", [name for name in CLICKED if "smart_brush" in name])
def test_a_stroke_gives_the_mask_of_what_it_lies_on(client, mask_of, name):
    (stroke,) = json.loads((PAYLOADS / name).read_text())["json"]["params"]["context"]["result"]
    (result,) = replay(client, name).json["results"]
    (region,) = result["result"]
    disc_HW = mask_of(region)
    stroke_HW = mask_of(stroke)

    assert disc_HW[stroke_HW].mean() > 0.9
    assert disc_HW.sum() > 3 * stroke_HW.sum()
    assert region["id"] != stroke["id"]
    assert region["value"]["brushlabels"] == ["Coin"]


def test_a_stroke_that_cannot_be_read_is_told(client):
    name = "22_predict_browser_smart_brush_stroke.json"
    recorded = json.loads((PAYLOADS / name).read_text())["json"]
    (stroke,) = recorded["params"]["context"]["result"]
    for rle, sentence in (
        ([300], "The stroke of the brush cannot be read"),
        (encode(np.zeros((600, 800), bool)), "Nothing of the stroke lies on the 800 x 600 image"),
    ):
        stroke["value"]["rle"] = rle
        (result,) = client.post("/predict", json=recorded).json["results"]
        assert result["result"] == []
        assert sentence in result["message"]


def test_labels_beside_a_plain_brush_come_as_a_second_result(client):
    (result,) = replay(client, "18_predict_browser_Labels_plus_KeyPoint_config.json").json["results"]
    mask, label = result["result"]

    assert (mask["type"], mask["from_name"]) == ("brush", "brush")
    assert (label["type"], label["from_name"], label["value"]) == ("labels", "lab", {"labels": ["Object"]})
    assert mask["id"] == label["id"]


def test_an_empty_context_clears_the_mask(client):
    (result,) = replay(client, "05_predict_interactive_empty_result.json").json["results"]

    assert result["result"] == []
    assert isinstance(result["score"], float)


def test_a_batch_without_clicks_stores_no_prediction(client):
    assert replay(client, "06_predict_batch_context_null.json").json == {"results": [[]]}


def test_setup_and_versions_name_the_model(client, annotator: Annotator):
    for name in ("02_POST_setup.json", "17_POST_setup_basic_auth_extra_params.json"):
        assert replay(client, name).json == {"model_version": annotator.version}
    assert replay(client, "03_GET_versions.json").json == {"versions": [annotator.version]}


def test_an_accepted_mask_in_the_draft_is_refined_by_a_click_inside(client, recorded, mask_of):
    body = recorded("14")
    accepted = next(r for r in body["tasks"][0]["drafts"][0]["result"] if r["type"] == "brushlabels")
    rows, columns = mask_of(accepted).nonzero()
    click = body["params"]["context"]["result"][-1]
    click["value"] |= {"x": float(columns[len(columns) // 2]) / 8, "y": float(rows[len(rows) // 2]) / 6}
    body["params"]["context"]["result"] = [click]

    (result,) = client.post("/predict", json=body).json["results"]

    assert [region["id"] for region in result["result"]] == [accepted["id"]]


def test_a_predicted_region_is_a_first_guess_until_somebody_has_changed_it(client, recorded, mask_of):
    """It is a square around a disc and another one beside it, which a click takes away."""
    body = recorded("14")
    (task,) = body["tasks"]
    accepted = next(r for r in task["drafts"][0]["result"] if r["type"] == "brushlabels")
    around, beside = np.zeros((2, 600, 800), np.bool_)
    around[190:410, 130:360] = True
    beside[500:580, 600:760] = True
    value = accepted["value"] | {"rle": encode(around | beside)}
    region = {key: accepted[key] for key in accepted if key not in ("origin", "score")} | {
        "id": "R",
        "value": value,
    }
    click = body["params"]["context"]["result"][-1]
    click["value"] |= {"x": 85, "y": 90}
    body["params"]["context"]["result"] = [click | {"is_positive": False}]
    draft = task["drafts"][0]

    def answered(number, drawn, **more):
        """The mask that the click leaves, in a task of its own."""
        task["id"] = number
        task["predictions"] = [task["predictions"][0] | {"result": [region]}]
        task["drafts"] = [draft | {"result": [drawn], **more}] if drawn else []
        (result,) = client.post("/predict", json=body).json["results"]
        assert [each["id"] for each in result["result"]] == ["R"]
        return mask_of(result["result"][0])

    of_prediction = answered(901, None)
    untouched = answered(902, region | {"origin": "prediction"})
    changed = answered(903, region | {"origin": "prediction-changed"})
    submitted = answered(904, region | {"origin": "prediction"}, annotation=7)

    np.testing.assert_array_equal(of_prediction, untouched)
    np.testing.assert_array_equal(changed, submitted)
    np.testing.assert_array_equal(changed & around, around)
    assert not (changed & beside).all()
    assert (of_prediction ^ around).any()


def test_stored_clicks_become_masks_of_a_batch(client, recorded):
    body = recorded("06")
    points = [
        {
            "id": f"p{n}",
            "type": "keypointlabels",
            "from_name": "kp",
            "to_name": "image",
            "original_width": 800,
            "original_height": 600,
            "value": {"x": x, "y": y, "width": 0.2, "keypointlabels": [label]},
        }
        for n, (x, y, label) in enumerate([(31, 50, "Object"), (74, 31, "Other"), (33, 52, "Object")])
    ]
    plain = dict(body["tasks"][0])
    body["tasks"] = [
        plain,
        plain | {"id": 2, "annotations": [{"id": 1, "result": points}]},
        plain | {"id": 3, "predictions": [{"id": 1, "result": points[:1]}]},
    ]

    without, annotated, predicted = client.post("/predict", json=body).json["results"]

    assert without == []
    assert [r["value"]["brushlabels"] for r in annotated["result"]] == [["Object"], ["Other"]]
    assert [r["type"] for r in predicted["result"]] == ["brushlabels"]
    assert 0 < annotated["score"] <= 1
