"""What people rely on: states are values, crops follow the object, odd inputs do no harm."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.clicks import Click
from ritm_model.inference import Box, Predictor, PredictorOptions, PromptError, Roi, ZoomIn
from ritm_model.inference.geometry import roi_iou
from ritm_model.networks import Viewing

SERVING = PredictorOptions.serving(Viewing(size=320, first_size=256))
PAPER = PredictorOptions.paper()
SMALL = replace(SERVING, zoom_in=ZoomIn(skip_clicks=-1, target_size=128))
PROFILES = {
    "serving": SMALL,
    "paper": PAPER,
    "from nothing": PredictorOptions(zoom_in=ZoomIn(skip_clicks=0, target_size=200), with_flip=False),
    "no zoom": PredictorOptions(zoom_in=None, with_flip=False, max_size=200),
}
IMAGE = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
clicks_near_the_image = st.builds(Click, st.floats(-40, 170), st.floats(-40, 140), st.booleans())


def assert_same(a, b):
    assert a.clicks == b.clicks
    assert a.roi == b.roi
    np.testing.assert_array_equal(a.mask, b.mask)
    np.testing.assert_array_equal(a.probability, b.probability)


def frozen_copy(state):
    return replace(state), state.mask, state.probability, state.score, state.roi


@pytest.mark.parametrize("profile", PROFILES)
@settings(max_examples=5, deadline=None)
@given(clicks=st.lists(clicks_near_the_image, min_size=1, max_size=3))
def test_clicks_anywhere_give_probabilities_that_vanish_outside_the_crop(hrnet_engine, profile, clicks):
    predictor = Predictor(hrnet_engine, PROFILES[profile])
    state = predictor.replay(predictor.start(IMAGE), clicks)
    probability = state.probability
    assert probability.shape == state.mask.shape == IMAGE.shape[:2]
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert 0 <= state.score <= 1
    outside = np.ones(state.frame, bool)
    outside[state.roi.slices if state.roi else ...] = False
    assert not probability[outside].any()
    np.testing.assert_array_equal(state.mask, probability > predictor.options.threshold)


def test_the_view_is_small_until_there_is_a_mask(hrnet_engine) -> None:
    options = replace(SMALL, zoom_in=replace(SMALL.zoom_in, first_size=96), threshold=0.0)
    predictor = Predictor(hrnet_engine, options)
    first = predictor.click(predictor.start(IMAGE), Click(60, 40))
    assert max(first.prediction.soft.values_hw.shape) == 96
    later = predictor.click(predictor.start(IMAGE, mask=np.ones(IMAGE.shape[:2], bool)), Click(60, 40))
    assert max(later.prediction.soft.values_hw.shape) == 128


def test_the_view_grows_when_outlines_are_left(hrnet_engine) -> None:
    zoom_in = replace(SMALL.zoom_in, first_size=96, late_size=160, late_click=3)
    predictor = Predictor(hrnet_engine, replace(SMALL, zoom_in=zoom_in, threshold=0.0, merge=None))
    state, sizes = predictor.start(IMAGE), []
    for click in (Click(60, 40), Click(20, 20), Click(30, 30)):
        state = predictor.click(state, click)
        sizes.append(max(state.prediction.soft.values_hw.shape))
    assert sizes == [96, 128, 160]


@settings(max_examples=8, deadline=None)
@given(clicks=st.lists(clicks_near_the_image, min_size=2, max_size=3))
def test_undo_is_keeping_the_older_state(hrnet_engine, clicks):
    predictor = Predictor(hrnet_engine, SMALL)
    older = predictor.replay(predictor.start(IMAGE), clicks[:-1])
    _, mask, probability, score, roi = frozen_copy(older)
    newer = predictor.click(older, clicks[-1])
    assert older.clicks == tuple(clicks[:-1])
    assert (older.score, older.roi) == (score, roi)
    np.testing.assert_array_equal(older.mask, mask)
    np.testing.assert_array_equal(older.probability, probability)
    assert_same(predictor.click(older, clicks[-1]), newer)
    assert_same(predictor.replay(predictor.start(IMAGE), clicks), newer)


def test_arrays_handed_out_are_copies(hrnet_engine):
    predictor = Predictor(hrnet_engine)
    state = predictor.click(predictor.start(IMAGE), Click(60, 50))
    before = state.mask, state.probability
    state.mask[:] = True
    state.probability[:] = 7
    np.testing.assert_array_equal(state.mask, before[0])
    np.testing.assert_array_equal(state.probability, before[1])


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (33, 700)])
def test_narrow_images(hrnet_engine, profile, shape):
    predictor = Predictor(hrnet_engine, PROFILES[profile])
    image = np.full((*shape, 3), 128, np.uint8)
    corner = Click(shape[1] - 0.001, shape[0] - 0.001)
    state = predictor.replay(predictor.start(image), [Click(0, 0), corner, Click(0, 0, False)])
    assert state.mask.shape == shape


class OneAnswer:
    """An engine whose logits are the first colour channel, so that the way there and back is visible."""

    name = "one answer"
    with_prev_mask = True

    def __init__(self):
        self.seen = []

    def run(self, image_BCHW, points_BP3):
        self.seen.append((image_BCHW.clone(), points_BP3.clone()))
        return torch.logit(image_BCHW[:, :1].clamp(1e-4, 1 - 1e-4))


@settings(max_examples=25, deadline=None)
@given(
    box=st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(80, 120), st.integers(80, 110)),
    flip=st.booleans(),
    target=st.sampled_from([32, 64, 200, (90, 90), (256, 128)]),
)
def test_a_linear_ramp_comes_back_unchanged_inside_the_crop(box, flip, target):
    rows, columns = np.mgrid[:140, :160]
    ramp = (40 + rows * 0.5 + columns * 0.75).round().astype(np.uint8)
    options = replace(SERVING, zoom_in=ZoomIn(target_size=target, skip_clicks=-1), with_flip=flip)
    predictor = Predictor(OneAnswer(), options)
    state = predictor.start(np.dstack([ramp] * 3), region=Box(*box))
    state = predictor.click(state, Box(*box).centre)
    inside = state.roi.slices
    # Half a grey level from rounding the ramp, doubled where two resizings meet. At the edge of the crop the
    # mean of the last block stands for its outermost pixel and for those that fill no block.
    seen = state.prediction.soft.values_hw.shape
    side = max(min(pixels // shown for pixels, shown in zip(state.roi.size, seen, strict=True)), 1)
    levels = 1.01 + (0.5 + 0.75) * 1.5 * (side - 1)
    np.testing.assert_allclose(state.probability[inside], (ramp / 255)[inside], atol=levels / 255)


def test_the_mirror_image_rides_in_the_same_batch():
    engine = OneAnswer()
    predictor = Predictor(engine, PredictorOptions(zoom_in=None, with_flip=True))
    predictor.click(predictor.start(IMAGE), Click(10, 20))
    (image_BCHW, points_BP3) = engine.seen[0]
    assert len(engine.seen) == 1
    torch.testing.assert_close(image_BCHW[1], image_BCHW[0].flip(2))
    assert points_BP3[:, 0].tolist() == [[20, 10, 0], [20, 131 - 1 - 10, 0]]


def test_only_the_first_clicks_reach_a_limited_network():
    engine = OneAnswer()
    predictor = Predictor(engine, PredictorOptions(zoom_in=None, with_flip=False, net_clicks_limit=2))
    predictor.replay(predictor.start(IMAGE), [Click(1, 2), Click(3, 4, False), Click(5, 6)])
    assert engine.seen[-1][1][0].tolist() == [[2, 1, 0], [4, 3, 1]]


def test_one_click_is_one_run(engine):
    predictor = Predictor(engine, SERVING)
    state = predictor.start(IMAGE)
    for count, click in enumerate([Click(60, 50), Click(5, 5, False), Click(80, 50)], start=1):
        state = predictor.click(state, click)
        assert engine.runs == count


def test_serving_never_shows_the_network_more_than_its_target_size():
    engine = OneAnswer()
    predictor = Predictor(engine, SERVING)
    image = np.zeros((3000, 4000, 3), np.uint8)
    image[1400:1800, 1900:2300] = 255
    state = predictor.replay(predictor.start(image), [Click(2100, 1600), Click(10, 10, False)])
    assert [tuple(view.shape[2:]) for view, _ in engine.seen] == [(192, 256), (320, 320)]
    assert state.mask.shape == (3000, 4000)
    # The state holds a network's view and the mask inside its bounding box, not the photograph.
    assert state.nbytes < 2_000_000


def test_a_mask_is_the_first_previous_mask_and_the_first_click_looks_there():
    engine = OneAnswer()
    predictor = Predictor(engine, SERVING)
    mask = np.zeros((600, 800), bool)
    mask[300:400, 500:600] = True
    start = predictor.start(np.zeros((600, 800, 3), np.uint8), mask=mask)
    np.testing.assert_array_equal(start.mask, mask)
    assert start.score == 1
    state = predictor.click(start, Click(550, 350))
    assert state.roi == Roi(190, 510, 390, 710)
    view, _ = engine.seen[0]
    previous_hw = view[0, 3].numpy()
    # 100 of the 321 rows and columns of the crop, seen at 320 pixels.
    assert previous_hw.sum() == pytest.approx((100 * 320 / 321) ** 2, rel=0.02)
    assert previous_hw[160, 160] == 1
    assert previous_hw[40, 160] == 0


@pytest.mark.parametrize("options", [SERVING, PAPER], ids=["serving", "paper"])
def test_an_empty_mask_is_no_mask(hrnet_engine, options):
    predictor = Predictor(hrnet_engine, options)
    empty = predictor.start(IMAGE, mask=np.zeros(IMAGE.shape[:2], bool))
    assert not empty.mask.any()
    assert empty.score == 0
    with_mask, without = (predictor.click(start, Click(60, 50)) for start in (empty, predictor.start(IMAGE)))
    np.testing.assert_array_equal(with_mask.mask, without.mask)


@pytest.mark.parametrize("options", [SERVING, PAPER], ids=["serving", "paper"])
def test_a_region_is_where_the_first_click_looks(options):
    engine = OneAnswer()
    predictor = Predictor(engine, options)
    box = Box(100, 200, 400, 300)
    start = predictor.start(np.zeros((600, 800, 3), np.uint8), region=box)
    state = predictor.click(start, box.centre)
    assert state.roi == Roi(150, 350, 40, 460)  # 1.4 times as wide, and the least height
    # A click outside the region widens the view instead of being lost.
    assert predictor.click(start, Click(700, 500)).roi.holds(Click(700, 500))


def test_what_does_not_fit_the_image_is_refused():
    predictor = Predictor(OneAnswer())
    with pytest.raises(PromptError, match="mask is 4 x 3, the image 131 x 97 pixels"):
        predictor.start(IMAGE, mask=np.zeros((3, 4), bool))
    with pytest.raises(PromptError, match="outside the 131 x 97 image"):
        predictor.start(IMAGE, region=Box(200, 0, 300, 50))
    with pytest.raises(PromptError, match="float64"):
        predictor.start(IMAGE / 255)


def test_an_object_that_grows_beyond_the_crop_is_followed():
    image = np.zeros((800, 1000, 3), np.uint8)
    image[380:420, 100:900] = 255
    predictor = Predictor(OneAnswer(), SERVING)
    mask = np.zeros((800, 1000), bool)
    mask[380:420, 100:200] = True
    first = predictor.click(predictor.start(image, mask=mask), Click(150, 400))
    assert first.roi.right < 400
    grown = predictor.click(first, Click(850, 400))
    assert grown.roi.left < 100
    assert grown.roi.right > 850
    assert grown.mask[400, 100:850].all()


def test_an_emptied_mask_shows_the_whole_image_again():
    class Forgetful(OneAnswer):
        def run(self, image_BCHW, points_BP3):
            logits = super().run(image_BCHW, points_BP3)
            return torch.full_like(logits, -9) if len(self.seen) == 2 else logits

    image = np.zeros((600, 800, 3), np.uint8)
    image[100:200, 100:200] = 255
    for options in (SERVING, PAPER):
        predictor = Predictor(Forgetful(), options)
        emptied = predictor.replay(predictor.start(image), [Click(150, 150), Click(160, 150)])
        assert not emptied.mask.any()
        assert emptied.roi.size < (330, 330)
        again = predictor.click(emptied, Click(120, 120))
        assert again.roi in (None, Roi(0, 599, 0, 799))
        assert roi_iou(Roi(*_box(again.mask)), Roi(100, 199, 100, 199)) > 0.95


def _box(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def test_negative_clicks_outside_the_crop_change_nothing_but_the_history(hrnet_engine, photo):
    predictor = Predictor(hrnet_engine, SERVING)
    state = predictor.replay(predictor.start(photo("bear")), [Click(213, 285), Click(225, 290)])
    assert not state.roi.holds(Click(2, 2))
    again = predictor.click(state, Click(225, 290))
    away = predictor.click(state, Click(2, 2, False))
    assert away.roi == state.roi
    assert again.roi == state.roi
    assert np.isfinite(away.probability).all()


def test_warm_up_runs_the_network(engine):
    Predictor(engine).warm_up()
    assert engine.runs == 2
