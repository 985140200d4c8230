"""Rings cut into pieces, and straight lines in place of the pieces.

Shapes: R rings, N points of all rings together, K pieces, one ring after the other, C rings that are cut: all
of them T times over. Lengths are half pixels, areas quarters of square pixels. A point is a complex number,
x + iy: the product of one with the conjugate of another has their scalar product as its real part and their
cross product as its imaginary part.
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


@dataclass(frozen=True, slots=True)
class Pieces:
    """Where rings are cut. Each is cut at its first point, so that no piece goes round over it.

    Attributes:
        begins_K: the first point of each piece, among those of all rings.
        steps_K: how many there are from point to point in it.
        firsts_C: the first piece of each ring that is cut.
        lasts_C: the last one.
    """

    begins_K: Indices
    steps_K: Indices
    firsts_C: Indices
    lasts_C: Indices

    @property
    def counts(self) -> Indices:
        """Pieces of each ring."""
        return self.lasts_C - self.firsts_C + 1


class CutRings:
    """Rings, and all that is needed again and again to cut them."""

    def __init__(self, rings: Rings) -> None:
        self._begins_R = rings.begins_R
        self._points_N = rings.points()
        self._origins_N = self._points_N[rings.begins_R].repeat(rings.sizes)
        next_N = turned(self._points_N, rings.begins_R, rings.ends - 1, 1)
        self._halves_N = (next_N - self._points_N) / 2  # of the steps from point to point
        self._middles_N = self._points_N + self._halves_N

    def lengths(self) -> Values:
        """The length of each ring."""
        return 2 * np.asarray(np.add.reduceat(np.abs(self._halves_N), self._begins_R), np.float64)

    def cut(self, kept_K: Indices, counts_C: Indices) -> Pieces:
        """Cut at so many of the points of each ring, in order, its first point among them."""
        lasts_C = counts_C.cumsum() - 1
        firsts_C = lasts_C - counts_C + 1
        next_K = np.empty_like(kept_K)
        next_K[:-1] = kept_K[1:]
        next_K[lasts_C[len(self._begins_R) - 1 :: len(self._begins_R)]] = len(self._points_N)
        return Pieces(kept_K, next_K - kept_K, firsts_C, lasts_C)

    def kept(self, pieces: Pieces) -> Points:
        """The points where the rings are cut, as corners."""
        return self._points_N.take(pieces.begins_K)

    def meeting(self, pieces: Pieces, farthest_K: Values) -> Points:
        """Corners where the lines that fit neighbouring pieces best meet, so far from the cut at most.

        Where that is too far it is a place between the lines, or the point of the ring itself.
        """
        begins_K, steps_K = pieces.begins_K, pieces.steps_K
        points_K = self._points_N.take(begins_K)
        from_origin_K = points_K - self._origins_N.take(begins_K)
        sums_K, squares_K = self._sums.take(begins_K + steps_K, axis=1) - self._sums.take(begins_K, axis=1)
        centres_K = sums_K / steps_K
        # The sum of squares about the centre points to twice the angle of the line.
        spread_K = squares_K - sums_K * centres_K
        ways_K = np.sqrt(spread_K / np.maximum(np.abs(spread_K), _TINY))
        before_K = np.arange(-1, len(begins_K) - 1)
        before_K[pieces.firsts_C] = pieces.lasts_C
        ways_before_K = ways_K.take(before_K)
        # How far the lines are aside of the points: of two that cross, this says where.
        aside_K = ((centres_K - from_origin_K) * ways_K.conj()).imag
        aside_before_K = ((centres_K.take(before_K) - from_origin_K) * ways_before_K.conj()).imag
        sines_K = (ways_before_K.conj() * ways_K).imag
        meets_K = np.abs(sines_K) >= _PARALLEL
        moves_K = aside_before_K * ways_K - aside_K * ways_before_K
        moves_K /= np.where(meets_K, sines_K, 1.0)
        meets_K &= np.abs(moves_K) <= farthest_K
        between_K = 0.5j * (aside_before_K * ways_before_K + aside_K * ways_K)
        moves_K = np.where(meets_K, moves_K, between_K)
        return np.asarray(points_K + moves_K * (np.abs(moves_K) <= farthest_K))

    def areas_between(self, pieces: Pieces, corners_K: Points) -> Values:
        """For each ring that is cut: so much area lies between its pieces and the lines between corners."""
        lines_K = turned(corners_K, pieces.firsts_C, pieces.lasts_C, 1) - corners_K
        # Turned by that, a line runs along the real axis.
        turns_K = lines_K.conj() / np.maximum(np.abs(lines_K), _TINY)
        times_N = (-1, len(self._points_N))
        turns_TN = turns_K.repeat(pieces.steps_K).reshape(times_N)
        heights_TN = (corners_K * turns_K).imag.repeat(pieces.steps_K).reshape(times_N)
        halves_TN = self._halves_N * turns_TN
        aside_TN = np.abs((self._middles_N * turns_TN).imag - heights_TN)
        rise_TN = np.abs(halves_TN.imag)
        # A step across the line has a triangle on each side of it.
        crossing_TN = np.maximum(rise_TN - aside_TN, 0.0)
        aside_TN += crossing_TN * crossing_TN / np.maximum(2 * rise_TN, _TINY)
        aside_TN *= np.abs(halves_TN.real)
        within_C = 2 * np.add.reduceat(aside_TN, self._begins_R, axis=1).ravel()
        # From each corner to the first point of the piece, and from its last one to the next corner.
        moves_K = self._points_N.take(pieces.begins_K) - corners_K
        starts_K = moves_K * turns_K
        ends_K = turned(moves_K, pieces.firsts_C, pieces.lasts_C, 1) * turns_K
        triangles_K = np.abs(starts_K.real * starts_K.imag) + np.abs(ends_K.real * ends_K.imag)
        return np.asarray(within_C + np.add.reduceat(triangles_K, pieces.firsts_C) / 2, np.float64)

    @cached_property
    def _sums(self) -> Points:
        """Of the middles of all steps before each point, and of their squares.

        They are exact, and so are their differences. From the origins of their rings, as it must not matter
        where a ring lies.
        """
        middles_N = self._middles_N - self._origins_N
        sums_2N = np.zeros((2, len(middles_N) + 1), np.complex128)
        middles_N.cumsum(out=sums_2N[0, 1:])
        (middles_N * middles_N).cumsum(out=sums_2N[1, 1:])
        return sums_2N
