"""The contours of a mask as OpenCV finds them: walks over the pixels on the rims of its parts and holes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Walk_N12 = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Contours:
    """All contours of one mask.

    Attributes:
        walks: N x 1 x 2 each, (x, y) of pixels in order, neighbours a pixel apart.
        parents: for the contour of a hole, the place of that around the part which has the hole; else -1.
    """

    walks: tuple[Walk_N12, ...]
    parents: tuple[int, ...]

    @classmethod
    def of(cls, mask_HW: Mask) -> Contours:
        """Find them: parts are connected over eight neighbours, holes over four."""
        walks, nesting = cv2.findContours(mask_HW.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        if not walks:
            return cls((), ())
        return cls(tuple(np.asarray(walk, np.int32) for walk in walks), tuple(nesting[0, :, 3].tolist()))

    @property
    def outer(self) -> list[int]:
        """The places of contours around parts."""
        return [place for place, parent in enumerate(self.parents) if parent < 0]

    @property
    def holes(self) -> list[int]:
        """The places of contours around holes."""
        return [place for place, parent in enumerate(self.parents) if parent >= 0]

    def without(self, parts: Collection[int]) -> Contours:
        """Those of the mask without some parts, named by the places of their outer contours."""
        left = [
            place for place, parent in enumerate(self.parents) if place not in parts and parent not in parts
        ]
        moved = {place: number for number, place in enumerate(left)} | {-1: -1}
        return Contours(
            tuple(self.walks[place] for place in left), tuple(moved[self.parents[place]] for place in left)
        )
