"""What an evaluation says, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ritm_model.errors import RitmError
from ritm_model.evaluation.compare import Comparison, Interval, bootstrap_interval, compare
from ritm_model.evaluation.noc import (
    Curve,
    Stability,
    at_limit,
    clicks_to_reach,
    failures,
    mean_iou_after,
    noc,
    stability,
)
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.run import Evaluation

CLICK_COUNTS = (1, 2, 3, 5, 10, 20)
SIZES = {"small": 32**2, "medium": 96**2}
"""Objects of fewer pixels have that size, as COCO has it; all others are large."""


@dataclass(frozen=True, slots=True)
class TargetSummary:
    """Clicks to reach one IoU.

    Attributes:
        target: the IoU.
        noc: mean number of clicks.
        interval: 95 % interval of it, by bootstrap over the samples.
        at_limit: samples that take all the clicks (">=20").
        failures: samples that never get there (NoF).
    """

    target: float
    noc: float
    interval: Interval
    at_limit: int
    failures: int


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """Samples of one class or size.

    Attributes:
        group: its name.
        samples: how many.
        noc: mean number of clicks for each target.
        failures: samples that never reach it, for each target.
    """

    group: str
    samples: int
    noc: tuple[float, ...]
    failures: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seconds:
    """Where the time goes.

    Attributes:
        click_p50: median time of the predictor for a click.
        click_p95: the time that 95 % of the clicks stay below.
        per_click: reading, simulating and answering, per click (SPC).
        per_sample: the same per sample (SPI).
    """

    click_p50: float
    click_p95: float
    per_click: float
    per_sample: float


@dataclass(frozen=True, slots=True)
class Summary:
    """An evaluation in numbers.

    Attributes:
        samples: how many.
        clicks: made on all of them.
        targets: for each IoU to reach.
        iou_after: mean IoU after so many clicks; where annotation had stopped before, the last one counts.
        boundary_iou_after: the same along the outlines.
        initial_iou: mean IoU of the masks that annotation started from, if it did.
        stability: clicks that made the mask worse.
        seconds: time per click and per sample.
        by_size: small, medium and large objects.
        by_category: classes, where the data set has them.
    """

    samples: int
    clicks: int
    targets: tuple[TargetSummary, ...]
    iou_after: Mapping[int, float]
    boundary_iou_after: Mapping[int, float]
    initial_iou: float | None
    stability: Stability
    seconds: Seconds
    by_size: tuple[GroupSummary, ...]
    by_category: tuple[GroupSummary, ...]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "share_of_lowering_clicks": self.stability.share}


def summarise(evaluation: Evaluation) -> Summary:
    """Count and average.

    Args:
        evaluation: of `evaluate` or `load_evaluation`.

    Raises:
        RitmError: no sample has been annotated.
    """
    samples, protocol = evaluation.samples, evaluation.protocol
    if not samples:
        raise RitmError(f"No sample of {evaluation.dataset} has been annotated.")
    curves = [sample.curve for sample in samples]
    borders: list[Curve] = [np.array(sample.boundary_ious, np.float32) for sample in samples]
    counts = [clicks for clicks in CLICK_COUNTS if clicks <= protocol.max_clicks]
    initial = [sample.initial_iou for sample in samples if sample.initial_iou is not None]
    return Summary(
        samples=len(samples),
        clicks=sum(len(sample.clicks) for sample in samples),
        targets=tuple(
            TargetSummary(
                target=target,
                noc=noc(curves, target, protocol.max_clicks),
                interval=bootstrap_interval(clicks_per_sample(evaluation, target)),
                at_limit=at_limit(curves, target, protocol.max_clicks),
                failures=failures(curves, target),
            )
            for target in protocol.targets
        ),
        iou_after={clicks: mean_iou_after(curves, clicks) for clicks in counts},
        boundary_iou_after={clicks: mean_iou_after(borders, clicks) for clicks in counts},
        initial_iou=float(np.mean(initial)) if initial else None,
        stability=stability([_from_the_start(sample) for sample in samples]),
        seconds=_seconds(samples),
        by_size=_groups(evaluation, lambda sample: size_of(sample.object_pixels), [*SIZES, "large"]),
        by_category=_groups(
            evaluation, lambda sample: sample.category, sorted({sample.category for sample in samples} - {""})
        ),
    )


def clicks_per_sample(evaluation: Evaluation, target: float) -> list[int]:
    """Clicks to reach the target, for each sample."""
    return [
        clicks_to_reach(sample.curve, target, evaluation.protocol.max_clicks) for sample in evaluation.samples
    ]


def compare_evaluations(first: Evaluation, second: Evaluation) -> dict[float, Comparison]:
    """Compare two models on the samples of one data set, for each target.

    Raises:
        RitmError: the samples or the rules of the counting are not the same.
    """
    if [sample.name for sample in first.samples] != [sample.name for sample in second.samples]:
        raise RitmError(f"{first.model} and {second.model} were not evaluated on the same samples.")
    if (first.protocol.targets, first.protocol.max_clicks) != (
        second.protocol.targets,
        second.protocol.max_clicks,
    ):
        raise RitmError(f"The clicks of {first.model} and {second.model} were counted by different rules.")
    return {
        target: compare(clicks_per_sample(first, target), clicks_per_sample(second, target))
        for target in first.protocol.targets
    }


def size_of(object_pixels: int) -> str:
    """small, medium or large."""
    return next((name for name, limit in SIZES.items() if object_pixels < limit), "large")


def _from_the_start(sample: SampleResult) -> Curve:
    if sample.initial_iou is None:
        return sample.curve
    return np.array([sample.initial_iou, *sample.ious], np.float32)


def _groups(
    evaluation: Evaluation, group_of: Callable[[SampleResult], str], names: Sequence[str]
) -> tuple[GroupSummary, ...]:
    protocol = evaluation.protocol
    rows = []
    for name in names:
        curves = [sample.curve for sample in evaluation.samples if group_of(sample) == name]
        if curves:
            rows.append(
                GroupSummary(
                    group=name,
                    samples=len(curves),
                    noc=tuple(noc(curves, target, protocol.max_clicks) for target in protocol.targets),
                    failures=tuple(failures(curves, target) for target in protocol.targets),
                )
            )
    return tuple(rows)


def _seconds(samples: Sequence[SampleResult]) -> Seconds:
    clicks = [seconds for sample in samples for seconds in sample.click_seconds]
    p50, p95 = np.quantile(clicks, [0.5, 0.95])
    total = sum(sample.seconds for sample in samples)
    return Seconds(float(p50), float(p95), total / len(clicks), total / len(samples))
