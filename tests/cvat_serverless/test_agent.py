"""The native agent, against the SDK that runs it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest

from cvat_serverless.interactor import Interactor
from ritm_model.clicks import Click
from ritm_model.inference import Annotator, Box, Predictor

if os.environ.get("CI") != "true":
    pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed (extra 'cvat-agent')")
import cvat_sdk.auto_annotation as cvataa
from cvat_sdk.masks import decode_mask

from cvat_serverless import agent

BUS = Path(__file__).parents[1] / "samples" / "images" / "bus.jpg"
WIDTH, HEIGHT = 640, 427

Point = tuple[float, float]


@dataclass(frozen=True)
class Prompts(cvataa.InteractionPrompts):
    """What cvat-cli hands over."""

    pos_points: Sequence[Point] = ()
    neg_points: Sequence[Point] = ()
    bounding_box: tuple[Point, Point] | None = None


class Context(cvataa.InteractionFunctionContext):
    """Empty, as in the SDK."""


@pytest.fixture
def function(predictor: Predictor) -> agent.RitmFunction:
    return agent.RitmFunction(Interactor(Annotator(predictor), min_region_pixels=0))


def masks(shapes: list[cvataa.InteractionResultShape]) -> list[npt.NDArray[np.bool_]]:
    return [decode_mask(shape.points, image_width=WIDTH, image_height=HEIGHT) for shape in shapes]


def test_points_and_boxes_are_welcome_and_none_is_a_must(function: agent.RitmFunction) -> None:
    assert isinstance(function.spec, cvataa.InteractionFunctionSpec)
    assert function.spec.min_pos_points == 0
    assert function.spec.min_neg_points == 0
    assert function.spec.min_bounding_boxes == 0


def test_a_session_of_clicks_equals_the_predictor(function: agent.RitmFunction, predictor: Predictor) -> None:
    frame = function.preprocess_image(Context(), PIL.Image.open(BUS))
    function.detect(Context(), frame, Prompts(pos_points=[(320, 220)]))

    shapes = function.detect(Context(), frame, Prompts(pos_points=[(320, 220)], neg_points=[(60, 60)]))

    clicks = (Click(320, 220), Click(60, 60, is_positive=False))
    state = predictor.replay(predictor.start(frame.pixels_HW3), clicks)
    (mask_HW,) = masks(shapes)
    assert (mask_HW == state.mask).all()
    assert shapes[0].type == "mask"
    assert shapes[0].attributes == []


def test_a_box_is_a_region_of_interest(function: agent.RitmFunction, predictor: Predictor) -> None:
    frame = function.preprocess_image(Context(), PIL.Image.open(BUS))

    shapes = function.detect(Context(), frame, Prompts(bounding_box=((200, 130), (460, 330))))

    box = Box(200, 130, 460, 330)
    state = predictor.click(predictor.start(frame.pixels_HW3, region=box), box.centre)
    assert [mask_HW.tolist() for mask_HW in masks(shapes)] == [state.mask.tolist()]


def test_nothing_marked_gives_no_shapes(function: agent.RitmFunction) -> None:
    frame = function.preprocess_image(Context(), PIL.Image.new("RGB", (WIDTH, HEIGHT)))

    assert function.detect(Context(), frame, Prompts()) == []


def test_the_confidence_is_an_attribute_of_cvat(predictor: Predictor) -> None:
    function = agent.RitmFunction(Interactor(Annotator(predictor)), confidence=True)
    frame = function.preprocess_image(Context(), PIL.Image.open(BUS))

    (shape,) = function.detect(Context(), frame, Prompts(pos_points=[(320, 220)]))

    (attribute,) = shape.attributes
    assert attribute.spec_id == cvataa.InteractionResultAttributes.CONFIDENCE
    assert 0 < float(attribute.value) <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_frames_of_any_kind_are_prepared(function: agent.RitmFunction, mode: str) -> None:
    image = PIL.Image.new(mode, (24, 16))

    frame = function.preprocess_image(Context(), image)

    assert frame.pixels_HW3.shape == (16, 24, 3)
    assert frame.pixels_HW3.dtype == np.uint8


def test_the_key_is_that_of_the_pixels(function: agent.RitmFunction) -> None:
    one = function.preprocess_image(Context(), PIL.Image.new("RGB", (24, 16), (1, 2, 3)))
    same = function.preprocess_image(Context(), PIL.Image.new("RGB", (24, 16), (1, 2, 3)))
    turned = function.preprocess_image(Context(), PIL.Image.new("RGB", (16, 24), (1, 2, 3)))

    assert one.key == same.key
    assert one.key != turned.key


def test_cvat_cli_can_make_it_with_parameters() -> None:
    function = agent.create(model="bundled", device="cpu", confidence=True)

    assert isinstance(function, agent.RitmFunction)
