"""What the tests of sessions share: clicks, images that are counted, and a network that can be held."""

import threading
from dataclasses import replace

import numpy as np

from ritm_model.clicks import Click
from ritm_model.inference import PredictorOptions, ZoomIn

OPTIONS = replace(PredictorOptions.serving(), zoom_in=ZoomIn(target_size=64, skip_clicks=-1))


A, B, C, D = Click(40, 40), Click(5, 5, False), Click(60, 30), Click(41, 44)


def random_image(seed: int, height: int = 80, width: int = 100) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


class Images:
    """Loads pictures by key and counts how often."""

    def __init__(self):
        self.loads = []

    def of(self, key: str):
        def load():
            self.loads.append(key)
            return random_image(sum(key.encode()))

        return load


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def replayed(predictor, image, *clicks, mask=None, region=None, keep_mask=True):
    return predictor.replay(predictor.start(image, mask, region, keep_mask=keep_mask), clicks)


def assert_same_answer(state, expected):
    assert state.clicks == expected.clicks
    assert state.roi == expected.roi
    np.testing.assert_array_equal(state.mask, expected.mask)
    np.testing.assert_array_equal(state.probability, expected.probability)


class Gate:
    """Holds the network at its first run until it is opened."""

    def __init__(self, engine):
        self.engine = engine
        self.name, self.with_prev_mask = engine.name, engine.with_prev_mask
        self.entered, self.open = threading.Event(), threading.Event()
        self.shapes = []

    def run(self, image_BCHW, points_BP3):
        self.entered.set()
        assert self.open.wait(60)
        self.shapes.append(tuple(image_BCHW.shape))
        return self.engine.run(image_BCHW, points_BP3)


def telling(event, image):
    """An image that says when it is asked for: by then the request has arrived."""

    def load():
        event.set()
        return image

    return load
