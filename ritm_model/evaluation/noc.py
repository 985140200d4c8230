"""Numbers of clicks and what else a curve of IoU per click tells.

A curve holds the IoU after click 1, 2, … of one sample, as float32. It ends early where the annotator was
content. It is compared with a target in float32, too, as the paper's tool does: 0.9 reaches 0.9.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float32]

LEAST_TARGET = 0.8
GREATEST_TARGET = 0.95


def targets(target_iou: float) -> tuple[float, ...]:
    """The IoUs to count clicks for, where annotation stops at `target_iou`: 0.80, 0.85, … and the target.

    They are the sums in double precision that the paper's tool makes, such as 0.9000000000000001.
    """
    steps = np.arange(LEAST_TARGET, min(GREATEST_TARGET, target_iou) + 0.001, 0.05).tolist()
    if target_iou <= 1 and min(abs(step - target_iou) for step in steps) > 1e-6:
        steps.append(target_iou)
    return tuple(sorted(steps))


def clicks_to_reach(curve: Curve, target: float, max_clicks: int) -> int:
    """The first click after which the IoU is at least `target`; `max_clicks` if there is none."""
    return _first(curve, target) or max_clicks


def reaches(curve: Curve, target: float) -> bool:
    """Whether the IoU is ever at least `target`."""
    return _first(curve, target) is not None


def noc(curves: Sequence[Curve], target: float, max_clicks: int) -> float:
    """Mean number of clicks to reach the target."""
    return float(np.mean([clicks_to_reach(curve, target, max_clicks) for curve in curves]))


def at_limit(curves: Sequence[Curve], target: float, max_clicks: int) -> int:
    """How many samples take all the clicks, those that get there with the very last one included."""
    return sum(clicks_to_reach(curve, target, max_clicks) >= max_clicks for curve in curves)


def failures(curves: Sequence[Curve], target: float) -> int:
    """How many samples never get there (NoF)."""
    return sum(not reaches(curve, target) for curve in curves)


def mean_iou_after(curves: Sequence[Curve], clicks: int) -> float:
    """Mean IoU after so many clicks; a curve that ended before keeps its last value."""
    return float(np.mean([curve[min(clicks, len(curve)) - 1] for curve in curves], dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Stability:
    """How often a click makes the mask worse.

    Attributes:
        clicks: clicks that had a mask before them to make worse.
        lowering: those after which the IoU is lower than before.
        mean_drop: by how much, on average over `lowering`; 0 if there are none.
        worst_drop: the largest single loss.
    """

    clicks: int
    lowering: int
    mean_drop: float
    worst_drop: float

    @property
    def share(self) -> float:
        """`lowering` as a part of `clicks`, 0 if there are none."""
        return self.lowering / self.clicks if self.clicks else 0.0


def stability(curves: Sequence[Curve]) -> Stability:
    """Count the clicks that lower the IoU. Put the IoU of a mask that was given in front of its curve."""
    changes = [np.diff(curve.astype(np.float64)) for curve in curves]
    change = np.concatenate(changes) if changes else np.zeros(0)
    drops = -change[change < 0]
    return Stability(
        clicks=change.size,
        lowering=drops.size,
        mean_drop=float(drops.mean()) if drops.size else 0.0,
        worst_drop=float(drops.max()) if drops.size else 0.0,
    )


def _first(curve: Curve, target: float) -> int | None:
    reached = np.flatnonzero(curve >= np.float32(target))
    return int(reached[0]) + 1 if reached.size else None
