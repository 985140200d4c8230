"""Answers: the form of each configuration, and JSON."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ritm_backend.connect.config import KIND_TAGS
from ritm_backend.label_studio.answers import RegionAnswer, results_of, to_json
from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.options import KINDS
from ritm_backend.label_studio.outputs import choose_output
from ritm_backend.label_studio.regions import Frame

PAYLOADS = Path(__file__).parents[2] / "payloads/label_studio"


@pytest.fixture
def answer():
    def make(xml, label, **frame):
        config = parse_config(xml)
        output = choose_output(config, "image", label)
        return results_of(
            RegionAnswer(
                id="0123456789ab",
                frame=Frame(
                    **{"to_name": "image", "item_index": None, "width": 8, "height": 6, "rotation": 0} | frame
                ),
                size=(8, 6),
                value={"format": "rle", "rle": bytes([0, 1, 255])},
                output=output,
                label=output.label_for(label),
                score=0.93,
            )
        )

    return make


A = """<View><Image name="image" value="$image"/>
  <BrushLabels name="brush" toName="image"><Label value="Object"/><Label value="Other"/></BrushLabels>
  </View>"""
C = """<View><Image name="image" value="$image"/><Brush name="brush" toName="image"/>
  <Labels name="lab" toName="image"><Label value="Object"/><Label value="Other"/></Labels></View>"""


def test_the_form_is_the_one_that_label_studio_drew(answer):
    recorded = json.loads((PAYLOADS / "31_RESPONSE_ml_backend_to_ls_predict.json").read_text())
    (drawn,) = recorded["results"][0]["result"]
    (ours,) = answer(A, "Object")

    assert ours.keys() == drawn.keys()
    assert ours["value"].keys() == drawn["value"].keys()
    for key in ("type", "from_name", "to_name", "image_rotation", "readonly"):
        assert ours[key] == drawn[key]
    assert ours["value"]["format"] == "rle"
    assert ours["value"]["brushlabels"] == ["Object"]


def test_without_a_label_there_is_no_list_of_labels(answer):
    (region,) = answer(A, None)

    assert region["value"] == {"format": "rle", "rle": bytes([0, 1, 255])}
    assert len(answer(C, None)) == 1


def test_a_plain_brush_gets_its_label_in_a_second_result(answer):
    mask, label = answer(C, "Other")

    assert (mask["type"], mask["from_name"]) == ("brush", "brush")
    assert mask["value"].keys() == {"format", "rle"}
    assert (label["type"], label["from_name"]) == ("labels", "lab")
    assert label["value"] == {"labels": ["Other"]}
    assert mask["id"] == label["id"]


def test_the_item_and_the_rotation_of_the_view_come_back(answer):
    (plain,) = answer(A, "Object")
    (item,) = answer(A, "Object", item_index=0, rotation=90)

    assert "item_index" not in plain
    assert (item["item_index"], item["image_rotation"]) == (0, 90)


def configuration(kind, separate):
    """A control of a kind with the labels Object and Other, of its own or of a tag beside it."""
    tag, names = KIND_TAGS[kind], '<Label value="Object"/><Label value="Other"/>'
    if separate:
        tools = f'<{tag} name="tool" toName="image"/><Labels name="lab" toName="image">{names}</Labels>'
    else:
        tools = f'<{tag}Labels name="tool" toName="image">{names}</{tag}Labels>'
    return f'<View><Image name="image" value="$image"/>{tools}</View>'


@given(
    st.sampled_from(KINDS),
    st.booleans(),
    st.none() | st.sampled_from(["Object", "Other"]) | st.text(max_size=5),
    st.none() | st.integers(0, 3),
)
def test_nothing_in_an_answer_is_null_whatever_the_kind_and_the_label(kind, separate, label, index):
    """A null among the labels crashes the editor."""
    output = choose_output(parse_config(configuration(kind, separate)), "image", label)
    frame = Frame("image", index, 8, 6, 0)
    name = output.label_for(label)
    answer = RegionAnswer("0123456789ab", frame, (8, 6), {"x": 1.0}, output, name, 0.5, parent=None)
    results = results_of(answer)

    assert b"null" not in to_json(results)
    labels = [each["value"][each["type"]] for each in results if each["type"] in each["value"]]
    assert labels == ([] if name is None else [[name]])


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(PLAIN)
def test_plain_values_are_written_like_json(value):
    assert json.loads(to_json(value)) == value


@given(st.binary())
def test_bytes_are_written_as_the_list_of_their_values(data):
    assert json.loads(to_json({"rle": data})) == {"rle": list(data)}
