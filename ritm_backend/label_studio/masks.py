"""Masks between the model's picture and the editor's: sizes and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from ritm_backend.label_studio.errors import TaskError

Mask: TypeAlias = npt.NDArray[np.bool_]

_LARGEST_ANSWER_PIXELS = 120_000_000


@dataclass(frozen=True, slots=True)
class PackedMask:
    """A mask at one bit per pixel."""

    width: int
    height: int
    bits: npt.NDArray[np.uint8]

    @classmethod
    def pack(cls, mask_HW: Mask) -> PackedMask:
        return cls(mask_HW.shape[1], mask_HW.shape[0], np.packbits(mask_HW))

    def unpack(self) -> Mask:
        bits = np.unpackbits(self.bits, count=self.width * self.height)
        return bits.reshape(self.height, self.width).view(np.bool_)

    def contains(self, x: float, y: float) -> bool:
        """Whether the pixel at (x, y), clamped into the mask, is inside."""
        column = min(max(int(x), 0), self.width - 1)
        row = min(max(int(y), 0), self.height - 1)
        byte, bit = divmod(row * self.width + column, 8)
        return bool(self.bits[byte] >> (7 - bit) & 1)

    @property
    def area(self) -> int:
        """Pixels inside."""
        return int(np.bitwise_count(self.bits).sum(dtype=np.int64))

    def is_within(self, distance: float, x: float, y: float) -> bool:
        """Whether any pixel's centre inside is no farther than so many pixels from (x, y)."""
        top, bottom = max(int(y - distance), 0), min(int(y + distance) + 1, self.height)
        left, right = max(int(x - distance), 0), min(int(x + distance) + 1, self.width)
        if top >= bottom or left >= right:
            return False
        first, last = top * self.width, bottom * self.width
        bits = np.unpackbits(self.bits[first // 8 : (last + 7) // 8])[first % 8 :][: last - first]
        rows, columns = np.nonzero(bits.reshape(bottom - top, self.width)[:, left:right])
        far = np.hypot(columns + (left + 0.5 - x), rows + (top + 0.5 - y))
        return bool((far <= distance).any())


def resize(mask_HW: Mask, width: int, height: int) -> Mask:
    """The mask on a picture of another size; its edge stays where it is."""
    if mask_HW.shape == (height, width):
        return mask_HW
    shrinks = width < mask_HW.shape[1]
    scaled = cv2.resize(
        mask_HW.view(np.uint8) * np.uint8(255),
        (width, height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return np.asarray(scaled > 127)


def check_same_picture(image: tuple[int, int], editor: tuple[int, int]) -> None:
    """Make sure that percent mean the same place in both pictures, (width, height) in pixels.

    A server may hand out a smaller version than the editor shows; its sides then agree up to rounding.

    Raises:
        TaskError: The shapes differ, so a mask of one would lie wrongly on the other.
    """
    (width, height), (shown_width, shown_height) = image, editor
    if shown_width * shown_height > _LARGEST_ANSWER_PIXELS:
        raise TaskError(f"A mask of {shown_width} x {shown_height} pixels is too large.")
    if abs(shown_width * height / width - shown_height) > 1 + 0.005 * shown_height:
        raise TaskError(
            f"The image is {width} x {height} pixels, but Label Studio shows one of "
            f"{shown_width} x {shown_height}: a mask would not fit."
        )
