"""What one simulated annotation has given, as a value that survives as one line of JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ritm_model.clicks import Click
from ritm_model.evaluation.noc import Curve


@dataclass(frozen=True, slots=True)
class SampleResult:
    """One object, annotated. Two of them are equal if all but the times are.

    Attributes:
        index: place in the data set.
        name: of the sample.
        category: class of the object, or nothing.
        height, width: of the image, in pixels.
        object_pixels: area of the object.
        clicks: in the order in which they were made.
        ious: IoU after each click, rounded to float32.
        boundary_ious: the same along the outlines.
        initial_iou: IoU of the mask that annotation started from, if there was one.
        click_seconds: the predictor's time for each click.
        seconds: time for the whole sample, reading and simulating included.
    """

    index: int
    name: str
    category: str
    height: int
    width: int
    object_pixels: int
    clicks: tuple[Click, ...]
    ious: tuple[float, ...]
    boundary_ious: tuple[float, ...]
    initial_iou: float | None = None
    click_seconds: tuple[float, ...] = field(default=(), compare=False)
    seconds: float = field(default=0.0, compare=False)

    @property
    def curve(self) -> Curve:
        """IoU after each click."""
        return np.array(self.ious, np.float32)

    def to_json(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "name": self.name,
            "category": self.category,
            "height": self.height,
            "width": self.width,
            "object_pixels": self.object_pixels,
            "clicks": [[click.x, click.y, click.is_positive] for click in self.clicks],
            "ious": self.ious,
            "boundary_ious": self.boundary_ious,
            "initial_iou": self.initial_iou,
            "click_seconds": self.click_seconds,
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> SampleResult:
        """The inverse of `to_json`. Raises KeyError, TypeError or ValueError for anything else."""
        sequences: dict[str, Sequence[float]] = {
            name: tuple(row[name]) for name in ("ious", "boundary_ious", "click_seconds")
        }
        clicks = tuple(Click(x, y, is_positive) for x, y, is_positive in row["clicks"])
        return cls(**{**row, **sequences, "clicks": clicks})
