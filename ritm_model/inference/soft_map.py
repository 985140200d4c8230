"""A map over the whole image of which only one rectangle is kept, at the network's resolution.

After a click on a 12-megapixel photograph the network has produced some hundred thousand numbers.
Keeping those, and not their enlargement, makes a state small and the next click independent of the
size of the image.

Shapes: H x W the image, h x w whatever is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ritm_model.inference.geometry import Roi, Size
from ritm_model.inference.resampling import Floats, Taps, blend, mix, stretch, taps, taps_at


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
