"""The search for the largest tolerance whose result does not change more area than is allowed."""

from __future__ import annotations

import math
from collections.abc import Sequence

FEWEST_CORNERS = 3
_ENOUGH_TRIALS, _MOST_TRIALS = 3, 5  # where one has spent enough, and where none has
_ENOUGH_SPENT = 0.75  # of the allowed area
_AIM = 0.96  # share of the allowed area
_ERROR = math.log(0.93)  # of an estimate at first
_SAVED = 0.8  # of a corner: a trial that would save no more is not worth its time
_LEAST_SHARE = 1e-3
_LEAST_TOLERANCE = 0.3  # pixels: less leaves every step of the pixels' edges
_LEAST_STEP = 0.06  # in logarithms, down from a tolerance that changes too much
_FARTHEST = 1.5  # in logarithms of the area, from one tolerance to the next
_SLOWEST, _STEEPEST = 0.5, 2.5  # powers of the tolerance with which the area grows


class Search:
    """Of one ring.

    How much area changes has been estimated for some tolerances. A trial tells by how much the estimate is
    wrong thereabouts, and so where to try next.

    Attributes:
        tolerance: to try next.
        best: the number of the trial with the fewest corners so far, of those that keep the bound; -1 for
            none.
        is_done: whether the ring could not do with fewer corners, or with hardly any fewer.
    """

    def __init__(self, allowed: float, tolerances: Sequence[float], areas: Sequence[float]) -> None:
        """With estimated areas for some tolerances, which rise."""
        self._allowed = allowed
        self._tolerances = [math.log(tolerance) for tolerance in tolerances]
        self._shares: list[float] = []
        for area in areas:
            share = math.log(max(area / allowed, _LEAST_SHARE))
            self._shares.append(max(share, self._shares[-1] + 1e-6) if self._shares else share)
        self._low, self._high, self._error = 0.0, math.inf, _ERROR
        self._spent, self._step = 0.0, _LEAST_STEP
        self._fewest, self._too_few = math.inf, 0
        self._trials, self.best, self.is_done = 0, -1, False
        self.tolerance = math.exp(self._guess())

    def tell(self, corners: int, area: float) -> None:
        """How many corners the tolerance has left, and how much area it has changed."""
        if self.is_done:
            return
        share = area / self._allowed
        keeps = corners >= FEWEST_CORNERS and area <= self._allowed
        if keeps:
            self._low, self._spent = self.tolerance, share
            if corners <= self._fewest:
                self._fewest, self.best = corners, self._trials
        else:
            self._step = 3 * self._step if corners == self._too_few else _LEAST_STEP
            self._high, self._too_few = self.tolerance, corners
        self._trials += 1
        self.is_done = (
            # Between neighbouring numbers of corners there is nothing to find.
            self._fewest <= max(self._too_few + 1, FEWEST_CORNERS)
            # As many corners are needed as the root of the area says, about.
            or (keeps and corners * (1 - math.sqrt(share)) <= _SAVED)
            or self._high <= _LEAST_TOLERANCE
            or self._trials >= (_ENOUGH_TRIALS if self._spent >= _ENOUGH_SPENT else _MOST_TRIALS)
        )
        if not self.is_done:
            self.tolerance = self._next(math.log(max(share, _LEAST_SHARE)))

    def _guess(self) -> float:
        """By the estimates, as a logarithm."""
        return _between(math.log(_AIM) - self._error, self._shares, self._tolerances)

    def _next(self, share: float) -> float:
        """What to try after a tolerance that has spent a share, as a logarithm, of what is allowed."""
        last = math.log(self.tolerance)
        self._error = share - _between(last, self._tolerances, self._shares)
        off = min(math.log(_AIM) - share, _FARTHEST)
        nearest, farthest = sorted((off / _STEEPEST, off / _SLOWEST))
        guess = min(max(self._guess(), last + nearest), last + farthest)
        if self._high == self.tolerance:
            guess = min(guess, last - self._step)  # the same corners would change the same area
        guess = math.exp(guess)
        if self._low < guess < self._high:
            return guess
        # Beyond what was aimed at already, or no estimate says.
        return (
            math.sqrt(max(self._low, self._high / 4) * self._high)
            if self._high < math.inf
            else self._low * 1.1
        )


def _between(wanted: float, known: Sequence[float], values: Sequence[float]) -> float:
    """The value at a wanted place, linear between known ones that rise, and a little beyond them."""
    above = min(max(sum(place < wanted for place in known), 1), len(known) - 1)
    low, high = known[above - 1], known[above]
    part = min(max((wanted - low) / (high - low), -4.0), 5.0)
    return values[above - 1] + part * (values[above] - values[above - 1])
