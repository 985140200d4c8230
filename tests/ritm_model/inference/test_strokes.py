"""Strokes become few clicks, always the same, on the stroke and spread over it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model import Box, Click, Predictor, PredictorOptions, PromptError, Stroke, ZoomIn
from ritm_model.inference.strokes import MOST_CLICKS, stroke_clicks

FRAME = (120, 160)
FIXED = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=(64, 96)), with_flip=False)

points = st.tuples(st.floats(-40, 200), st.floats(-40, 160))
lines = st.lists(points, min_size=1, max_size=12)
inner_lines = st.lists(st.tuples(st.integers(10, 150), st.integers(10, 110)), min_size=1, max_size=8)


def painted(line: list[tuple[int, int]], width: int = 1) -> np.ndarray:
    """What a brush makes of a line."""
    mask = np.zeros(FRAME, np.uint8)
    cv2.polylines(mask, [np.array([*line, line[-1]], np.int32).reshape(-1, 1, 2)], False, 1, width)
    return mask > 0


def distance(click: Click, line: list[tuple[float, float]]) -> float:
    """From a click to the nearest place of a line."""
    nearest = math.inf
    for (x, y), (u, v) in zip(line, line[1:] or line, strict=False):
        dx, dy = u - x, v - y
        along = ((click.x - x) * dx + (click.y - y) * dy) / ((dx * dx + dy * dy) or 1)
        along = min(max(along, 0), 1)
        nearest = min(nearest, math.hypot(click.x - x - along * dx, click.y - y - along * dy))
    return nearest


@settings(deadline=None)
@given(lines, st.integers(1, 9), st.booleans())
def test_clicks_on_a_line_lie_on_it_and_on_the_image(line, most, is_positive) -> None:
    stroke = Stroke(line, is_positive)
    try:
        clicks = stroke_clicks(stroke, FRAME, most)
    except PromptError as error:
        assert "Nothing of the stroke lies on the 160 x 120 image" in str(error)
        assert not any(0 <= x < 160 and 0 <= y < 120 for x, y in (line[0], line[-1]))
        return
    assert 1 <= len(clicks) <= most
    assert clicks == stroke_clicks(stroke, FRAME, most)
    for click in clicks:
        assert click.is_positive == is_positive
        assert 0 <= click.x < 160
        assert 0 <= click.y < 120
        assert distance(click, line) < 1.5  # a corner is cut by less than the distance of two places


@settings(deadline=None)
@given(inner_lines, st.integers(1, 12), st.integers(1, 9))
def test_clicks_on_a_mask_lie_on_it_and_are_different_pixels(line, width, most) -> None:
    mask = painted(line, width)
    clicks = stroke_clicks(Stroke(mask), FRAME, most)
    assert 1 <= len(clicks) <= most
    assert clicks == stroke_clicks(Stroke(mask.astype(np.float32)), FRAME, most)
    pixels = {(int(click.x), int(click.y)) for click in clicks}
    assert len(pixels) == len(clicks)
    assert all(mask[y, x] for x, y in pixels)


@settings(max_examples=50, deadline=None)
@given(inner_lines, st.integers(1, 9), st.integers(-9, 9), st.integers(-9, 9))
def test_a_stroke_that_is_moved_moves_its_clicks(line, width, right, down) -> None:
    moved = [(x + right, y + down) for x, y in line]
    for drawn, there in ((painted(line, width), painted(moved, width)), (line, moved)):
        if drawn is not line and (drawn.sum() != there.sum()):
            continue  # the brush reaches over the edge
        clicks = stroke_clicks(Stroke(drawn), FRAME)
        expected = [(click.x + right, click.y + down) for click in clicks]
        found = [(click.x, click.y) for click in stroke_clicks(Stroke(there), FRAME)]
        np.testing.assert_allclose(found, expected, atol=1e-6)


@settings(deadline=None)
@given(st.integers(10, 150), st.integers(10, 150), st.integers(1, 9), st.booleans())
def test_clicks_are_spread_over_the_whole_stroke(start, end, most, is_mask) -> None:
    line = [(start, 60), (end, 60)]
    length = abs(end - start)
    clicks = stroke_clicks(Stroke(painted(line, 5) if is_mask else line), FRAME, most)
    reach = 1.3 * length / (2 * len(clicks)) + (5 if is_mask else 2)
    for x in range(min(start, end), max(start, end) + 1):
        assert min(abs(click.x - x) for click in clicks) <= reach


def test_a_stroke_that_is_drawn_to_and_fro_is_spread_like_one_way() -> None:
    there, back = (10, 60), (150, 60)
    clicks = stroke_clicks(Stroke([there, back, there, back, there]), FRAME, 3)
    assert sorted(click.x for click in clicks) == pytest.approx([33, 80, 127], abs=5)


def test_longer_strokes_have_more_clicks_up_to_a_bound() -> None:
    for is_mask in (False, True):
        counts = []
        for length in (0, 4, 12, 40, 120):
            line = [(20, 60), (20 + length, 60)]
            counts.append(len(stroke_clicks(Stroke(painted(line, 3) if is_mask else line), FRAME)))
        assert counts == sorted(counts)
        assert (counts[0], counts[-1]) == (1, MOST_CLICKS)


def test_a_dot_is_one_click_in_its_middle() -> None:
    assert stroke_clicks(Stroke([(30.25, 40)]), FRAME) == (Click(30.25, 40),)
    assert stroke_clicks(Stroke([(30, 40)] * 5, False), FRAME) == (Click(30, 40, False),)
    dot = np.zeros(FRAME, np.uint8)
    cv2.circle(dot, (30, 40), 4, 255, -1)
    assert stroke_clicks(Stroke(dot), FRAME) == (Click(30.5, 40.5),)


def test_the_middle_of_a_stroke_comes_first() -> None:
    line = [(10, 60), (150, 60)]
    for drawn in (line, painted(line, 7)):
        first, *others = stroke_clicks(Stroke(drawn), FRAME, 3)
        assert first.x == pytest.approx(80, abs=3)
        assert sorted(click.x for click in others) == pytest.approx([10 + 140 / 6, 150 - 140 / 6], abs=4)


def test_clicks_keep_away_from_the_edge_of_a_broad_stroke() -> None:
    mask = painted([(20, 20), (20, 100), (140, 100)], 15)
    for click in stroke_clicks(Stroke(mask), FRAME, 5):
        assert distance(click, [(20, 20), (20, 100), (140, 100)]) < 4


@pytest.mark.parametrize(
    ("drawn", "sentence"),
    [
        ([(1, 2, 3)], "N x 2 numbers \\(x, y\\), or a mask of 160 x 120 pixels, not int64 \\(1, 3\\)"),
        ("line", "N x 2 numbers"),
        ([(1, 2), (3,)], "stroke cannot be read as numbers: rows are not of equal length"),
        ([("a", "b")], "N x 2 numbers"),
        (np.zeros((120, 161)), "not float64 \\(120, 161\\)"),
        ([(1, math.nan)], "finite"),
        ([(math.inf, 1)], "finite"),
        (np.zeros((0, 2)), "Nothing of the stroke lies on the 160 x 120 image"),
        ([(-5, -5), (-9, 300)], "Nothing of the stroke"),
        (np.zeros(FRAME, bool), "Nothing of the stroke"),
        (np.full(FRAME, 7.0), "numbers from 7 to 7"),
    ],
)
def test_other_strokes_are_refused_in_a_sentence(drawn, sentence) -> None:
    with pytest.raises(PromptError, match=sentence) as caught:
        stroke_clicks(Stroke(drawn), FRAME)
    assert str(caught.value).count("\n") == 0


def test_huge_strokes_are_answered_with_bounded_work() -> None:
    for far in (1e9, 1e300):
        assert len(stroke_clicks(Stroke([(5, 5), (far, far)]), FRAME)) == 1
    everything = np.ones((3000, 4000), bool)
    clicks = stroke_clicks(Stroke(everything), (3000, 4000), 4)
    assert all(abs(a.x - b.x) + abs(a.y - b.y) > 100 for a in clicks for b in clicks if a is not b)


def test_strokes_are_answered_as_their_clicks(hrnet_engine) -> None:
    predictor = Predictor(hrnet_engine, FIXED)
    image = np.random.default_rng(0).integers(0, 256, (*FRAME, 3), dtype=np.uint8)
    on, off = Stroke([(30, 30), (90, 60)]), Stroke(painted([(140, 20), (140, 100)], 3), is_positive=False)
    clicks = (*stroke_clicks(on, FRAME), *stroke_clicks(off, FRAME))
    found = predictor.predict(image, [(50, 50)], [1], strokes=[on, off])
    assert found.clicks == (*clicks, Click(50, 50))
    np.testing.assert_array_equal(found.mask, predictor.replay(predictor.start(image), found.clicks).mask)
    box = Box(20, 20, 100, 70)
    assert predictor.predict(image, [], [], box=box, strokes=[on]).clicks == stroke_clicks(on, FRAME)
    assert predictor.predict(image, [], [], box=box, strokes=[off]).clicks[0] == box.centre
    many = predictor.predict_batch(image, [[], []], [[], []], strokes=[[on], [off]])
    assert [state.clicks for state in many] == [stroke_clicks(on, FRAME), stroke_clicks(off, FRAME)]
