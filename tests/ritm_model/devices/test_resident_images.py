"""Photographs on the device of an engine: who shares them, and when they go."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from second_device import done
from small_runs import made

from ritm_model.clicks import Click
from ritm_model.inference import Predictor, PredictorOptions, TorchEngine
from ritm_model.inference.engines.batching import GatheringEngine
from ritm_model.inference.engines.resident import ResidentImages
from ritm_model.inference.sessions.annotator import Annotator, Prompt

CLICKS = (Click(30, 40), Click(10.5, 12, False), Click(70, 60, False))


def picture(seed: int, height: int = 80) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, 96, 3), np.uint8)


@pytest.fixture
def engine(device: torch.device) -> TorchEngine:
    return TorchEngine(made("lite"), str(device))


@pytest.fixture
def predictor(engine: TorchEngine) -> Predictor:
    return Predictor(engine, PredictorOptions.serving(engine.viewing))


def uploads_of(work: Callable[[], object]) -> int:
    before = done.uploads
    work()
    return done.uploads - before


def test_a_session_uploads_its_image_once_and_takes_it_from_the_device_at_its_end(
    engine: TorchEngine, predictor: Predictor
) -> None:
    seconds = [0.0]
    annotator = Annotator(predictor, at_once=2, ttl_seconds=60, clock=lambda: seconds[0])
    images = {"first": picture(1), "second": picture(2, 120)}

    def answer(key: str, clicks: tuple[Click, ...]) -> None:
        annotator.segment(Prompt(key, clicks), lambda: images[key])

    assert uploads_of(lambda: answer("first", CLICKS[:1])) == 2
    assert uploads_of(lambda: answer("first", CLICKS[:2])) == 1
    assert uploads_of(lambda: answer("first", CLICKS[2:])) == 1, "another object on the same image"
    seconds[0] = 50
    assert uploads_of(lambda: answer("second", CLICKS)) == 1 + len(CLICKS)
    assert engine.resident is not None
    assert engine.resident.nbytes == sum(image.nbytes for image in images.values())
    seconds[0] = 70
    annotator.tidy()
    assert engine.resident.nbytes == images["second"].nbytes
    annotator.shrink(1 << 30)
    assert engine.resident.nbytes == 0


def test_objects_of_one_batch_share_the_image() -> None:
    """On the CPU, since threads that make views do not see the second device."""
    engine = TorchEngine(made("lite"))
    predictor = Predictor(engine, PredictorOptions.serving(engine.viewing))
    image, points, labels = picture(1, 900), [[[30, 40]], [[60, 20]], [[10, 12]]], [[1]] * 3
    expected = predictor.predict_batch(image, points, labels)
    engine.resident = ResidentImages(engine.device)
    states = predictor.predict_batch(image, points, labels)
    assert engine.resident.nbytes == image.nbytes
    for one, other in zip(states, expected, strict=True):
        np.testing.assert_allclose(one.probability, other.probability, atol=1e-5)


def test_a_buffer_that_is_filled_anew_is_another_image(predictor: Predictor) -> None:
    """As of a camera: whoever starts again sees what is there now."""
    buffer = picture(1)
    first = predictor.predict(buffer, [[30, 40]], [1])
    buffer[:] = picture(2)
    second = predictor.predict(buffer, [[30, 40]], [1])
    expected = predictor.predict(picture(2), [[30, 40]], [1])
    np.testing.assert_array_equal(second.probability, expected.probability)
    assert not np.array_equal(first.probability, second.probability)


def test_gathered_clicks_with_different_numbers_of_points_bring_nothing_else_to_the_device(
    engine: TorchEngine, device: torch.device
) -> None:
    gathering = GatheringEngine(engine, 8)
    image_BCHW, points_BP3 = torch.rand(1, 4, 64, 64).to(device), torch.full((1, 6, 3), 9.0).to(device)
    assert uploads_of(lambda: gathering.run(image_BCHW, points_BP3)) == 0


def test_an_image_too_large_for_the_device_is_shown_from_the_cpu(
    engine: TorchEngine, predictor: Predictor
) -> None:
    image = picture(3)
    expected = predictor.replay(predictor.start(image), CLICKS).probability
    engine.resident = ResidentImages(engine.device, most_bytes=1000)
    answered = predictor.replay(predictor.start(image), CLICKS).probability
    assert engine.resident.nbytes == 0
    np.testing.assert_allclose(answered, expected, atol=1e-5)
