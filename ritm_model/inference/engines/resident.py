"""Photographs that stay on the device of an engine, and views that are cut out of them there.

A photograph is uploaded once, as bytes, and what belongs to a click in one piece beside it. On a CPU none of
this is used: see `ritm_model.inference.resampling`, whose results these are but for rounding.

Shapes: H x W the photograph, h x w the view, B batch, P points, 3 = (red, green, blue).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ritm_model.inference.geometry import Roi, Size
from ritm_model.inference.resampling import Floats, block_side, taps

MOST_BYTES = 512 << 20
"""Of photographs that an engine keeps on its device: about 40 of 4 megapixels, or 14 of 12."""


class _Entry(NamedTuple):
    """A photograph on the device, and the weak reference to it that forgets both."""

    pixels_HW3: Tensor
    alive: weakref.ref[npt.NDArray[np.uint8]]


class ResidentImages:
    """Copies of photographs on a device. Thread-safe.

    A copy belongs to an array, not to its pixels, and goes with the array: when a session cache lets go of an
    image and no answer to it is being worked out any more, the memory on the device is free. Before that,
    copies unused longest go while they exceed `most_bytes`; they are uploaded again if need be.

    Args:
        device: where the copies are.
        most_bytes: of all copies.
    """

    def __init__(self, device: torch.device, most_bytes: int = MOST_BYTES) -> None:
        self.device = device
        self._most_bytes = most_bytes
        self._lock = Lock()
        self._entries: dict[int, _Entry] = {}  # by id, those used last at the end

    def of(self, image_HW3: npt.NDArray[np.uint8]) -> Tensor | None:
        """The photograph on the device, uint8 H x W x 3; None for one that is larger than all may be.

        Args:
            image_HW3: must not be written to as long as it lives.
        """
        if image_HW3.nbytes > self._most_bytes:
            return None
        key = id(image_HW3)
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None:
                there = uploaded(self.device, image_HW3, dtype=torch.uint8)
                entry = _Entry(there.view(image_HW3.shape), weakref.ref(image_HW3, self._forgetting(key)))
            self._entries[key] = entry
            while self.nbytes > self._most_bytes:
                self._entries.pop(next(iter(self._entries)), None)
        return entry.pixels_HW3

    @property
    def nbytes(self) -> int:
        """Memory of the device that the copies take."""
        return sum(entry.pixels_HW3.nbytes for entry in list(self._entries.values()))

    def _forgetting(self, key: int) -> Callable[[object], None]:
        """What to do when an array dies. It takes no lock, for that may happen in the middle of `of`, too."""
        this = weakref.ref(self)

        def forget(_: object) -> None:
            if images := this():
                images._entries.pop(key, None)

        return forget


def resident_images(engine: object) -> ResidentImages | None:
    """Where an engine keeps photographs; None for one that wants its views from the CPU."""
    found = getattr(engine, "resident", None)
    return found if isinstance(found, ResidentImages) else None


def uploaded(device: torch.device, *arrays: npt.NDArray[Any], dtype: torch.dtype = torch.float32) -> Tensor:
    """Arrays one after the other, as one row of numbers, in one copy that a GPU's host does not wait for."""
    is_pinned = device.type == "cuda"
    staged = torch.empty(sum(array.size for array in arrays), dtype=dtype, pin_memory=is_pinned)
    for array, part in zip(arrays, torch.split(staged, [array.size for array in arrays]), strict=True):
        part.view(array.shape).numpy()[...] = array
    return staged.to(device, non_blocking=is_pinned)


def shown_there(
    pixels_HW3: Tensor,
    roi: Roi,
    size: Size,
    points_BP3: Floats,
    mask_hw: Floats | None,
    *,
    antialias: bool,
) -> tuple[Tensor, Tensor]:
    """Show a part of a photograph on its device, and bring there what else the network is told.

    Args:
        pixels_HW3: uint8.
        roi: rows and columns inside the photograph.
        size: (h, w) of the view.
        points_BP3: the clicks.
        mask_hw: the previous mask as the view shows it, if the network takes one.
        antialias: see `crop_pixels`.

    Returns:
        The view, h x w x C float32 RGB in [0, 1] and the previous mask, if any; the clicks.
    """
    crop_HW3 = pixels_HW3[roi.slices]
    side = block_side(roi.size, size) if antialias else 1
    if side > 1:
        crop_HW3 = _block_means(crop_HW3, side)
    rows, columns = (taps(*lengths, side) for lengths in zip(roi.size, size, strict=True))
    # In one piece, all as floats, which hold the numbers of rows and columns exactly.
    places: list[npt.NDArray[Any]] = [rows.low, rows.high, columns.low, columns.high]
    mask = np.empty(0, np.float32) if mask_hw is None else mask_hw
    there = uploaded(pixels_HW3.device, *places, rows.weight, columns.weight, points_BP3, mask)
    height, width = size
    lengths = [2 * height, 2 * width, height, width, points_BP3.size, mask.size]
    rows_2h, columns_2w, down_h, across_w, points, mask_n = torch.split(there, lengths)

    corners = crop_HW3[rows_2h.long()[:, None], columns_2w.long()].float()
    left, right = corners.view(2 * height, 2, width, 3).unbind(1)
    upper, lower = left.lerp(right, across_w[:, None]).view(2, height, width, 3).unbind(0)
    view_hwC = upper.lerp(lower, down_h[:, None, None]) / 255
    if mask_hw is not None:
        view_hwC = torch.cat([view_hwC, mask_n.view(*size, 1)], dim=2)
    return view_hwC, points.view(points_BP3.shape)


def _block_means(pixels_HW3: Tensor, side: int) -> Tensor:
    """Means of whole blocks of `side` x `side` pixels, whole numbers as OpenCV rounds them."""
    height, width = pixels_HW3.shape[0] // side, pixels_HW3.shape[1] // side
    whole_HW3 = pixels_HW3[: height * side, : width * side]
    blocks_hSwS3 = torch.unflatten(torch.unflatten(whole_HW3, 1, (width, side)), 0, (height, side))
    sums_hw3 = blocks_hSwS3.sum((1, 3), dtype=torch.int32)
    if side == 2:
        return sums_hw3.add(2).bitwise_right_shift(2)
    return sums_hw3.mul(1 / side**2).round()
