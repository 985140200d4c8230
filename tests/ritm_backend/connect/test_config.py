"""The recommended labeling configuration, and what is said of others."""

from __future__ import annotations

import re

import pytest

from ritm_backend.connect.config import check_config, recommended_config, trial_point
from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.outputs import choose_output
from ritm_model.errors import RitmError

AWKWARD = ["Cat", 'a "quoted" <label> & more', "ünïcode 猫"]


def view(*tags: str) -> str:
    return "<View>" + "".join(tags) + "</View>"


IMAGE = '<Image name="image" value="$image"/>'
BRUSH = '<BrushLabels name="brush" toName="image"><Label value="Cat"/><Label value="Dog"/></BrushLabels>'
KEYPOINT = '<KeyPoint name="click" toName="image" smart="true"/>'


def labelled(*labels: str, smart: str = ' smart="true"', to_name: str = "image", number: bool = True) -> str:
    order = ' model_index="{}"' if number else ""
    inside = "".join(f'<Label value="{label}"{order.format(i)}/>' for i, label in enumerate(labels))
    return f'<KeyPointLabels name="click" toName="{to_name}"{smart}>{inside}</KeyPointLabels>'


@pytest.mark.parametrize("style", [None, "continuous", "labelled"])
@pytest.mark.parametrize("labels", [["Cat"], AWKWARD, [f"label {n}" for n in range(30)]])
def test_the_recommended_configuration_needs_no_change(labels, style):
    config = recommended_config(labels, style)
    (finding,) = check_config(config)
    assert finding.level == "ok"
    brush = next(control for control in parse_config(config).controls if control.kind == "brushlabels")
    assert brush.labels == tuple(labels)


@pytest.mark.parametrize("kind", ["brush", "bitmask", "polygon", "box", "ellipse"])
@pytest.mark.parametrize("labels", [["Cat"], ["Cat", "Dog"]])
def test_each_kind_has_a_configuration_whose_answers_are_of_that_kind(labels, kind):
    xml = recommended_config(labels, kind=kind)
    assert [finding.level for finding in check_config(xml)] == ["ok"]
    output = choose_output(parse_config(xml), "image", "Cat")
    assert (output.kind, output.control.is_smart, output.label_for("Cat")) == (kind, False, "Cat")


@pytest.mark.parametrize("tag", ["Brush", "Bitmask", "Polygon", "Rectangle", "Ellipse"])
def test_a_control_of_any_kind_may_hold_the_answers(tag):
    output = f'<{tag}Labels name="out" toName="image"><Label value="Cat"/></{tag}Labels>'
    (finding,) = check_config(view(IMAGE, output, KEYPOINT))
    assert finding.level == "ok"
    assert f'<{tag}Labels name="out">' in finding.what


def test_one_label_is_clicked_without_choosing_it_and_several_are_chosen_first():
    def kinds(labels):
        return {control.kind for control in parse_config(recommended_config(labels)).controls}

    assert kinds(["Cat"]) == {"keypoint", "rectangle", "brushlabels"}
    assert kinds(["Cat", "Dog"]) == {"keypointlabels", "rectanglelabels", "brushlabels"}


@pytest.mark.parametrize("labels", [[], ["Cat", " "], ["Cat", "Cat "]])
def test_labels_must_be_some_and_differ(labels):
    with pytest.raises(RitmError, match="label"):
        recommended_config(labels)


@pytest.mark.parametrize(
    ("config", "level", "what", "fix"),
    [
        (view(), "problem", "no image", "<Image name"),
        ("<View>", "problem", "not well-formed", "<BrushLabels"),
        (view(IMAGE, KEYPOINT), "problem", "no brush", 'toName="image"'),
        (view(IMAGE, BRUSH), "problem", "no smart keypoint", '<KeyPoint name="click" toName="image"'),
        (
            view(IMAGE, BRUSH, labelled("Cat", "Dog", smart="")),
            "problem",
            "no smart keypoint",
            'Add smart="true"',
        ),
        (view(IMAGE, BRUSH, labelled("Cat", "Bird")), "problem", "lacks labels.*: Bird", "same labels"),
        (view(IMAGE, BRUSH, labelled("Cat")), "advice", "not clicked with: Dog", "Add them"),
        (
            view(IMAGE, BRUSH, labelled("Cat", "Dog", number=False)),
            "advice",
            "model_index",
            'model_index="0"',
        ),
        (
            view(IMAGE, BRUSH, labelled("Cat", "Dog", number=False).lower())
            .replace("cat", "Cat")
            .replace("dog", "Dog"),
            "advice",
            "model_index",
            'model_index="0"',
        ),
        (
            view(IMAGE, BRUSH, labelled("Cat", "Dog", to_name="img")),
            "problem",
            "'img', which is no image",
            "image",
        ),
        (
            view(IMAGE, '<Image name="other" value="$o"/>', BRUSH, labelled("Cat", "Dog", to_name="other")),
            "problem",
            "different images",
            'toName="other"',
        ),
    ],
)
def test_what_is_missing_is_said_with_a_remedy(config, level, what, fix):
    findings = check_config(config)
    matching = [finding for finding in findings if re.search(what, finding.what)]
    assert [finding.level for finding in matching] == [level], findings
    assert fix in matching[0].fix
    assert ("ok" in {finding.level for finding in findings}) == (level == "advice")


def test_a_shared_list_of_labels_is_fine():
    labels = '<Labels name="labels" toName="image"><Label value="Cat"/></Labels>'
    config = view(IMAGE, labels, '<Brush name="brush" toName="image"/>', KEYPOINT)
    assert [finding.level for finding in check_config(config)] == ["ok"]


def test_labels_that_come_with_each_task_are_not_compared():
    dynamic = '<BrushLabels name="brush" toName="image" value="$labels"/>'
    assert [finding.level for finding in check_config(view(IMAGE, dynamic, labelled("Cat")))] == ["ok"]


def test_the_trial_click_is_one_of_the_smart_keypoint():
    point = trial_point(view(IMAGE, BRUSH, labelled("Cat", "Dog")))
    assert point is not None
    assert point["type"] == "keypointlabels"
    assert point["from_name"] == "click"
    assert point["value"]["keypointlabels"] == ["Cat"]
    assert trial_point(view(IMAGE, BRUSH)) is None


def test_the_trial_click_in_a_repeater_is_on_its_first_picture():
    tags = (
        '<Image name="page_{{idx}}" value="$pages[{{idx}}]"/>',
        '<BrushLabels name="brush_{{idx}}" toName="page_{{idx}}"><Label value="Cat"/></BrushLabels>',
        '<KeyPoint name="click_{{idx}}" toName="page_{{idx}}" smart="true"/>',
    )
    xml = view(f'<Repeater on="$pages">{"".join(tags)}</Repeater>')
    point = trial_point(xml)
    assert point is not None
    assert (point["from_name"], point["to_name"]) == ("click_0", "page_0")
    assert parse_config(xml).image_reference("page_0", None, {"pages": ["a.png", "b.png"]}) == "a.png"
