"""Refinements: each does what it says, and states stay values with all of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from ritm_model.clicks import Click
from ritm_model.inference import (
    Cascade,
    CloseLook,
    Predictor,
    PredictorOptions,
    ProgressiveMerge,
    Roi,
    ZoomIn,
)
from ritm_model.inference.refinement import changed_pixels, clicked_change, everywhere_in, overlaid
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Prediction

PLAIN = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=96), with_flip=False)
ALWAYS = ProgressiveMerge(from_click=1)
REFINED = {
    "cascade": replace(PLAIN, cascade=Cascade(first_clicks=2)),
    "merge": replace(PLAIN, merge=ALWAYS),
    "close look": replace(PLAIN, close_look=CloseLook(from_click=2)),
    "all": replace(PLAIN, cascade=Cascade(), merge=ALWAYS, close_look=CloseLook(from_click=1)),
    "all, paper": PredictorOptions(
        zoom_in=ZoomIn(target_size=96), cascade=Cascade(), merge=ALWAYS, close_look=CloseLook()
    ),
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
    assert changed_pixels(before, after) == np.count_nonzero(differs)
    change = clicked_change(before, after, click)
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


@settings(max_examples=40, deadline=None)
@given(before=answers(), after=answers())
def test_what_is_overlaid_holds_in_its_box_and_nowhere_else(before, after):
    box = after.soft.roi
    merged = overlaid(before, after, everywhere_in(box))
    expected = mask_of(before)
    expected[box.slices] = mask_of(after)[box.slices]
    np.testing.assert_array_equal(mask_of(merged), expected)
    inside = merged.soft.full()
    assert inside.min() >= 0
    assert inside.max() <= 1


@settings(max_examples=40, deadline=None)
@given(before=answers(), after=answers(), click=clicks_on_the_image)
def test_probabilities_follow_the_mask_but_for_its_outlines(before, after, click):
    change = clicked_change(before, after, click)
    if change is None:
        return
    merged = overlaid(before, after, change)
    mask = mask_of(merged)
    probability = merged.soft.full()
    deep = ndimage.binary_erosion(mask, iterations=12)
    assert (probability[deep] > 0.45).all()


@pytest.mark.parametrize("name", REFINED)
@settings(max_examples=4, deadline=None)
@given(clicks=st.lists(clicks_near_the_image, min_size=2, max_size=4), given_mask=st.booleans())
def test_states_stay_values(bundled_engine, name, clicks, given_mask):
    predictor = Predictor(bundled_engine, REFINED[name])
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
def test_correcting_a_mask_changes_only_what_was_clicked(bundled_engine, clicks):
    predictor = Predictor(bundled_engine, replace(PLAIN, merge=ProgressiveMerge(from_click=None)))
    plain = Predictor(bundled_engine, PLAIN)
    state = predictor.start(IMAGE, mask=DISK)
    for click in clicks:
        answer = plain.click(state, click)
        merged = predictor.click(state, click)
        changed = state.mask ^ merged.mask
        labels, parts = ndimage.label(changed, EIGHT)
        if (state.mask ^ answer.mask)[int(click.y), int(click.x)]:
            assert parts == 1
            assert labels[int(click.y), int(click.x)] == 1
        else:
            assert_same(merged, answer)
        state = merged


def test_a_merge_waits_for_its_click(bundled_engine):
    clicks = [Click(60, 50), Click(10, 10, False), Click(30, 70), Click(100, 20, False)]
    late = Predictor(bundled_engine, replace(PLAIN, merge=ProgressiveMerge(from_click=4)))
    plain = Predictor(bundled_engine, PLAIN)
    assert_same(late.replay(late.start(IMAGE), clicks[:3]), plain.replay(plain.start(IMAGE), clicks[:3]))
    assert not ProgressiveMerge(from_mask=False).applies(3, from_mask=True)
    assert not ProgressiveMerge(from_click=None).applies(99, from_mask=False)


def test_an_empty_mask_is_not_corrected(bundled_engine):
    options = replace(PLAIN, merge=ProgressiveMerge(), close_look=CloseLook())
    predictor = Predictor(bundled_engine, options)
    nothing = predictor.start(IMAGE, mask=np.zeros(FRAME, bool))
    clicks = [Click(60, 50), Click(65, 40)]
    assert_same(
        predictor.replay(nothing, clicks),
        replace(predictor.replay(predictor.start(IMAGE), clicks), order_offset=1),
    )


class Growing:
    """An engine that marks one more column of the previous mask at every run, up to the tenth."""

    name = "growing"

    def __init__(self, with_prev_mask=True):
        self.with_prev_mask = with_prev_mask
        self.runs = 0

    def run(self, image_BCHW, points_BP3):
        self.runs += 1
        marked = int((image_BCHW[0, 3, 0] > 0.5).sum()) if self.with_prev_mask else 0
        logits = torch.full_like(image_BCHW[:, :1], -9)
        logits[..., : min(marked + 1, 10)] = 9
        return logits


@pytest.mark.parametrize(
    ("cascade", "runs"),
    [
        (None, 1),
        (Cascade(max_steps=4), 5),
        (Cascade(max_steps=50), 11),  # ten columns, and one run that changes nothing
        (Cascade(max_steps=50, min_changed=98), 2),  # one column is 97 pixels
        (Cascade(first_clicks=0), 1),
    ],
)
def test_a_cascade_ends_when_little_changes(cascade, runs):
    engine = Growing()
    predictor = Predictor(engine, PredictorOptions(zoom_in=None, with_flip=False, cascade=cascade))
    state = predictor.click(predictor.start(IMAGE), Click(5, 5))
    assert engine.runs == runs
    assert state.mask.any(0).sum() == min(runs, 10)
    engine.runs = 0
    predictor.click(state, Click(50, 50))
    assert engine.runs == 1


def test_a_network_without_previous_mask_is_asked_once():
    engine = Growing(with_prev_mask=False)
    predictor = Predictor(engine, PredictorOptions(zoom_in=None, with_flip=False, cascade=Cascade()))
    predictor.click(predictor.start(IMAGE), Click(5, 5))
    assert engine.runs == 1


@given(
    share=st.floats(0.05, 1),
    least=st.none() | st.integers(1, 300),
    top=st.integers(0, 500),
    left=st.integers(0, 500),
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    x=st.floats(-50, 1100),
    y=st.floats(-50, 1100),
)
def test_a_close_look_stays_inside_the_crop_and_near_the_click(share, least, top, left, height, width, x, y):
    crop = Roi(top, top + height - 1, left, left + width - 1)
    close = CloseLook(share=share).around(Click(x, y), crop, least)
    assert crop.top <= close.top <= close.bottom <= crop.bottom
    assert crop.left <= close.left <= close.right <= crop.right
    for seen, whole in zip(close.size, crop.size, strict=True):
        assert seen == min(max(round(share * whole), least or 1, 1), whole)
    if crop.top <= y < crop.bottom + 1 and crop.left <= x < crop.right + 1:
        assert close.top <= int(y) <= close.bottom
        assert close.left <= int(x) <= close.right


def test_the_paper_s_profile_refines_nothing():
    paper = PredictorOptions.paper()
    assert (paper.cascade, paper.merge, paper.close_look) == (None, None, None)
