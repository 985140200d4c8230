"""What clicks claim, at and beyond the borders of the view too."""

import pytest
import torch

from ritm_model.clicks import Click
from ritm_model.inference.brs.disagreement import ClickMasks, click_masks, disagreement

SIZE = (20, 30)


def claimed(click: Click, *, wrap: bool = False) -> list[tuple[int, int]]:
    masks = click_masks([[click]], SIZE, wrap=wrap)
    here, there = masks if click.is_positive else reversed(masks)
    assert here.shape == (1, 1, *SIZE)
    assert not there.any()
    return [(int(y), int(x)) for y, x in here[0, 0].nonzero()]


@pytest.mark.parametrize("is_positive", [True, False])
@pytest.mark.parametrize("wrap", [True, False])
def test_a_click_stands_for_the_nine_pixels_around_it(is_positive, wrap):
    # Halves round to the even neighbour, as everywhere in the paper.
    expected = [(y, x) for y in (3, 4, 5) for x in (11, 12, 13)]
    assert claimed(Click(12.5, 4.4, is_positive), wrap=wrap) == expected


def test_a_click_at_the_border_stands_for_what_is_left_of_its_nine_pixels():
    assert claimed(Click(0, 0)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert claimed(Click(29, 19)) == [(18, 28), (18, 29), (19, 28), (19, 29)]
    assert claimed(Click(-1, 10)) == [(9, 0), (10, 0), (11, 0)]


@pytest.mark.parametrize("click", [Click(-5, 10), Click(10, -5), Click(40, 10), Click(10, 25)])
def test_a_click_beside_the_view_stands_for_nothing_in_it(click):
    assert claimed(click) == []


def test_the_paper_s_code_loses_or_misplaces_clicks_at_the_first_border_and_beyond():
    assert claimed(Click(0, 10), wrap=True) == []
    assert claimed(Click(-5, 10), wrap=True) == [(y, x) for y in (9, 10, 11) for x in (24, 25, 26)]


def test_every_image_of_a_batch_has_its_own_click_masks():
    masks = click_masks([[Click(3, 3), Click(9, 9, False)], [Click(26, 3), Click(20, 9, False)]], SIZE)
    for maps in masks:
        assert torch.equal(maps[0].flip(2), maps[1])
        assert maps[0].sum() == 9


def test_without_clicks_of_a_sign_that_side_agrees():
    masks = click_masks([[Click(5, 5)]], SIZE)
    found = disagreement(torch.full((1, 1, *SIZE), 0.25), ClickMasks(*masks))
    assert float(found.loss) == pytest.approx(0.75**2, rel=1e-5)
    assert float(found.worst_positive) == pytest.approx(0.75)
    assert float(found.worst_negative) == 0
