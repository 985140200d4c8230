"""The browser's rules, over every answer recorded as good and as bad."""

from collections.abc import Callable
from typing import Any

import pytest

from cvat_serverless.browser import AnswerError, shown_shapes, through_region
from ritm_model.masks.cvat_rle import decode

WIDTH, HEIGHT = 24, 16
BLOCK = [0, 3, 0, 0, 2, 0]

Payload = Callable[[str], Any]


@pytest.mark.parametrize(
    ("name", "n_shapes", "n_pixels"),
    [
        ("response_shapes", 1, 44),
        ("response_shapes_confidence", 1, 44),
        ("response_shapes_two", 2, 132),
        ("response_shapes_empty", 0, 0),
        ("response_shapes_first_pixel_set", 1, 88),
        ("response_mask", 1, 44),
        ("response_mask_empty", 0, 0),
        ("response_mask_full", 1, WIDTH * HEIGHT),
        ("response_legacy_points_and_mask", 1, 44),
    ],
)
def test_good_answers_are_shown(payload: Payload, name: str, n_shapes: int, n_pixels: int) -> None:
    shapes = shown_shapes(payload(name), width=WIDTH, height=HEIGHT)

    assert len(shapes) == n_shapes
    assert sum(int(shape.mask.sum()) for shape in shapes) == n_pixels


@pytest.mark.parametrize(
    ("name", "fate"),
    [
        ("response_bad_bare_polygon", "not iterable"),
        ("response_bad_error_200", "not iterable"),
        ("response_bad_exclusive_box", "garbage"),
        ("response_bad_mask_empty_list", "Cannot read properties of undefined"),
        ("response_bad_numeric_confidence", "drops all attributes"),
        ("response_bad_polygon_shape", "masks only"),
        ("response_bad_soft_values", "soft values"),
        ("response_bad_type_omitted_with_roi", "no type"),
        ("response_legacy_bounds", "wrong place"),
    ],
)
def test_bad_answers_are_named(payload: Payload, name: str, fate: str) -> None:
    with pytest.raises(AnswerError, match=fate):
        shown_shapes(payload(name), width=WIDTH, height=HEIGHT)


def test_the_confidence_stands_beside_the_shape(payload: Payload) -> None:
    with_confidence = shown_shapes(payload("response_shapes_confidence"), width=WIDTH, height=HEIGHT)
    without = shown_shapes(payload("response_shapes"), width=WIDTH, height=HEIGHT)

    assert [shape.confidence for shape in with_confidence] == [0.93]
    assert [shape.confidence for shape in without] == [1.0]


@pytest.mark.parametrize("speck", [[0, 1, 3, 3, 3, 3], [0, 2, 3, 3, 4, 3], [6, 0, 0, 2, 1]])
def test_a_speck_without_an_outline_is_dropped(speck: list[int]) -> None:
    with pytest.raises(AnswerError, match=r"drops it|draws garbage"):
        shown_shapes({"shapes": [{"type": "mask", "points": speck}]}, width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize(
    "answer",
    [
        {"mask": [[0, 1], [1]]},
        {"mask": [0, 1]},
        {"mask": None},
        {"mask": [[None, 0, 0]]},
        {"mask": [[{}, 0, 0]]},
        {"mask": [["1", 0, 0]]},
        {"mask": [[True, False, False]]},
        {"mask": [[10**400, 0, 0]]},
        {"mask": [[10**400, 0.5, 0]]},
        {"mask": [[[0], 0, 0]]},
        {"mask": [[[255, 255, 255]] * 3]},
        {"mask": [[255, 0, 0]]},
        {"shapes": None},
        {"shapes": 7},
        {"shapes": [{"type": "mask", "points": None}]},
        {"shapes": [{"type": "mask", "points": [10**400, 1, 0, 0, 0, 0]}]},
        {"shapes": [{"type": "mask", "points": [1e300, 1e300, 0, 0, 2, 0]}]},
        {"shapes": [{"type": "mask", "points": [0, 3, 0, 0, 1e300, 0]}]},
        {"shapes": {}},
        {"shapes": [[]]},
        {"shapes": [{"type": "mask"}]},
        {"shapes": [{"type": "mask", "points": ["0", "1", "0", "0", "0", "0"]}]},
        {"shapes": [{"type": "mask", "points": BLOCK, "attributes": {"value": "1"}}]},
        {"shapes": [{"type": "mask", "points": BLOCK, "attributes": ["0.5"]}]},
        {
            "shapes": [
                {
                    "type": "mask",
                    "points": BLOCK,
                    "attributes": [{"spec_id": 0, "value": "-"}],
                }
            ]
        },
        "shapes",
        None,
    ],
)
def test_nothing_malformed_passes(answer: object) -> None:
    with pytest.raises(AnswerError):
        shown_shapes(answer, width=3, height=1)
    with pytest.raises(AnswerError):
        shown_shapes(
            through_region(answer, (1, 1, 4, 2), width=WIDTH, height=HEIGHT), width=WIDTH, height=HEIGHT
        )


class TestRegionOfInterest:
    """The server maps the answer for a crop (4, 2)-(20, 14) back into the frame of 24 x 16."""

    region = (4, 2, 20, 14)

    def test_a_mask_shape_moves_with_its_box(self) -> None:
        answer = {"shapes": [{"type": "mask", "points": [0, 6, 1, 2, 3, 3]}]}

        moved = through_region(answer, self.region, width=WIDTH, height=HEIGHT)

        assert moved["shapes"] == [{"type": "mask", "points": [0, 6, 5, 4, 7, 5]}]

    def test_a_whole_mask_is_pasted(self) -> None:
        crop = [[255] * 16 for _ in range(12)]

        moved = through_region({"mask": crop}, self.region, width=WIDTH, height=HEIGHT)

        (shape,) = shown_shapes(moved, width=WIDTH, height=HEIGHT)
        assert (shape.mask == decode([0, 192, 4, 2, 19, 13], width=WIDTH, height=HEIGHT)).all()

    def test_a_mask_of_another_size_cannot_be_placed(self, payload: Payload) -> None:
        with pytest.raises(AnswerError, match="not 16 x 12"):
            through_region(payload("response_mask"), self.region, width=WIDTH, height=HEIGHT)

    def test_without_a_type_the_runs_are_shifted_too(self, payload: Payload) -> None:
        answer = payload("response_bad_type_omitted_with_roi")

        moved = through_region(answer, self.region, width=WIDTH, height=HEIGHT)

        before, after = answer["shapes"][0]["points"], moved["shapes"][0]["points"]  # type: ignore[index]
        assert [b - a for a, b in zip(before, after, strict=True)][:4] == [4, 2, 4, 2]
        with pytest.raises(AnswerError):
            shown_shapes({"shapes": [{"type": "mask", "points": after}]}, width=WIDTH, height=HEIGHT)

    def test_a_tag_is_left_alone(self) -> None:
        answer = {"shapes": [{"type": "tag"}]}

        assert through_region(answer, self.region, width=WIDTH, height=HEIGHT) == answer
