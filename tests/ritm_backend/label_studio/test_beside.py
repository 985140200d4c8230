"""A first click beside a predicted region extends it, if nothing else can be meant."""

import numpy as np
import pytest

from ritm_backend.label_studio.existing import ExistingRegions
from ritm_backend.label_studio.prompts import objects_in
from ritm_backend.label_studio.regions import read_regions
from ritm_model.masks import bitmask

SIZE = (200, 100)
MEMORY = 1 << 20


def square(left, top, id="R", label="Cat", **more):
    """A polygon of 40 by 40 pixels."""
    corners = [(left, top), (left + 40, top), (left + 40, top + 40), (left, top + 40)]
    points = [[x / SIZE[0] * 100, y / SIZE[1] * 100] for x, y in corners]
    return {
        "id": id,
        "type": "polygonlabels",
        "from_name": "polygon",
        "to_name": "image",
        "original_width": SIZE[0],
        "original_height": SIZE[1],
        "value": {"points": points, "closed": True, "polygonlabels": [label]},
        **more,
    }


def task(**sources):
    return {"id": 1, **{kind: [{"id": 1, "result": result}] for kind, result in sources.items()}}


@pytest.fixture
def beside(config, keypoint):
    """What a click at pixel (x, 40) refines; the square at (20, 20) ends at 60."""

    def choose(held, x=62, sign=True):
        (prompt,) = objects_in(read_regions([keypoint("k", x=x / 2, y=40, sign=sign)]), config)
        return ExistingRegions(MEMORY).choose(held, prompt, SIZE, config, of_everyone=False)

    return choose


@pytest.mark.parametrize(("x", "is_near"), [(62, True), (65, True), (68, False), (120, False)])
def test_within_a_part_of_the_root_of_its_area(beside, x, is_near):
    found = beside(task(predictions=[square(20, 20)]), x)

    assert (found is not None) is is_near
    assert found is None or (found.id, found.is_guess) == ("R", True)


def test_also_in_the_draft_while_nobody_has_touched_it(beside):
    predicted = [square(20, 20)]
    copied, changed = square(20, 20, origin="prediction"), square(20, 22, origin="prediction-changed")

    assert beside(task(predictions=predicted, drafts=[copied])) is not None
    assert beside(task(predictions=predicted, drafts=[changed])) is None


@pytest.mark.parametrize(
    "held", [{"drafts": [square(20, 20)]}, {"predictions": [square(20, 20, label="Dog")]}]
)
def test_but_not_what_a_person_drew_nor_another_label(beside, held):
    assert beside(task(**held)) is None


def test_nor_by_a_negative_click(beside):
    assert beside(task(predictions=[square(20, 20)]), sign=False) is None


def test_nor_between_two_regions(beside):
    regions = [square(20, 20), square(64, 20, "N")]

    assert beside(task(predictions=regions)) is None
    drawn = [square(20, 20, origin="prediction"), square(64, 20, "N")]  # the second by a person
    assert beside(task(predictions=regions[:1], drafts=drawn)) is None


def test_nor_a_bitmask_which_the_editor_would_not_replace(beside):
    mask_HW = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    mask_HW[20:60, 20:60] = True
    value = {"imageDataURL": bitmask.encode(mask_HW), "bitmasklabels": ["Cat"]}
    region = square(20, 20) | {"type": "bitmasklabels", "value": value}

    assert beside(task(predictions=[region]), x=50) is not None
    assert beside(task(predictions=[region])) is None


def test_a_region_around_the_click_comes_first(beside):
    assert beside(task(predictions=[square(50, 20, "around"), square(20, 20)])).id == "around"
