"""Answers in both forms, read back by the browser's rules."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cvat_serverless.answer import write_answer
from cvat_serverless.browser import shown_shapes
from cvat_serverless.interactor import ObjectMask, Segmentation
from cvat_serverless.settings import AnswerForm
from ritm_model.masks.cvat_rle import decode

WIDTH, HEIGHT = 24, 16

Mask = npt.NDArray[np.bool_]


def segmentation(*masks: Mask, confidence: float = 0.934) -> Segmentation:
    return Segmentation(WIDTH, HEIGHT, tuple(ObjectMask(mask, confidence) for mask in masks))


def recorded_masks(answer: Any) -> list[Mask]:
    return [decode(shape["points"], width=WIDTH, height=HEIGHT) for shape in answer["shapes"]]


@pytest.mark.parametrize(
    ("name", "with_confidence"), [("response_shapes", False), ("response_shapes_confidence", True)]
)
def test_shapes_equal_the_recorded_answers(
    payload: Callable[[str], Any], name: str, with_confidence: bool
) -> None:
    answer = payload(name)

    text = write_answer(segmentation(*recorded_masks(answer)), "shapes", with_confidence=with_confidence)

    assert json.loads(text) == answer


@pytest.mark.parametrize("name", ["response_mask", "response_mask_empty", "response_mask_full"])
def test_masks_equal_the_recorded_answers(payload: Callable[[str], Any], name: str) -> None:
    answer = payload(name)

    text = write_answer(segmentation(np.array(answer["mask"]) > 0), "mask")

    assert json.loads(text) == answer


def test_nothing_found_is_no_error_in_the_browser(payload: Callable[[str], Any]) -> None:
    assert json.loads(write_answer(segmentation(), "shapes")) == payload("response_shapes_empty")
    assert json.loads(write_answer(segmentation(), "mask")) == payload("response_mask_empty")


def test_several_objects_are_several_shapes_or_one_mask(payload: Callable[[str], Any]) -> None:
    answer = payload("response_shapes_two")
    masks = recorded_masks(answer)

    shapes = shown_shapes(
        json.loads(write_answer(segmentation(*masks), "shapes")), width=WIDTH, height=HEIGHT
    )
    (whole,) = shown_shapes(
        json.loads(write_answer(segmentation(*masks), "mask")), width=WIDTH, height=HEIGHT
    )

    assert [shape.mask.tolist() for shape in shapes] == [mask.tolist() for mask in masks]
    assert (whole.mask == masks[0] | masks[1]).all()


# Blocks of 2 x 2 pixels: the browser drops specks without an outline.
blocky_masks = arrays(np.bool_, (HEIGHT // 2, WIDTH // 2)).map(
    lambda small_HW: small_HW.repeat(2, axis=0).repeat(2, axis=1)
)


@given(blocky_masks, st.sampled_from(["shapes", "mask"]))
def test_any_mask_is_shown_as_it_is(mask_HW: Mask, form: AnswerForm) -> None:
    found = segmentation(mask_HW) if mask_HW.any() else segmentation()

    shapes = shown_shapes(json.loads(write_answer(found, form)), width=WIDTH, height=HEIGHT)

    assert [shape.mask.tolist() for shape in shapes] == ([mask_HW.tolist()] if mask_HW.any() else [])


def test_the_confidence_is_shown(payload: Callable[[str], Any]) -> None:
    mask_HW = np.ones((HEIGHT, WIDTH), dtype=np.bool_)

    text = write_answer(segmentation(mask_HW, confidence=1.0), "shapes", with_confidence=True)

    (shape,) = shown_shapes(json.loads(text), width=WIDTH, height=HEIGHT)
    assert shape.confidence == 1.0
    assert '"value":"1.00"' in text


def test_shapes_stay_small_where_a_mask_takes_megabytes() -> None:
    rows_H1, columns_1W = np.ogrid[:3000, :4000]
    disk_HW = (rows_H1 - 1500) ** 2 + (columns_1W - 2000) ** 2 < 1000**2
    found = Segmentation(4000, 3000, (ObjectMask(disk_HW, 0.9),))

    assert len(write_answer(found, "shapes")) < 30_000
    assert len(write_answer(found, "mask")) > 20_000_000
