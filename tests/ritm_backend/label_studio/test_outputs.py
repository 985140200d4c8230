"""Which control answers, by the labeling configuration and by what the project prefers."""

import json
import re
from pathlib import Path

import pytest

from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.options import KINDS, ProjectOptions, read_options
from ritm_backend.label_studio.outputs import choose_output, choose_outputs

TAGS = {
    "brush": "Brush",
    "bitmask": "Bitmask",
    "polygon": "Polygon",
    "box": "Rectangle",
    "ellipse": "Ellipse",
}


def config_with(*kinds, labels=("Cat", "Dog"), separate=False, smart=()):
    names = "".join(f'<Label value="{label}"/>' for label in labels)
    tools = ""
    for kind in kinds:
        tag = TAGS[kind] if separate else f"{TAGS[kind]}Labels"
        asks = ' smart="true"' if kind in smart else ""
        tools += f'<{tag} name="{kind}" toName="image"{asks}>{"" if separate else names}</{tag}>'
    shared = f'<Labels name="labels" toName="image">{names}</Labels>' if separate else ""
    return parse_config(f'<View><Image name="image" value="$image"/>{shared}{tools}</View>')


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_only_control_answers(kind, separate):
    output = choose_output(config_with(kind, separate=separate), "image", "Dog")

    assert (output.kind, output.control.name) == (kind, kind)
    assert output.label_for("Dog") == "Dog"
    assert output.labels is not None
    assert output.labels.name == ("labels" if separate else kind)


@pytest.mark.parametrize("first", range(len(KINDS)))
def test_of_several_the_usual_order_decides(first):
    kinds = list(reversed(KINDS[first:]))

    assert choose_output(config_with(*kinds), "image", "Cat").kind == KINDS[first]


def test_the_project_may_prefer_another():
    options, notes = read_options({"output": ["polygon", "brush"]})

    assert notes == []
    assert choose_output(config_with(*KINDS), "image", "Cat", options.order).kind == "polygon"
    assert choose_output(config_with("box", "bitmask"), "image", "Cat", options.order).kind == "bitmask"


def test_a_region_that_is_refined_stays_what_it_is():
    config = config_with("brush", "polygon")

    assert choose_output(config, "image", "Cat", KINDS, "polygon").kind == "polygon"


def test_the_control_that_knows_the_label_comes_first():
    config = parse_config(
        """<View><Image name="image" value="$image"/>
        <BrushLabels name="plants" toName="image"><Label value="Tree"/></BrushLabels>
        <PolygonLabels name="animals" toName="image"><Label value="Cat"/></PolygonLabels></View>"""
    )

    assert choose_output(config, "image", "Cat").kind == "polygon"
    assert choose_output(config, "image", "Tree").kind == "brush"
    assert choose_output(config, "image", None).kind == "brush"


def test_a_smart_rectangle_asks_and_holds_only_where_nothing_else_does():
    with_brush = config_with("box", "brush", smart=("box",))

    assert choose_output(with_brush, "image", "Cat", ("box", "brush")).kind == "brush"
    assert choose_output(config_with("box", smart=("box",)), "image", "Cat").kind == "box"


def test_two_at_once():
    config = config_with("bitmask", "box")
    kinds = [each.kind for each in choose_outputs(config, "image", "Cat", KINDS, "box", None)]

    assert kinds == ["bitmask", "box"]
    assert [each.kind for each in choose_outputs(config, "image", "Cat", KINDS, "ellipse", None)] == [
        "bitmask"
    ]
    assert [each.kind for each in choose_outputs(config, "image", "Cat", KINDS, "bitmask", None)] == [
        "bitmask"
    ]


@pytest.mark.parametrize("given", [None, {}, {"unknown": 1}, "", "{}", ' {"unknown": 1}\n'])
def test_without_parameters_there_are_defaults(given):
    assert read_options(given) == (ProjectOptions(), [])


def test_parameters_are_read_one_by_one():
    options, notes = read_options(
        {
            "output": "polygon, box",
            "polygon_iou": 2,
            "polygon_holes": "fill",
            "refine": ["x"],
            "also": "circle",
        }
    )

    assert options == ProjectOptions(output=("polygon", "box"), polygon_holes="fill")
    assert sorted(note.partition(":")[0] for note in notes) == ["also", "polygon_iou", "refine"]


def test_label_studios_form_sends_them_as_text():
    given = {"output": ["polygon", "brush"], "also": "box", "polygon_iou": 0.9}

    assert read_options(json.dumps(given, indent=2)) == read_options(given)
    assert read_options(given)[0].also == "box"


@pytest.mark.parametrize("given", ["[object Object]", "[" * 100_000, "[]", '"{}"', " ", "NaN", "{bad"])
def test_text_that_is_no_object_leaves_the_defaults_and_a_note(given):
    assert read_options(given) == (ProjectOptions(), ["They are no JSON object."])


@pytest.mark.parametrize("given", [[], "polygon", 5, {"output": {"a": 1}}, {"output": ["polygon"] * 99}])
def test_nonsense_leaves_the_defaults_and_a_note(given):
    options, notes = read_options(given)

    assert options == ProjectOptions()
    assert len(notes) == 1


def test_the_docs_name_every_parameter_and_its_default():
    page = (Path(__file__).parents[3] / "docs/label_studio/regions.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \| (\S*) ?\|", page, re.MULTILINE))
    for name, field in ProjectOptions.model_fields.items():
        default = field.default if field.default not in (None, ()) else ""
        assert rows[name].strip("`") == str(default)
