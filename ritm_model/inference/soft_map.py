"""A map over the whole image of which only one rectangle is kept, at the network's resolution.

After a click on a 12-megapixel photograph the network has produced some hundred thousand numbers.
Keeping those, and not their enlargement, makes a state small and the next click independent of the
size of the image.

Shapes: H x W the image, h x w whatever is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ritm_model.inference.geometry import Roi, Size, mask_roi
from ritm_model.inference.resampling import Floats, Taps, blend, mix, stretch, taps, taps_at

BAND_PIXELS = 1 << 17
"""What is enlarged at a time: half a megabyte, which stays in the processor's cache."""


@dataclass(frozen=True, slots=True, eq=False)
class SoftMap:
    """Probabilities inside `roi`, zero elsewhere.

    Attributes:
        values_hw: probabilities in [0, 1] that are stretched over `roi`; float32 or bool.
        roi: the part of the image they cover.
        frame: (H, W) of the image.
    """

    values_hw: npt.NDArray[Any]
    roi: Roi
    frame: Size

    def inside(self) -> Floats:
        """The part inside `roi`, at the resolution of the image."""
        return stretch(self.values_hw.astype(np.float32, copy=False), self.roi.size)

    def reach(self, threshold: float) -> Roi | None:
        """The pixels that may exceed `threshold`: those beside values that do. None if there are none."""
        seeds = mask_roi(self.values_hw > threshold)
        if seeds is None:
            return None
        (height, width), (rows, columns) = self.roi.size, self.values_hw.shape
        beside_rows = np.flatnonzero(_beside(taps(rows, height), seeds.top, seeds.bottom))
        beside_columns = np.flatnonzero(_beside(taps(columns, width), seeds.left, seeds.right))
        if not (beside_rows.size and beside_columns.size):
            return None
        (top, bottom), (left, right) = beside_rows[[0, -1]].tolist(), beside_columns[[0, -1]].tolist()
        return Roi(top, bottom, left, right).moved(self.roi)

    def bands(self, box: Roi) -> Iterator[tuple[slice, Floats]]:
        """The part inside `box`, which lies in `roi`, a few rows at a time: which rows of the box, and they.

        So a photograph of 12 megapixels never lies in memory as floats. The array is the same each time.
        """
        row_slice, column_slice = box.within(self.roi)
        rows = taps(self.values_hw.shape[0], self.roi.size[0]).part(row_slice)
        columns = taps(self.values_hw.shape[1], self.roi.size[1]).part(column_slice)
        first = int(rows.low[0])
        wide_hW = blend(self.values_hw[first : int(rows.high[-1]) + 1], columns, axis=1)
        height, width = box.size
        count = min(height, max(1, BAND_PIXELS // width))
        low, high = np.empty((2, count, width), np.float32)
        for start in range(0, height, count):
            band = slice(start, min(start + count, height))
            upper, lower = low[: band.stop - start], high[: band.stop - start]
            wide_hW.take(rows.low[band] - first, axis=0, out=upper, mode="clip")
            wide_hW.take(rows.high[band] - first, axis=0, out=lower, mode="clip")
            yield band, mix(upper, lower, rows.weight[band, None])

    def full(self) -> Floats:
        """H x W float32."""
        full_HW = np.zeros(self.frame, np.float32)
        full_HW[self.roi.slices] = self.inside()
        return full_HW

    def crop(self, roi: Roi, size: Size) -> Floats:
        """What cropping `full()` to `roi` and resizing it to `size` gives, without building it."""
        rows = self._resampled(self.values_hw, roi.top, taps(roi.size[0], size[0]), axis=0)
        return self._resampled(rows, roi.left, taps(roi.size[1], size[1]), axis=1)

    def _resampled(self, values: npt.NDArray[Any], first: int, wanted: Taps, axis: int) -> Floats:
        low = self._at_pixels(values, first + wanted.low, axis)
        high = self._at_pixels(values, first + wanted.high, axis)
        return mix(low, high, wanted.weight[:, None] if axis == 0 else wanted.weight)

    def _at_pixels(self, values: npt.NDArray[Any], pixels: npt.NDArray[np.intp], axis: int) -> Floats:
        """The map at whole pixels of the image along one axis, zero outside `roi`."""
        first, last = (self.roi.top, self.roi.bottom) if axis == 0 else (self.roi.left, self.roi.right)
        count = values.shape[axis]
        positions = (np.clip(pixels, first, last) - first) * ((count - 1) / max(last - first, 1))
        at = blend(values, taps_at(positions, count), axis)
        at[(slice(None),) * axis + ((pixels < first) | (pixels > last),)] = 0
        return at


def _beside(wanted: Taps, first: int, last: int) -> npt.NDArray[np.bool_]:
    """Which outputs have one of the inputs from `first` to `last` for a neighbour."""
    return (wanted.high >= first) & (wanted.low <= last)
