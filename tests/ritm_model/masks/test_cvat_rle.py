"""CVAT's mask encoding, with CVAT's own SDK as the judge."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ritm_model.masks.cvat_rle import MaskRleError, decode, encode

if os.environ.get("CI") != "true":
    pytest.importorskip("cvat_sdk.masks", reason="cvat-sdk is not installed (extra 'cvat-agent')")
from cvat_sdk.masks import decode_mask, encode_mask

PAYLOADS = Path(__file__).parents[2] / "payloads/cvat"
WIDTH, HEIGHT = 24, 16

Mask = npt.NDArray[np.bool_]

masks = arrays(np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 24)))
some_masks = masks.filter(lambda mask_HW: bool(mask_HW.any()))


@given(some_masks)
def test_encodes_as_the_sdk_does(mask_HW: Mask) -> None:
    assert encode(mask_HW) == encode_mask(mask_HW)


@given(masks)
def test_decodes_what_the_sdk_encodes(mask_HW: Mask) -> None:
    height, width = mask_HW.shape

    decoded_HW = decode(encode_mask(mask_HW), width=width, height=height)

    assert (decoded_HW == mask_HW).all()


@given(some_masks)
def test_the_sdk_decodes_what_we_encode(mask_HW: Mask) -> None:
    height, width = mask_HW.shape

    decoded_HW = decode_mask(encode(mask_HW), image_width=width, image_height=height)

    assert (decoded_HW == mask_HW).all()


def accepts(decode_with: Callable[[], object]) -> bool:
    try:
        decode_with()
    except (MaskRleError, ValueError):
        return False
    return True


@given(st.lists(st.integers(-1, 9) | st.sampled_from([0.5, 3.0]), max_size=9))
def test_refuses_what_the_sdk_refuses(points: list[float]) -> None:
    assert accepts(lambda: decode(points, width=6, height=5)) == accepts(
        lambda: decode_mask(points, image_width=6, image_height=5)
    )


@pytest.mark.parametrize(
    "points",
    [[0, 1, 0, 0, float("nan"), 0], [0, 1, 0, 0, float("inf"), 0], [-1, 2, 0, 0, 0, 0]],
)
def test_refuses_numbers_that_count_nothing(points: list[float]) -> None:
    with pytest.raises(MaskRleError, match="not whole or below zero"):
        decode(points, width=6, height=5)


@pytest.mark.parametrize(
    "name",
    ["response_shapes", "response_shapes_confidence", "response_shapes_two", "rest_labeled_shape_mask"],
)
def test_recorded_masks_survive_a_round_trip(name: str) -> None:
    payload = json.loads((PAYLOADS / f"{name}.json").read_text())
    for shape in payload["shapes"]:
        assert encode(decode(shape["points"], width=WIDTH, height=HEIGHT)) == shape["points"]


def test_a_ring_in_the_middle() -> None:
    mask_HW = np.zeros((5, 9), dtype=np.bool_)
    mask_HW[1:4, 4:7] = True
    mask_HW[2, 5] = False

    assert encode(mask_HW) == [0, 4, 1, 4, 4, 1, 6, 3]


def test_an_empty_mask_has_no_box() -> None:
    with pytest.raises(ValueError, match="no box"):
        encode(np.zeros((4, 4), dtype=np.bool_))


def test_large_numbers_do_not_overflow() -> None:
    mask_HW = np.ones((3000, 4000), dtype=np.bool_)

    assert encode(mask_HW) == [0, 12_000_000, 0, 0, 3999, 2999]
    assert decode([0, 12_000_000, 0, 0, 3999, 2999], width=4000, height=3000).all()
