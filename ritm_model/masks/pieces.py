"""Rings cut into pieces, and straight lines in place of the pieces.

Shapes: R rings, N points of all rings together, K pieces, one ring after the other, C rings that are cut: all
of them once, or all of them several times over. A point is a complex number, x + iy: the product of one with
the conjugate of another has their scalar product as its real part and their cross product as its imaginary
part.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ritm_model.masks.outline import Indices, Points, Rings, turned

Values = npt.NDArray[np.float64]

_PARALLEL = 0.15  # sine of the angle below which lines do not meet anywhere useful
_TINY = 1e-12
_MEAN_ASIDE = 0.8  # of the root mean square of distances from a line: of the normal distribution, about


@dataclass(frozen=True, slots=True)
class Pieces:
    """Where rings are cut.

    Attributes:
        kept_K: where each piece begins, among the points of all rings.
        ends_K: where it ends, which is where the next one of its ring begins.
        ring_K: to which ring it belongs.
        firsts_C: the first piece of each ring that is cut.
        counts_C: how many pieces it has.
    """

    kept_K: Indices
    ends_K: Indices
    ring_K: Indices
    firsts_C: Indices
    counts_C: Indices

    @property
    def lasts(self) -> Indices:
        """The last piece of each ring, which goes round over the ring's first point."""
        return self.firsts_C + self.counts_C - 1


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines that fit pieces best, both ends of a piece with it.

    Attributes:
        points_K: how many there are in each piece.
        centres_K: of its points.
        ways_K: directions of the lines, of length 1.
        squares_K: sums of the squared distances of the points from the lines.
    """

    points_K: Indices
    centres_K: Points
    ways_K: Points
    squares_K: Values


class CutRings:
    """Rings, and all that is needed again and again to cut them.

    Points are held relative to the first one of their ring, so that it does not matter where it lies.
    """

    def __init__(self, rings: Rings, limits: tuple[float, float]) -> None:
        """Of rings whose points are multiples of a half, in a picture of so much width and height."""
        self._begins_R, self._sizes_R = rings.begins_R, rings.sizes
        self.origins_R = rings.points_N[rings.begins_R]
        self._ring_N = np.repeat(np.arange(len(self._begins_R)), self._sizes_R)
        self._points_N = rings.points_N - self.origins_R[self._ring_N]
        self._next_N = turned(self._points_N, self._begins_R, 1)
        self._lows_R, self._highs_R = -self.origins_R, complex(*limits) - self.origins_R

    def lengths(self) -> Values:
        """The length of each ring."""
        return np.asarray(np.add.reduceat(np.abs(self._next_N - self._points_N), self._begins_R), np.float64)

    def cut(self, kept_K: Indices, counts_C: Indices) -> Pieces:
        """Cut at so many of the points of each ring, in order, one at least."""
        firsts_C = np.cumsum(counts_C) - counts_C
        return Pieces(kept_K, turned(kept_K, firsts_C, 1), self._ring_N[kept_K], firsts_C, counts_C)

    def kept(self, pieces: Pieces) -> Points:
        """The points where the rings are cut, as corners."""
        return self._points_N[pieces.kept_K]

    def meeting(self, pieces: Pieces, farthest_R: Values) -> Points:
        """Corners where the lines that fit neighbouring pieces best meet, so far from the cut at most.

        Where that is too far it is a place between the lines, or the point of the ring itself.
        """
        firsts_K = self._points_N[pieces.kept_K]
        lines = self._lines(pieces)
        centres_K, ways_K = lines.centres_K, lines.ways_K
        before_K, ways_before_K = (turned(each, pieces.firsts_C, -1) for each in (centres_K, ways_K))
        sines_K = (ways_before_K.conj() * ways_K).imag
        meets_K = np.abs(sines_K) >= _PARALLEL
        along_K = ((centres_K - before_K).conj() * ways_K).imag / np.where(meets_K, sines_K, 1.0)
        meeting_K = before_K + ways_before_K * along_K
        between_K = (_nearest(firsts_K, centres_K, ways_K) + _nearest(firsts_K, before_K, ways_before_K)) / 2
        farthest_K = farthest_R[pieces.ring_K]
        corners_K = np.where(np.abs(between_K - firsts_K) <= farthest_K, between_K, firsts_K)
        is_good_K = meets_K & (np.abs(meeting_K - firsts_K) <= farthest_K)
        return self._clipped(np.where(is_good_K, meeting_K, corners_K), pieces.ring_K)

    def areas_between(self, pieces: Pieces, corners_K: Points) -> Values:
        """For each ring: at most so much area lies between its pieces and the lines from corner to corner.

        All rings are cut once.
        """
        lines_K = turned(corners_K, pieces.firsts_C, 1) - corners_K
        lengths_K = np.abs(lines_K)
        # Turned by that, a line runs along the real axis. One without length may run anywhere.
        turns_K = np.where(lengths_K > 0, lines_K.conj() / np.maximum(lengths_K, _TINY), 1.0)
        owner_N = self._owners(pieces)
        turns_N, starts_N = turns_K[owner_N], (corners_K * turns_K)[owner_N]
        here_N, there_N = self._points_N * turns_N - starts_N, self._next_N * turns_N - starts_N
        aside_N, aside_next_N = here_N.imag, there_N.imag
        both_N = np.abs(aside_N) + np.abs(aside_next_N)
        # A step across the line has a triangle on each side of it.
        crossing_N = np.minimum(aside_N * aside_next_N, 0.0) / np.maximum(both_N, _TINY)
        areas_N = np.abs(there_N.real - here_N.real) * (both_N / 2 + crossing_N)
        # From each corner to the first point of the piece, and from its last one to the next corner.
        first_K = (self._points_N[pieces.kept_K] - corners_K) * turns_K
        last_K = (self._points_N[pieces.ends_K] - corners_K) * turns_K
        ends_K = np.abs(first_K.real * first_K.imag) + np.abs((lengths_K - last_K.real) * last_K.imag)
        within_R = np.add.reduceat(areas_N, self._begins_R)
        return np.asarray(within_R + np.add.reduceat(ends_K, pieces.firsts_C) / 2, np.float64)

    def areas_about(self, pieces: Pieces) -> Values:
        """An estimate of that area for the corners where lines meet: within a fifth, and far quicker."""
        lines = self._lines(pieces)
        steps_R = self.lengths() / self._sizes_R
        # Mean distance from the line times the length of the piece.
        areas_K = _MEAN_ASIDE * np.sqrt(lines.squares_K * lines.points_K) * steps_R[pieces.ring_K]
        return np.asarray(np.add.reduceat(areas_K, pieces.firsts_C), np.float64)

    def _lines(self, pieces: Pieces) -> _Lines:
        begins_K, ends_K, lasts_C = pieces.kept_K, pieces.ends_K, pieces.lasts
        rounds_C = pieces.ring_K[lasts_C]
        points_K = ends_K - begins_K + 1
        points_K[lasts_C] += self._sizes_R[rounds_C]
        sums_K, squares_K, lengths_K = self._sums.between(begins_K, ends_K, lasts_C, rounds_C)
        centres_K = sums_K / points_K
        # The sum of squares about the centre points to twice the angle of the line.
        spread_K = squares_K - sums_K * centres_K
        along_K = np.abs(spread_K)
        everywhere_K = lengths_K.real - np.abs(sums_K) ** 2 / points_K
        ways_K = np.where(along_K > 0, np.sqrt(spread_K / np.maximum(along_K, _TINY)), 1.0)
        return _Lines(points_K, centres_K, ways_K, np.maximum(everywhere_K - along_K, 0.0) / 2)

    @cached_property
    def _sums(self) -> _Sums:
        return _Sums(self._points_N, self._begins_R, self._begins_R + self._sizes_R)

    def _owners(self, pieces: Pieces) -> Indices:
        """To which piece the step from each point to the next belongs."""
        steps_N = np.zeros(len(self._points_N), np.intp)
        steps_N[pieces.kept_K] = 1
        # A ring begins within its last piece.
        steps_N[self._begins_R] += pieces.counts_C
        steps_N[pieces.kept_K[pieces.firsts_C]] -= pieces.counts_C
        return np.cumsum(steps_N) - 1

    def _clipped(self, points_K: Points, ring_K: Indices) -> Points:
        """Points moved into the picture."""
        lows_K, highs_K = self._lows_R[ring_K], self._highs_R[ring_K]
        inside_K = np.empty_like(points_K)
        inside_K.real = np.clip(points_K.real, lows_K.real, highs_K.real)
        inside_K.imag = np.clip(points_K.imag, lows_K.imag, highs_K.imag)
        return inside_K


class _Sums:
    """Of points, of their squares and of the squares of their distances from the origin, between any two."""

    def __init__(self, points_N: Points, begins_R: Indices, ends_R: Indices) -> None:
        self._values_3N = np.stack((points_N, points_N * points_N, points_N * points_N.conj()))
        # Of all points before each one. They are exact, and so are their differences.
        self._before = np.zeros((3, len(points_N) + 1), np.complex128)
        np.cumsum(self._values_3N, axis=1, out=self._before[:, 1:])
        self._rings_3R = self._before[:, ends_R] - self._before[:, begins_R]

    def between(self, begins_K: Indices, ends_K: Indices, lasts_C: Indices, rounds_C: Indices) -> Points:
        """3 x K: from beginnings to ends, these with them; some pieces go round over the start of a ring."""
        sums_3K = self._before[:, ends_K] - self._before[:, begins_K] + self._values_3N[:, ends_K]
        sums_3K[:, lasts_C] += self._rings_3R[:, rounds_C]
        return np.asarray(sums_3K)


def _nearest(points_K: Points, on_K: Points, ways_K: Points) -> Points:
    """The places on lines through `on_K` that are nearest to points."""
    return np.asarray(on_K + ways_K * (ways_K.conj() * (points_K - on_K)).real)
