"""What a model does on a photograph that nobody has clicked on.

The clicks are on a grid. Where the objects are is not known, and the model answers differently on each of
them: one click in the centre would tell of whatever lies there. A click beside all objects is answered with
some region, too, and whether that one is stable says as much about how foreign the photograph is.

Shapes: H x W the photograph, N clicks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.clicks import Click
from ritm_model.images import Pixels
from ritm_model.inference.geometry import whole
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.predictor import Predictor
from ritm_model.inference.resampling import Floats

PER_SIDE = 3
SHIFT = 0.02
"""How far clicks are shifted, over the longer side: as far as two people's clicks on one thing differ."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How a model answers on a photograph, over all clicks of a grid.

    Attributes:
        mirror: mean disagreement of a photograph's answers with those of its mirror image, 0 to 1.
        shift: mean disagreement of the answers to clicks with those to clicks beside them, 0 to 1.
        areas: what each answer covers, as a part of the photograph.
    """

    mirror: float
    shift: float
    areas: tuple[float, ...]


def grid_clicks(height: int, width: int, per_side: int = PER_SIDE) -> tuple[Click, ...]:
    """Positive clicks in the middles of the cells of a grid; with one per side, in the centre.

    Raises:
        ValueError: `per_side` is below 1.
    """
    if per_side < 1:
        raise ValueError(f"A grid has at least one click per side, not {per_side}.")
    places = [(place + 0.5) / per_side for place in range(per_side)]
    return tuple(Click(x * width, y * height) for y in places for x in places)


def shifted(click: Click, right: float, down: float, height: int, width: int) -> Click:
    """A click moved by so many pixels, but not out of the photograph."""
    x, y = click.x + right, click.y + down
    return replace(click, x=min(max(x, 0.0), width - 1.0), y=min(max(y, 0.0), height - 1.0))


def disagreement(first_HW: Floats, second_HW: Floats) -> float:
    """1 less the intersection over union of two soft masks, in [0, 1]; 0 for two that mark nothing.

    Args:
        first_HW: float32 probabilities in [0, 1].
        second_HW: the same, of the same size.
    """
    union = float(np.maximum(first_HW, second_HW).sum(dtype=np.float64))
    both = float(np.minimum(first_HW, second_HW).sum(dtype=np.float64))
    return 1.0 - both / union if union else 0.0


def probe(predictor: Predictor, image_HW3: Pixels, per_side: int = PER_SIDE) -> Probe:
    """Click on a photograph, on its mirror image, and a little beside.

    Args:
        predictor: answers; its own averaging with the mirror image is left out.
        image_HW3: uint8 RGB, upright.
        per_side: clicks of the grid per side.
    """
    single = Predictor(predictor.engine, replace(predictor.options, with_flip=False))
    image_HW3 = as_seen(image_HW3, single.options)
    height, width = image_HW3.shape[:2]
    clicks = grid_clicks(height, width, per_side)
    mirrored = [replace(click, x=width - 1 - click.x) for click in clicks]
    far = SHIFT * max(height, width)
    answers = _answers(single, image_HW3, clicks)
    mirror = _answers(single, np.ascontiguousarray(image_HW3[:, ::-1]), mirrored)
    beside = [
        _answers(
            single, image_HW3, [shifted(click, sign * far, sign * far, height, width) for click in clicks]
        )
        for sign in (-1, 1)
    ]
    of_mirror = [disagreement(one, other[:, ::-1]) for one, other in zip(answers, mirror, strict=True)]
    of_shift = [
        disagreement(one, other) for moved in beside for one, other in zip(answers, moved, strict=True)
    ]
    threshold = single.options.threshold
    areas = tuple(float((answer > threshold).mean()) for answer in answers)
    return Probe(float(np.mean(of_mirror)), float(np.mean(of_shift)), areas)


def as_seen(image_HW3: Pixels, options: PredictorOptions) -> Pixels:
    """A photograph at the size at which the network looks at it for a first click.

    There, the mirror image of a click is exact to the pixel.
    """
    height, width = image_HW3.shape[:2]
    if options.zoom_in is None or options.zoom_in.skip_clicks >= 0:
        return image_HW3
    rows, columns = options.zoom_in.input_size(whole((height, width)), has_mask=False)
    if (rows, columns) == (height, width):
        return image_HW3
    shrinks = rows < height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    seen_HW3: npt.NDArray[np.uint8] = cv2.resize(image_HW3, (columns, rows), interpolation=method).astype(
        np.uint8
    )
    return seen_HW3


def _answers(predictor: Predictor, image_HW3: Pixels, clicks: Sequence[Click]) -> list[Floats]:
    """Soft masks, H x W each."""
    points = [[(click.x, click.y)] for click in clicks]
    states = predictor.predict_batch(image_HW3, points, [[1]] * len(points))
    return [state.probability for state in states]
