"""What annotators accepted, counted so that counts of several processes can be added up."""

from __future__ import annotations

import math
from datetime import date
from typing import NamedTuple

from pydantic import Field

from ritm_model.values import Value


class Tally(Value):
    """Accepted objects, and the clicks that they took.

    Attributes:
        objects: how many.
        clicks: on all of them.
        squares: sum of the squared clicks of each.
    """

    objects: int = Field(default=0, ge=0)
    clicks: int = Field(default=0, ge=0)
    squares: int = Field(default=0, ge=0)

    @classmethod
    def of_one(cls, clicks: int) -> Tally:
        """One object."""
        return cls(objects=1, clicks=clicks, squares=clicks * clicks)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            objects=self.objects + other.objects,
            clicks=self.clicks + other.clicks,
            squares=self.squares + other.squares,
        )

    @property
    def mean(self) -> float:
        """Clicks per object; 0 without objects."""
        return self.clicks / self.objects if self.objects else 0.0

    @property
    def variance_of_mean(self) -> float:
        """Squared standard error of the mean; infinite with fewer than two objects."""
        if self.objects < 2:
            return math.inf
        about_mean = max(0.0, self.squares - self.objects * self.mean**2)
        return about_mean / (self.objects - 1) / self.objects


class Agreement(Value):
    """How much the masks of a candidate are those that were accepted: objects, and the sum of their IoUs."""

    objects: int = Field(default=0, ge=0)
    iou: float = Field(default=0.0, ge=0)

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(objects=self.objects + other.objects, iou=self.iou + other.iou)

    @property
    def mean(self) -> float:
        """Mean IoU; 0 without objects."""
        return self.iou / self.objects if self.objects else 0.0


class Counts(Value):
    """Tallies of a model's versions by day (UTC); `by_day[day][version]`."""

    by_day: dict[date, dict[str, Tally]] = Field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        days = {day: dict(versions) for day, versions in self.by_day.items()}
        for day, versions in other.by_day.items():
            there = days.setdefault(day, {})
            for version, tally in versions.items():
                there[version] = there.get(version, Tally()) + tally
        return Counts(by_day=days)

    def newest(self, most_days: int) -> Counts:
        """Those of the last so many days that have any."""
        return Counts(by_day={day: self.by_day[day] for day in sorted(self.by_day)[-most_days:]})

    def of_version(self, version: str) -> Tally:
        """All of a version's."""
        found = (versions[version] for versions in self.by_day.values() if version in versions)
        return sum(found, Tally())


class Difference(NamedTuple):
    """Clicks per object that one takes more than another, and the interval around that."""

    clicks: float
    low: float
    high: float


def difference(one: Tally, other: Tally, deviations: float = 1.96) -> Difference:
    """How many more clicks per object `one` takes; by the central limit theorem, variances being unequal.

    Args:
        one: of some objects.
        other: of other objects.
        deviations: half the width of the interval in standard errors; 1.96 for 95 %.
    """
    clicks = one.mean - other.mean
    half = deviations * math.sqrt(one.variance_of_mean + other.variance_of_mean)
    return Difference(clicks, clicks - half, clicks + half)
