"""The objects whose clicks have changed most, as pictures: the base beside the new model, click by click."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ritm_model.datasets import Dataset
from ritm_model.evaluation import PredictorSource, SampleResult
from ritm_model.evaluation.modes import ClickPredictor
from ritm_model.evaluation.noc import clicks_to_reach, reaches
from ritm_model.evaluation.report.cases import click_frames
from ritm_model.evaluation.report.filmstrip import Viewport, view_of
from ritm_model.evaluation.sample import SampleLike
from training.measure import TARGETS, Measured

FRAMES = 5
SHOWN_CLICKS = 8
TARGET = max(TARGETS)


def draw_filmstrips(
    before: tuple[Path, Measured], after: tuple[Path, Measured], dataset: Dataset, device: str, most: int
) -> dict[str, object]:
    """Draw objects of the held-out images.

    Args:
        before: the base, and what was measured of it.
        after: the new model, and the same of it.
        dataset: what both were measured on.
        device: what computes.
        most: objects: half of them those that have gained most, the others those that have lost most.

    Returns:
        Plain JSON: `objects`, each with its name, category and two strips. A strip has the clicks that were
        needed for an IoU of `target` (null if it was never reached), and the frames of its first clicks.

    Raises:
        RitmError: an image cannot be read.
    """
    pairs = list(zip(before[1].from_nothing.samples, after[1].from_nothing.samples, strict=True))
    predictors = [
        PredictorSource(str(model), device, measured.from_nothing.protocol)()
        for model, measured in (before, after)
    ]
    return {
        "target": TARGET,
        "objects": [
            _drawn(predictors, pairs[place], dataset[pairs[place][0].index])
            for place in chosen([_clicks(new) - _clicks(old) for old, new in pairs], most)
        ],
    }


def chosen(changes: Sequence[float], most: int) -> list[int]:
    """The places of the largest changes, up to `most`, half from either end; what has become worse first."""
    order = sorted(range(len(changes)), key=lambda place: -changes[place])
    if len(order) <= most:
        return order
    worse = (most + 1) // 2
    return [*order[:worse], *order[len(order) - (most - worse) :]]


def _drawn(
    predictors: Sequence[ClickPredictor], results: tuple[SampleResult, SampleResult], sample: SampleLike
) -> dict[str, Any]:
    shown = [_beginning(result) for result in results]
    view = view_of(sample.mask, [click for result in shown for click in result.clicks])
    strips = [
        _strip(predictor, sample, result, whole, view)
        for predictor, result, whole in zip(predictors, shown, results, strict=True)
    ]
    before, after = strips
    return {"name": results[0].name, "category": results[0].category, "before": before, "after": after}


def _strip(
    predictor: ClickPredictor, sample: SampleLike, shown: SampleResult, whole: SampleResult, view: Viewport
) -> dict[str, Any]:
    frames, _ = click_frames(predictor, sample, shown, most=FRAMES, view=view)
    return {
        "clicks": _clicks(whole) if reaches(whole.curve, TARGET) else None,
        "frames": [
            {
                "click": frame.click,
                "iou": round(frame.iou, 3),
                "picture": b64encode(frame.picture).decode(),
            }
            for frame in frames
        ],
    }


def _beginning(result: SampleResult) -> SampleResult:
    return replace(
        result,
        clicks=result.clicks[:SHOWN_CLICKS],
        ious=result.ious[:SHOWN_CLICKS],
        boundary_ious=result.boundary_ious[:SHOWN_CLICKS],
    )


def _clicks(result: SampleResult) -> int:
    return clicks_to_reach(result.curve, TARGET, len(result.ious))
