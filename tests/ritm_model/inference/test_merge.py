"""Progressive merge: a click changes the part of the mask that it is about, and states stay values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ritm_model.clicks import Click
from ritm_model.inference import Predictor, PredictorOptions, ProgressiveMerge, Roi, ZoomIn
from ritm_model.inference.merge import clicked_change, overlaid
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Prediction

PLAIN = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=96), with_flip=False)
ALWAYS = ProgressiveMerge(from_click=1)
REFINED = {
    "from a mask": replace(PLAIN, merge=ProgressiveMerge()),
    "always": replace(PLAIN, merge=ALWAYS),
    "paper": PredictorOptions(zoom_in=ZoomIn(target_size=96), merge=ALWAYS),
}
FRAME = (97, 131)
IMAGE = np.random.default_rng(0).integers(0, 256, (*FRAME, 3), dtype=np.uint8)
DISK = np.hypot(*(np.mgrid[:97, :131] - np.array([48, 60])[:, None, None])) < 20
EIGHT = np.ones((3, 3), int)
clicks_near_the_image = st.builds(Click, st.floats(-40, 170), st.floats(-40, 140), st.booleans())
clicks_on_the_image = st.builds(Click, st.floats(0, 130.9), st.floats(0, 96.9), st.booleans())


@st.composite
def answers(draw):
    """A prediction of rectangles, on some part of the frame and at some resolution."""
    top, left = draw(st.integers(0, 40)), draw(st.integers(0, 60))
    roi = Roi(top, draw(st.integers(top + 8, 96)), left, draw(st.integers(left + 8, 130)))
    values = np.full(draw(st.tuples(st.integers(4, 60), st.integers(4, 60))), 0.1, np.float32)
    for _ in range(draw(st.integers(0, 4))):
        row, column = draw(st.integers(0, values.shape[0] - 1)), draw(st.integers(0, values.shape[1] - 1))
        values[row : row + draw(st.integers(1, 15)), column : column + draw(st.integers(1, 15))] = 0.9
    return Prediction.of(SoftMap(values, roi, FRAME), threshold=0.49, object_threshold=0.5)


def mask_of(prediction):
    return prediction.mask_in(Roi(0, FRAME[0] - 1, 0, FRAME[1] - 1))


def assert_same(a, b):
    assert (a.clicks, a.roi, a.score) == (b.clicks, b.roi, b.score)
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(a.probability, b.probability)


@settings(max_examples=60, deadline=None)
@given(before=answers(), after=answers(), click=clicks_on_the_image)
def test_a_merge_touches_the_clicked_part_only(before, after, click):
    differs = mask_of(before) ^ mask_of(after)
    change = clicked_change(before, after, [click])
    row, column = int(click.y), int(click.x)
    if not differs[row, column]:
        assert change is None
        return
    labels, _ = ndimage.label(differs, EIGHT)
    part = labels == labels[row, column]
    merged = overlaid(before, after, change)
    np.testing.assert_array_equal(mask_of(merged), mask_of(before) ^ part)
    assert 0 <= merged.score <= 1
    if mask_of(merged).any():
        assert merged.mask_roi == merged.object_roi
        rows, columns = np.nonzero(mask_of(merged))
        assert merged.mask_roi == (rows.min(), rows.max(), columns.min(), columns.max())
    else:
        assert merged.mask_roi is None


@settings(max_examples=60, deadline=None)
@given(before=answers(), after=answers(), clicks=st.lists(clicks_on_the_image, min_size=2, max_size=4))
def test_a_merge_for_several_clicks_touches_the_part_of_each(before, after, clicks):
    differs = mask_of(before) ^ mask_of(after)
    labels, _ = ndimage.label(differs, EIGHT)
    clicked = {labels[int(click.y), int(click.x)] for click in clicks} - {0}
    change = clicked_change(before, after, clicks)
    if not clicked:
        assert change is None
        return
    expected = mask_of(before) ^ np.isin(labels, list(clicked))
    np.testing.assert_array_equal(mask_of(overlaid(before, after, change)), expected)


@settings(max_examples=40, deadline=None)
@given(before=answers(), after=answers(), click=clicks_on_the_image)
def test_probabilities_follow_the_mask_but_for_its_outlines(before, after, click):
    change = clicked_change(before, after, [click])
    if change is None:
        return
    merged = overlaid(before, after, change)
    mask = mask_of(merged)
    probability = merged.soft.full()
    deep = ndimage.binary_erosion(mask, iterations=12)
    assert (probability[deep] > 0.45).all()


@pytest.mark.parametrize("name", REFINED)
@settings(max_examples=3, deadline=None)
@given(clicks=st.lists(clicks_near_the_image, min_size=2, max_size=4), given_mask=st.booleans())
def test_states_stay_values(hrnet_engine, name, clicks, given_mask):
    predictor = Predictor(hrnet_engine, REFINED[name])
    start = predictor.start(IMAGE, mask=DISK if given_mask else None)
    older = predictor.replay(start, clicks[:-1])
    kept = older.mask, older.probability, older.score, older.roi
    newer = predictor.click(older, clicks[-1])
    for was, now in zip(kept, (older.mask, older.probability, older.score, older.roi), strict=True):
        np.testing.assert_array_equal(was, now)
    assert older.clicks == tuple(clicks[:-1])
    assert_same(predictor.click(older, clicks[-1]), newer)
    assert_same(predictor.replay(predictor.start(IMAGE, mask=DISK if given_mask else None), clicks), newer)


@settings(max_examples=6, deadline=None)
@given(clicks=st.lists(clicks_on_the_image, min_size=1, max_size=3))
@example(clicks=[Click(0, 0, False), Click(60, 43)])  # after the first one nothing of the mask is left
def test_correcting_a_mask_changes_only_what_was_clicked(hrnet_engine, clicks):
    predictor = Predictor(hrnet_engine, replace(PLAIN, merge=ProgressiveMerge(from_click=None)))
    plain = Predictor(hrnet_engine, PLAIN)
    state = predictor.start(IMAGE, mask=DISK)
    for click in clicks:
        answer = plain.click(state, click)
        merged = predictor.click(state, click)
        changed = state.mask ^ merged.mask
        labels, parts = ndimage.label(changed, EIGHT)
        if state.mask.any() and (state.mask ^ answer.mask)[int(click.y), int(click.x)]:
            assert parts == 1
            assert labels[int(click.y), int(click.x)] == 1
        else:
            assert_same(merged, answer)
        state = merged


@settings(max_examples=6, deadline=None)
@given(clicks=st.lists(clicks_on_the_image, min_size=1, max_size=3))
def test_a_first_guess_is_shown_to_the_network_and_not_kept(hrnet_engine, clicks):
    predictor = Predictor(hrnet_engine, replace(PLAIN, merge=ProgressiveMerge()))
    plain = Predictor(hrnet_engine, PLAIN)
    guess = predictor.start(IMAGE, mask=DISK, keep_mask=False)
    np.testing.assert_array_equal(guess.mask, DISK)
    assert_same(predictor.replay(guess, clicks), plain.replay(plain.start(IMAGE, mask=DISK), clicks))


def test_a_merge_waits_for_its_click(hrnet_engine):
    clicks = [Click(60, 50), Click(10, 10, False), Click(30, 70), Click(100, 20, False)]
    late = Predictor(hrnet_engine, replace(PLAIN, merge=ProgressiveMerge(from_click=4)))
    plain = Predictor(hrnet_engine, PLAIN)
    assert_same(late.replay(late.start(IMAGE), clicks[:3]), plain.replay(plain.start(IMAGE), clicks[:3]))
    assert not ProgressiveMerge(from_mask=False).applies(3, from_mask=True)
    assert not ProgressiveMerge(from_click=None).applies(99, from_mask=False)


def test_an_empty_mask_is_not_corrected(hrnet_engine):
    options = replace(PLAIN, merge=ProgressiveMerge())
    predictor = Predictor(hrnet_engine, options)
    nothing = predictor.start(IMAGE, mask=np.zeros(FRAME, bool))
    clicks = [Click(60, 50), Click(65, 40)]
    assert_same(predictor.replay(nothing, clicks), predictor.replay(predictor.start(IMAGE), clicks))


class LeftEdge:
    """An engine that marks the left edge, wherever one clicks."""

    name = "left edge"
    with_prev_mask = True

    def run(self, image_BCHW, points_BP3):
        logits = torch.full_like(image_BCHW[:, :1], -9)
        logits[..., :3] = 9
        return logits


def test_a_click_beside_all_that_would_change_takes_the_answer_as_it_is():
    options = PredictorOptions(zoom_in=None, with_flip=False, merge=ProgressiveMerge())
    predictor = Predictor(LeftEdge(), options)
    start = predictor.start(IMAGE, mask=DISK)
    edge = np.zeros(FRAME, bool)
    edge[:, :3] = True
    np.testing.assert_array_equal(predictor.click(start, Click(120, 90)).mask, edge)
    np.testing.assert_array_equal(predictor.click(start, Click(1, 90)).mask, DISK | edge)
    assert not predictor.click(start, Click(60, 48, False)).mask.any()


def test_serving_corrects_a_mask_where_it_is_clicked_and_the_paper_s_profile_does_not():
    assert PredictorOptions.serving().merge == ProgressiveMerge(from_mask=True, from_click=None)
    assert PredictorOptions.paper().merge is None
