"""Bilinear resampling in which the corner pixels of input and output coincide (align_corners).

Only the pixels that the output needs are read and converted, so looking at the whole of a
12-megapixel photograph through a 400-pixel window costs what the window costs.

Shapes: H x W the frame, h x w the output, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from ritm_model.inference.geometry import Roi, Size

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

BAND_ROWS = 16
"""Rows that are worked out at a time: so few that what lies between stays in the processor's cache."""


class Taps(NamedTuple):
    """For each output pixel of one axis: its two neighbours in the input and the weight of the second."""

    low: Indices
    high: Indices
    weight: Floats

    def part(self, which: slice) -> Taps:
        """Those of some of the output pixels."""
        return Taps(self.low[which], self.high[which], self.weight[which])

    def of_channels(self, count: int, wanted: Sequence[int]) -> Taps:
        """The same for some of the `count` channels of each pixel, which lie side by side."""
        low, high = (np.add.outer(pixels * count, wanted).ravel() for pixels in (self.low, self.high))
        return Taps(low, high, self.weight.repeat(len(wanted)))


def taps(length: int, count: int, side: int = 1) -> Taps:
    """`count` positions spread over `length` pixels; a single one sits at the first pixel.

    With a `side` above 1 they are positions among the means of blocks of so many pixels.
    """
    positions = np.linspace(0, length - 1, count)
    if side == 1:
        return taps_at(positions, length)
    blocks = length // side
    return taps_at(np.clip((positions + 0.5) / side - 0.5, 0, blocks - 1), blocks)


def taps_at(positions: npt.NDArray[np.float64], length: int) -> Taps:
    low = np.floor(positions).astype(np.intp)
    return Taps(low, np.minimum(low + 1, length - 1), (positions - low).astype(np.float32))


def crop_pixels(
    pixels_HWC: npt.NDArray[Any],
    roi: Roi,
    size: Size,
    channels: Sequence[int] | None = None,
    *,
    antialias: bool = False,
) -> Floats:
    """Show `roi` of the image at `size`.

    Args:
        pixels_HWC: image of any numeric type.
        roi: rows and columns inside the image.
        size: (h, w) of the result.
        channels: which of the image's the result has, in its order; None for all as they are.
        antialias: where the result is less than half as large, sample means of blocks of pixels.

    Returns:
        h x w x channels, float32 in the units of the input, the channels of a pixel side by side.
    """
    crop_HWC = pixels_HWC[roi.slices]
    channels = range(crop_HWC.shape[2]) if channels is None else channels
    if roi.size == size:
        return crop_HWC.take(channels, axis=2).astype(np.float32)
    side = block_side(roi.size, size) if antialias else 1
    if side > 1:
        crop_HWC = _block_means(crop_HWC, side)
    rows, columns = (taps(*lengths, side) for lengths in zip(roi.size, size, strict=True))
    # As lines of single numbers, which NumPy gathers several times as fast as triples.
    columns = columns.of_channels(crop_HWC.shape[2], channels)
    shown = np.empty((size[0], size[1] * len(channels)), np.float32)
    for start in range(0, size[0], BAND_ROWS):
        band = rows.part(slice(start, start + BAND_ROWS))
        lines = (len(band.low), -1)
        upper = blend(crop_HWC[band.low].reshape(lines), columns, axis=1)
        lower = blend(crop_HWC[band.high].reshape(lines), columns, axis=1)
        shown[start : start + BAND_ROWS] = mix(upper, lower, band.weight[:, None])
    return shown.reshape(*size, len(channels))


def block_side(before: Size, now: Size) -> int:
    """The side of the blocks whose means are sampled to shrink an image; 1 where it is not half as large."""
    return max(1, min(was // becomes for was, becomes in zip(before, now, strict=True)))


def _block_means(pixels_HWC: npt.NDArray[Any], side: int) -> npt.NDArray[Any]:
    """Means of whole blocks of `side` x `side` pixels; those left over at the end do not count."""
    height, width = pixels_HWC.shape[0] // side, pixels_HWC.shape[1] // side
    whole_HWC = pixels_HWC[: height * side, : width * side]
    means: npt.NDArray[Any] = cv2.resize(whole_HWC, (width, height), interpolation=cv2.INTER_AREA)
    return means.reshape(height, width, -1)


def blend(values: npt.NDArray[Any], along: Taps, axis: int) -> Floats:
    """Interpolate `values` along one axis."""
    shape = [1] * values.ndim
    shape[axis] = -1
    # The positions lie inside; "clip" only spares NumPy looking at them first.
    low = values.take(along.low, axis, mode="clip").astype(np.float32)
    high = values.take(along.high, axis, mode="clip").astype(np.float32)
    return mix(low, high, along.weight.reshape(shape))


def mix(first: Floats, second: Floats, weight: Floats) -> Floats:
    """`first + weight * (second - first)`, in the memory of `second`."""
    second -= first
    second *= weight
    second += first
    return second


def stretch(values_hw: Floats, size: Size) -> Floats:
    """The values resized to `size`."""
    if values_hw.shape == size:
        return values_hw
    resized = functional.interpolate(
        torch.from_numpy(values_hw)[None, None], size=size, mode="bilinear", align_corners=True
    )
    array: Floats = resized[0, 0].numpy()
    return array
