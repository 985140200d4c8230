"""How far an answer is from the clicks.

Shapes: B batch, H x W the network's view.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ritm_model.clicks import Click
from ritm_model.inference.geometry import Size

RADIUS = 1
"""A click stands for the 3 x 3 pixels around it."""


class ClickMasks(NamedTuple):
    """Where the clicks are: float32 maps, 1 around clicks of that sign and 0 elsewhere."""

    positive_B1HW: Tensor
    negative_B1HW: Tensor


class Disagreement(NamedTuple):
    """The squared error, averaged over each of the two maps and added up, and the largest error of each."""

    loss: Tensor
    worst_positive: Tensor
    worst_negative: Tensor


def click_masks(clicks: Sequence[Sequence[Click]], size: Size, *, wrap: bool = False) -> ClickMasks:
    """Draw a square around each click.

    Args:
        clicks: in pixels of the view, for each image of the batch.
        size: (H, W) of the view.
        wrap: repeat a defect of the paper's code: a click in the first row or column is lost, and one
            above or to the left of the view is drawn at the opposite border, or nowhere.
    """
    maps_B2HW = torch.zeros(len(clicks), 2, *size)
    for maps_2HW, side in zip(maps_B2HW, clicks, strict=True):
        for click in side:
            rows, columns = _around(click.y, wrap=wrap), _around(click.x, wrap=wrap)
            maps_2HW[0 if click.is_positive else 1, rows, columns] = 1
    return ClickMasks(maps_B2HW[:, :1], maps_B2HW[:, 1:])


def _around(coordinate: float, *, wrap: bool) -> slice:
    first = round(coordinate) - RADIUS
    last = first + 2 * RADIUS + 1
    return slice(first, last) if wrap else slice(max(first, 0), max(last, 0))


def disagreement(probability_B1HW: Tensor, masks: ClickMasks) -> Disagreement:
    """Measure an answer, probabilities in [0, 1], against the clicks."""
    missed_B1HW = (1 - probability_B1HW) * masks.positive_B1HW
    spilt_B1HW = probability_B1HW * masks.negative_B1HW
    return Disagreement(
        _mean_square(missed_B1HW, masks.positive_B1HW) + _mean_square(spilt_B1HW, masks.negative_B1HW),
        missed_B1HW.detach().abs().max(),
        spilt_B1HW.detach().abs().max(),
    )


def _mean_square(error_B1HW: Tensor, where_B1HW: Tensor) -> Tensor:
    return error_B1HW.square().sum() / (where_B1HW.sum() + 1e-5)
