"""Strokes become few clicks, always the same, on the stroke and spread over it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ritm_model import Box, Click, Lasso, Predictor, PredictorOptions, PromptError, Stroke, ZoomIn
from ritm_model.inference.strokes import MOST_CLICKS, drawn_around, region_clicks, stroke_clicks, with_strokes
from ritm_model.masks.coco import coco_mask

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
@example([(0.0, -0.5), (0.0, 0.0)], 1, False)  # shorter than a pixel, with one end on the image
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


rings = st.lists(points, min_size=3, max_size=12)


@settings(deadline=None)
@given(rings)
def test_the_clicks_of_a_lasso_lie_inside_it_and_on_the_image(ring) -> None:
    lasso = Lasso.of(ring)
    try:
        clicks = region_clicks(lasso, (), FRAME)
    except PromptError as error:
        assert "Nothing of the lasso lies on the 160 x 120 image" in str(error)
        return
    inside = lasso.mask(FRAME)
    assert 1 <= len(clicks) <= MOST_CLICKS
    assert all(click.is_positive and inside[int(click.y), int(click.x)] for click in clicks)
    roi, guess = drawn_around(lasso, FRAME)
    assert guess is not None
    assert roi == guess.roi
    np.testing.assert_array_equal(guess.full() > 0.5, inside)


def test_a_lasso_encloses_what_a_polygon_of_its_points_does() -> None:
    ring = [(30.2, 20.7), (90.5, 25.1), (70.3, 80.9), (40.6, 60.4)]
    inside = Lasso.of(ring).mask(FRAME)
    exact = coco_mask([[side for point in ring for side in point]], *FRAME)
    assert (exact & ~inside).sum() == 0
    depth = cv2.distanceTransform((~exact).astype(np.uint8), cv2.DIST_L2, 5)
    assert depth[inside].max() < 1.5


@pytest.mark.parametrize(
    "ring",
    [[], [[1, 2], [3, 4]], [[1, 2, 3]] * 4, "abc", [[1, 2], [3, np.nan], [5, 6]], [[1, 2], [3], [4, 5]]],
)
def test_what_is_no_lasso_is_refused_in_a_sentence(ring) -> None:
    with pytest.raises(PromptError, match=r"lasso .*\.$"):
        Lasso.of(ring)


class Blind:
    """An engine that finds nothing, and keeps the previous masks that it is shown."""

    name = "blind"
    with_prev_mask = True

    def __init__(self) -> None:
        self.previous: list[np.ndarray] = []

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        self.previous.append(image_BCHW[0, 3].numpy().copy())
        return torch.full_like(image_BCHW[:, :1], -9.0)


def test_a_lasso_is_shown_to_the_network_once_and_to_nobody_else() -> None:
    engine = Blind()
    predictor = Predictor(engine, FIXED)
    image = np.zeros((*FRAME, 3), np.uint8)
    lasso = Lasso.of([(40, 30), (120, 30), (120, 90), (40, 90)])
    start = predictor.start(image, region=lasso)
    assert not start.mask.any()
    after = predictor.replay(start, [Click(80, 60), Click(90, 60)])
    first, second = engine.previous
    assert first.max() == 1
    assert second.max() < 1e-3  # what the network has answered
    assert not after.mask.any()
    assert not after.from_mask

    given = np.zeros(FRAME, bool)
    given[50:60, 70:80] = True
    predictor.click(predictor.start(image, given, lasso), Click(80, 60))
    assert 0 < engine.previous[-1].mean() < 0.1, "a mask that was given comes first"
    predictor.click(predictor.start(image, region=Box(40, 30, 120, 90)), Click(80, 60))
    assert engine.previous[-1].max() == 0, "a box is no guess"


def test_a_lasso_is_answered_as_its_guess_and_clicks(engine) -> None:
    predictor = Predictor(engine, FIXED)
    image = np.random.default_rng(2).integers(0, 256, (*FRAME, 3), dtype=np.uint8)
    ring = [(40, 30), (120, 30), (120, 90), (40, 90)]
    lasso = Lasso.of(ring)
    state = predictor.predict(image, [[5, 5]], [0], lasso=ring)
    start = predictor.start(image, region=lasso)
    expected = predictor.replay(start, region_clicks(lasso, [Click(5, 5, False)], FRAME))
    assert state.clicks == expected.clicks
    np.testing.assert_array_equal(state.mask, expected.mask)
    assert predictor.predict(image, [[80, 60]], [1], lasso=ring).clicks == (Click(80, 60),)
    (batched,) = predictor.predict_batch(image, [[[5, 5]]], [[0]], lassos=[ring])
    assert batched.clicks == state.clicks
    with pytest.raises(PromptError, match="a box or a lasso"):
        predictor.predict(image, [], [], box=Box(1, 1, 9, 9), lasso=ring)


def test_strokes_are_painted_into_a_mask_that_is_refined(engine) -> None:
    predictor = Predictor(engine, FIXED)
    image = np.random.default_rng(2).integers(0, 256, (*FRAME, 3), dtype=np.uint8)
    given = np.zeros(FRAME, bool)
    given[30:90, 40:120] = True
    add = Stroke([(125, 60), (140, 60)])
    away = Stroke(painted([(50, 40), (70, 40)], 5), is_positive=False)
    both = with_strokes(given, [add, away])
    assert both[60, 125:140].all()
    assert not both[40, 50:70].any()
    assert (both ^ given).sum() < 250, "lines are narrow"
    assert with_strokes(given.astype(np.float32), [add])[60, 130] == 1

    clicks = [click for stroke in (add, away) for click in stroke_clicks(stroke, FRAME)]
    expected = predictor.replay(predictor.start(image, both), clicks)
    state = predictor.predict(image, [], [], mask=given, strokes=[add, away])
    assert state.clicks == expected.clicks
    np.testing.assert_array_equal(state.mask, expected.mask)
    assert {click.is_positive for click in state.clicks} == {True, False}
