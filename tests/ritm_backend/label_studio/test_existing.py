"""A first click inside an existing mask refines it: which one, and that the choice stays."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_backend.label_studio.config import parse_config
from ritm_backend.label_studio.existing import ExistingRegions, within
from ritm_backend.label_studio.prompts import objects_in, stable_id
from ritm_backend.label_studio.regions import read_regions
from ritm_model.masks import bitmask, brush_rle

SIZE = (200, 100)
CONFIG = parse_config(
    """<View><Image name="image" value="$image"/>
    <RectangleLabels name="ask" toName="image" smart="true"><Label value="Cat"/></RectangleLabels>
    <RectangleLabels name="box" toName="image"><Label value="Cat"/></RectangleLabels></View>"""
)
MEMORY = 1 << 20
POINTS = """<View><Image name="image" value="$image"/>
    <KeyPointLabels name="kp" toName="image" smart="true"><Label value="Cat"/></KeyPointLabels></View>"""
POINT = {
    "id": "k1",
    "type": "keypointlabels",
    "from_name": "kp",
    "to_name": "image",
    "original_width": SIZE[0],
    "original_height": SIZE[1],
    "is_positive": True,
    "value": {"x": 20, "y": 30, "width": 0.2, "keypointlabels": ["Cat"]},
}


def square(left, top, side=40):
    mask_HW = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask_HW[top : top + side, left : left + side] = True
    return mask_HW


def brush(id, mask_HW, label="Cat", **more):
    value = {"format": "rle", "rle": brush_rle.encode(mask_HW), "brushlabels": [label]}
    return {
        "id": id,
        "type": "brushlabels",
        "from_name": "brush",
        "to_name": "image",
        "original_width": SIZE[0],
        "original_height": SIZE[1],
        "value": value,
        **more,
    }


def task(**sources):
    return {"id": 1, **{kind: [{"id": 1, "result": result}] for kind, result in sources.items()}}


@pytest.fixture
def prompt(config, keypoint):
    def make(x=20, y=30, id="k1", *later, sign=True, **more):
        results = [keypoint(id, x=x, y=y, sign=sign, **more), *later]
        (found,) = objects_in(read_regions(results), config)
        return found

    return make


@pytest.fixture
def regions():
    return ExistingRegions(MEMORY)


def test_a_click_inside_refines_and_one_outside_does_not(regions, prompt):
    held = task(annotations=[brush("R", square(20, 20))])

    inside = regions.choose(held, prompt(20, 30), SIZE, CONFIG, of_everyone=True)  # pixel (40, 30)
    assert inside is not None
    assert inside.id == "R"
    assert (inside.mask.unpack() == square(20, 20)).all()
    assert regions.choose(held, prompt(60, 30, "k2"), SIZE, CONFIG, of_everyone=True) is None


def test_a_negative_click_refines_too(regions, prompt):
    found = regions.choose(
        task(annotations=[brush("R", square(20, 20))]), prompt(sign=False), SIZE, CONFIG, of_everyone=True
    )

    assert found is not None


def test_drafts_come_before_annotations_before_predictions(prompt):
    held = task(
        predictions=[brush("P", square(20, 20))],
        annotations=[brush("A", square(20, 20))],
        drafts=[brush("D", square(20, 20))],
    )

    for expected in ("D", "A", "P"):
        found = ExistingRegions(MEMORY).choose(held, prompt(), SIZE, CONFIG, of_everyone=True)
        assert found is not None
        assert found.id == expected
        held.pop({"D": "drafts", "A": "annotations", "P": "predictions"}[expected])


def test_the_region_drawn_last_lies_on_top(regions, prompt):
    found = regions.choose(
        task(drafts=[brush("old", square(20, 20)), brush("new", square(30, 20))]),
        prompt(),
        SIZE,
        CONFIG,
        of_everyone=False,
    )

    assert found is not None
    assert found.id == "new"


def test_the_draft_holds_the_newer_self_of_a_region(regions, prompt):
    """Cut out of the region in the draft, the place belongs to it no more, whatever the annotation says."""
    held = task(annotations=[brush("R", square(20, 20))], drafts=[brush("R", square(100, 20))])

    assert regions.choose(held, prompt(), SIZE, CONFIG, of_everyone=True) is None


def test_an_annotation_holds_the_newer_self_of_a_predicted_region(regions, prompt):
    held = task(annotations=[brush("R", square(100, 20))], predictions=[brush("R", square(20, 20))])

    assert regions.choose(held, prompt(), SIZE, CONFIG, of_everyone=True) is None


@pytest.mark.parametrize("kind", ["annotations", "predictions"])
def test_a_region_deleted_in_the_draft_does_not_come_back(regions, prompt, kind):
    held = task(drafts=[], **{kind: [brush("R", square(20, 20))]})

    assert regions.choose(held, prompt(), SIZE, CONFIG, of_everyone=True) is None


def test_only_the_newest_draft_shows_what_is_in_the_editor(regions, prompt):
    drafts = [
        {"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": [brush("deleted", square(20, 20))]},
        {"id": 2, "updated_at": "2026-01-02T00:00:00Z", "result": [brush("R", square(100, 20))]},
    ]

    assert regions.choose({"id": 1, "drafts": drafts}, prompt(), SIZE, CONFIG, of_everyone=True) is None
    found = regions.choose({"id": 1, "drafts": drafts}, prompt(60, 30, "k2"), SIZE, CONFIG, of_everyone=True)
    assert found is not None
    assert found.id == "R"


def test_without_drafts_the_newest_annotation_comes_first(regions, prompt):
    annotations = [
        {"id": 1, "updated_at": "2026-01-01T00:00:00Z", "result": [brush("older", square(20, 20))]},
        {"id": 2, "updated_at": "2026-01-02T00:00:00Z", "result": [brush("newer", square(20, 20))]},
    ]
    found = regions.choose({"id": 1, "annotations": annotations}, prompt(), SIZE, CONFIG, of_everyone=True)

    assert found is not None
    assert found.id == "newer"


@pytest.mark.parametrize(
    "other",
    [
        brush("R", square(20, 20), label="Dog"),
        brush("R", square(20, 20), to_name="other"),
        brush("R", square(20, 20), item_index=1),
        brush("R", square(20, 20), original_width=100, original_height=200),
        brush("R", square(20, 20), original_width=100, original_height=200)
        | {
            "type": "polygonlabels",
            "value": {"points": [[5, 5], [50, 5], [50, 60], [5, 60]], "polygonlabels": ["Cat"]},
        },
    ],
    ids=["label", "image", "item", "size", "size of a polygon"],
)
def test_regions_of_something_else_are_not_refined(regions, prompt, other):
    assert regions.choose(task(annotations=[other]), prompt(), SIZE, CONFIG, of_everyone=True) is None


def test_a_click_without_label_refines_any_and_takes_over_its_label(regions, prompt):
    held = task(annotations=[brush("R", square(20, 20), label="Dog")])
    found = regions.choose(held, prompt(value={"keypointlabels": []}), SIZE, CONFIG, of_everyone=True)

    assert found is not None
    assert found.label == "Dog"


@pytest.mark.parametrize(
    "rle", [[], [1, 2, 3], ["a"], [None], [300], [-1], [1.5], [[1]], "text", {"a": 1}, None, [0] * 50]
)
def test_a_broken_mask_of_somebody_else_does_not_matter(regions, prompt, rle):
    broken = brush("broken", square(20, 20))
    broken["value"]["rle"] = rle
    found = regions.choose(
        task(annotations=[brush("R", square(20, 20)), broken]), prompt(), SIZE, CONFIG, of_everyone=True
    )

    assert found is not None
    assert found.id == "R"


class TestTheChoiceStays:
    def test_when_a_draft_is_saved_between_two_clicks(self, regions, prompt, keypoint):
        """A region accepted just before the first click reaches the draft before the second."""
        assert regions.choose(task(), prompt(), SIZE, CONFIG, of_everyone=True) is None

        later = prompt(20, 30, "k1", keypoint("k2", sign=True))
        assert (
            regions.choose(task(drafts=[brush("R", square(20, 20))]), later, SIZE, CONFIG, of_everyone=True)
            is None
        )

    def test_when_the_refined_region_changes_in_the_draft(self, regions, prompt, keypoint):
        first = regions.choose(
            task(drafts=[brush("R", square(20, 20))]), prompt(), SIZE, CONFIG, of_everyone=True
        )

        later = prompt(20, 30, "k1", keypoint("k2", sign=True))
        second = regions.choose(
            task(drafts=[brush("R", square(30, 25))]), later, SIZE, CONFIG, of_everyone=True
        )
        gone = regions.choose(task(), later, SIZE, CONFIG, of_everyone=True)

        assert first is not None
        assert first is second is gone

    def test_but_a_new_first_click_is_a_new_question(self, regions, prompt):
        regions.choose(task(drafts=[brush("R", square(20, 20))]), prompt(), SIZE, CONFIG, of_everyone=True)
        accepted = task(drafts=[brush("R", square(30, 25))])

        found = regions.choose(accepted, prompt(id="k9"), SIZE, CONFIG, of_everyone=True)
        assert found is not None
        assert (found.mask.unpack() == square(30, 25)).all()

    def test_and_so_is_a_dragged_one(self, regions, prompt):
        held = task(drafts=[brush("R", square(20, 20))])
        assert regions.choose(held, prompt(90, 30), SIZE, CONFIG, of_everyone=True) is None

        assert regions.choose(held, prompt(20, 30), SIZE, CONFIG, of_everyone=True) is not None

    def test_the_own_mask_come_back_is_never_chosen(self, prompt):
        """Also after a restart: replaying the clicks gives the mask again."""
        own = brush(stable_id(1, prompt()), square(20, 20))

        assert (
            ExistingRegions(MEMORY).choose(task(drafts=[own]), prompt(), SIZE, CONFIG, of_everyone=True)
            is None
        )

    def test_as_long_as_there_is_memory_for_it(self, prompt, keypoint):
        """Each choice takes some 3 kB here, and half the memory is for choices."""
        held, now = task(drafts=[brush("R", square(20, 20))]), task(drafts=[])
        for memory, remembers in ((20_000, True), (1_000, False)):
            regions = ExistingRegions(memory)
            regions.choose(held, prompt(), SIZE, CONFIG, of_everyone=True)
            regions.choose(held, prompt(id="k2"), SIZE, CONFIG, of_everyone=True)

            assert (regions.choose(now, prompt(), SIZE, CONFIG, of_everyone=True) is not None) is remembers


def drawn(kind, id="R", from_name="control", **value):
    """A region of another kind than brush, with the label of the clicks."""
    made = brush(id, square(0, 0), from_name=from_name)
    return made | {"type": kind, "value": {**value, kind: ["Cat"]}}


KINDS = [
    drawn("polygonlabels", points=[[10, 20], [30, 20], [30, 60], [10, 60]], closed=True),
    drawn("bitmasklabels", imageDataURL=bitmask.encode(square(20, 20))),
    drawn("ellipselabels", x=20, y=40, radiusX=10, radiusY=20, rotation=0),
    drawn("rectanglelabels", from_name="box", x=10, y=20, width=20, height=40, rotation=0),
]


@pytest.mark.parametrize("region", KINDS, ids=lambda region: region["type"])
def test_regions_of_every_kind_are_refined(regions, prompt, region):
    held = task(drafts=[region])

    found = regions.choose(held, prompt(20, 30), SIZE, CONFIG, of_everyone=False)
    assert found is not None
    assert (found.id, found.from_name, found.label) == ("R", region["from_name"], "Cat")
    assert regions.choose(held, prompt(60, 30, "k2"), SIZE, CONFIG, of_everyone=False) is None


def test_a_rectangle_says_where_to_look_and_is_no_mask(regions, prompt):
    asked = prompt(20, 30)
    found = regions.choose(task(drafts=[KINDS[-1]]), asked, SIZE, CONFIG, of_everyone=False)

    assert found is not None
    assert found.rectangle is not None
    box = within(asked, found).region(*SIZE)
    assert (box.left, box.top, box.right, box.bottom) == (20, 20, 60, 60)


def test_a_mask_comes_before_the_rectangle_around_it(regions, prompt):
    mask = brush("mask", square(20, 20))
    found = regions.choose(task(drafts=[mask, KINDS[-1]]), prompt(20, 30), SIZE, CONFIG, of_everyone=False)

    assert found is not None
    assert found.id == "mask"


def test_a_rectangle_left_behind_by_a_smart_tool_is_not_refined(regions, prompt):
    left = drawn("rectanglelabels", from_name="ask", x=10, y=20, width=20, height=40, rotation=0)

    assert regions.choose(task(drafts=[left]), prompt(20, 30), SIZE, CONFIG, of_everyone=False) is None


def test_what_other_annotators_drew_stays_theirs_unless_the_project_says_otherwise(prompt):
    held = task(annotations=[brush("theirs", square(20, 20))])

    assert ExistingRegions(MEMORY).choose(held, prompt(), SIZE, CONFIG, of_everyone=False) is None
    found = ExistingRegions(MEMORY).choose(held, prompt(), SIZE, CONFIG, of_everyone=True)
    assert found is not None
    assert found.id == "theirs"


@pytest.mark.parametrize("kind", ["drafts", "predictions"])
def test_drafts_and_predictions_are_always_refined(regions, prompt, kind):
    held = task(**{kind: [brush("R", square(20, 20))]})

    assert regions.choose(held, prompt(), SIZE, CONFIG, of_everyone=False) is not None


class TestWhatNobodyHasTouchedIsAFirstGuess:
    """Whether a region is kept where no click is about it: `Existing.is_guess`."""

    @pytest.mark.parametrize("region", KINDS[:3], ids=lambda region: region["type"])
    def test_a_region_of_a_prediction(self, regions, prompt, region):
        found = regions.choose(task(predictions=[region]), prompt(20, 30), SIZE, CONFIG, of_everyone=False)

        assert found is not None
        assert found.is_guess

    @pytest.mark.parametrize("region", KINDS[:3], ids=lambda region: region["type"])
    def test_the_same_region_in_the_draft_of_a_new_annotation(self, regions, prompt, region):
        """Label Studio copies the prediction; a polygon comes back rounded."""
        copied = region | {"origin": "prediction"}
        if "points" in region["value"]:
            points = [[x + 0.001, y - 0.001] for x, y in region["value"]["points"]]
            copied["value"] = region["value"] | {"points": points}
        held = task(predictions=[region], drafts=[copied])

        found = regions.choose(held, prompt(20, 30), SIZE, CONFIG, of_everyone=False)
        assert found is not None
        assert found.is_guess

    @settings(max_examples=200, deadline=None)
    @given(
        origin=st.sampled_from(["manual", "prediction", "prediction-changed", None]),
        places=st.fixed_dictionaries(
            {},
            optional={
                kind: st.sampled_from([20, 24, 30]) for kind in ("predictions", "drafts", "annotations")
            },
        ),
        of_an_annotation=st.booleans(),
        of_everyone=st.booleans(),
    )
    def test_it_is_exactly_where_no_person_had_a_part(self, origin, places, of_an_annotation, of_everyone):
        """The places are the left edges of one region in what a task holds."""
        more = {} if origin is None else {"origin": origin}
        held = task(**{kind: [brush("R", square(left, 20), **more)] for kind, left in places.items()})
        if "drafts" in places:
            held["drafts"][0]["annotation"] = 1 if of_an_annotation else None
        (asked,) = objects_in(read_regions([POINT]), parse_config(POINTS))

        found = ExistingRegions(MEMORY).choose(held, asked, SIZE, CONFIG, of_everyone=of_everyone)
        if found is None:
            assert not set(places) - ({"annotations"} if not of_everyone else set())
            return
        shown = "drafts" if "drafts" in places else "predictions"
        if of_everyone and "drafts" not in places and "annotations" in places:
            shown = "annotations"
        assert (found.mask.unpack() == square(places[shown], 20)).all()
        untouched = {
            "annotations": False,
            "predictions": "annotations" not in places,
            "drafts": origin == "prediction"
            and not of_an_annotation
            and places.get("predictions") == places.get("drafts"),
        }
        assert found.is_guess is untouched[shown]

    def test_a_prediction_that_cannot_be_read_vouches_for_nothing(self, regions, prompt):
        broken = brush("R", square(20, 20))
        broken["value"]["rle"] = [1, 2, 3]
        held = task(predictions=[broken], drafts=[brush("R", square(20, 20), origin="prediction")])

        found = regions.choose(held, prompt(), SIZE, CONFIG, of_everyone=False)
        assert found is not None
        assert not found.is_guess
