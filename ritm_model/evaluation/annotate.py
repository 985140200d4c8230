"""The simulated annotation of one sample.

Shapes: H x W the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.evaluation.initial_mask import initial_mask
from ritm_model.evaluation.modes import ClickPredictor
from ritm_model.evaluation.protocol import EvaluationProtocol
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.sample import SampleLike
from ritm_model.inference import State
from ritm_model.masks.overlap import boundary_iou, iou
from ritm_model.simulation import OBJECT, next_click

OnClick = Callable[[State], None]


class SampleError(RitmError):
    """A sample that cannot be annotated."""


def annotate(
    predictor: ClickPredictor,
    sample: SampleLike,
    protocol: EvaluationProtocol,
    index: int = 0,
    on_click: OnClick | None = None,
) -> SampleResult:
    """Click on the largest mistake until the mask is good enough or the clicks are used up.

    A pixel is not clicked twice. Where nothing is wrong and the rules ask for more clicks, these are
    negative ones at (0, 0), as in the paper's tool.

    Args:
        predictor: answers the clicks. Its masks are measured as they are.
        sample: image and truth.
        protocol: the rules.
        index: place of the sample in its data set.
        on_click: called with the state after each click.

    Raises:
        SampleError: no object in the truth, or image and mask of different sizes.
    """
    start = perf_counter()
    truth_HW = sample.mask
    object_pixels = int(np.count_nonzero(truth_HW == OBJECT))
    if not object_pixels:
        raise SampleError(f"The mask of sample {sample.name} has no object.")
    image_HW3 = sample.load_image()
    if image_HW3.shape[:2] != truth_HW.shape:
        raise SampleError(
            f"The mask of sample {sample.name} is {_named(truth_HW.shape)}, "
            f"the image {_named(image_HW3.shape[:2])} pixels large."
        )

    given_HW = initial_mask(truth_HW, sample.name) if protocol.from_mask else None
    state = predictor.start(image_HW3, mask=given_HW)
    mask_HW = np.zeros(truth_HW.shape, np.bool_) if given_HW is None else given_HW
    not_clicked_HW = np.ones(truth_HW.shape, np.bool_)
    clicks: list[Click] = []
    ious: list[float] = []
    boundary_ious: list[float] = []
    click_seconds: list[float] = []
    while len(clicks) < protocol.max_clicks:
        click = next_click(mask_HW, truth_HW, not_clicked_HW)
        not_clicked_HW[int(click.y), int(click.x)] = False
        before = perf_counter()
        state = predictor.click(state, click)
        mask_HW = state.mask
        click_seconds.append(_since(before))

        now = iou(mask_HW, truth_HW)
        clicks.append(click)
        ious.append(float(np.float32(now)))
        boundary_ious.append(float(np.float32(boundary_iou(mask_HW, truth_HW))))
        if on_click is not None:
            on_click(state)
        if now >= protocol.target_iou and len(clicks) >= protocol.min_clicks:
            break

    return SampleResult(
        index=index,
        name=sample.name,
        category=sample.category,
        height=truth_HW.shape[0],
        width=truth_HW.shape[1],
        object_pixels=object_pixels,
        clicks=tuple(clicks),
        ious=tuple(ious),
        boundary_ious=tuple(boundary_ious),
        initial_iou=None if given_HW is None else float(np.float32(iou(given_HW, truth_HW))),
        click_seconds=tuple(click_seconds),
        seconds=_since(start),
    )


def _since(start: float) -> float:
    """Seconds, to the microsecond: no more is kept, so results are the same before and after a file."""
    return round(perf_counter() - start, 6)


def _named(size: Sequence[int]) -> str:
    return " x ".join(str(side) for side in reversed(size))
