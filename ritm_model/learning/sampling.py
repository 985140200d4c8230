"""Which object to learn next, and the clicks that a user might have made on it already.

Shapes: H and W the image, P = 2N points (N positive, then N negative), 3 = (row, column, order), K pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.learning.losses import IGNORED
from ritm_model.learning.scene import Instance, Mask, Scene

Pixels = npt.NDArray[np.intp]  # K indices into the flattened image
SAMPLED_ORDER = 100
FIRST_ORDER = 0
SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True, slots=True)
class Target:
    """What a sample asks for.

    Attributes:
        truth_HW: 1 on the object, 0 off it, -1 ignored.
        points_P3: the clicks; unused rows are (-1, -1, -1).
        instances: the objects that were chosen: none, one or several together.
    """

    truth_HW: npt.NDArray[np.int8]
    points_P3: npt.NDArray[np.float32]
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class ClickSampler:
    """Draws an object, or several as one, and clicks inside and outside it.

    Attributes:
        max_points: slots for the clicks of one sign.
        gamma: i clicks more than the least number are gamma ** i times as likely.
        merge_chance: of taking several objects as one, where there are several.
        max_merged: how many at most.
        erode_chance: of keeping positive clicks off the edge of the object.
        erode_steps: by so many pixels, if more than ten are left.
        border_share: width of the band around the object, over the root of its area.
        anywhere, others, border: how likely a negative click is anywhere off the object, on other objects,
            or in the band.
        centre_first: put the first positive click into the middle of the object.
        centre_share: the middle is deeper than the greatest depth over this number.
    """

    max_points: int = 24
    gamma: float = 0.8
    merge_chance: float = 0.15
    max_merged: int = 2
    erode_chance: float = 0.9
    erode_steps: int = 3
    border_share: float = 0.1
    anywhere: float = 0.1
    others: float = 0.4
    border: float = 0.5
    centre_first: bool = False
    centre_share: float = 1.7

    def sample(self, scene: Scene, random: np.random.Generator) -> Target:
        """Draw a target. Without objects in the scene it is empty and has negative clicks only."""
        chosen = self._choose(scene, random)
        object_HW = scene.union(chosen)
        positive = self._positive(scene, chosen, random)
        negative = self._negative(scene, chosen, object_HW, random)
        points_P3 = np.full((2 * self.max_points, 3), -1, np.float32)
        width = scene.size[1]
        for start, clicks in ((0, positive), (self.max_points, negative)):
            for slot, (pixel, order) in enumerate(clicks, start):
                points_P3[slot] = (*divmod(pixel, width), order)
        truth_HW = object_HW.astype(np.int8)
        truth_HW[scene.ignored_HW] = IGNORED
        return Target(truth_HW, points_P3, chosen)

    def _choose(self, scene: Scene, random: np.random.Generator) -> tuple[Instance, ...]:
        count = len(scene.instances)
        if count == 0:
            return ()
        together = 1
        if count > 1 and random.random() < self.merge_chance:
            together = int(random.integers(2, min(count, self.max_merged) + 1))
        return tuple(scene.instances[i] for i in random.choice(count, together, replace=False))

    def _positive(
        self, scene: Scene, chosen: tuple[Instance, ...], random: np.random.Generator
    ) -> list[tuple[int, int]]:
        if not chosen:
            return []
        areas = [self._inside(scene.mask(instance), random) for instance in chosen]
        parts = [self._clicks_in(area_HW, random) for area_HW in areas]
        if len(parts) == 1:
            return parts[0]
        # Each object gets one click for certain, the rest fall on any of them.
        pixels = [np.flatnonzero(area_HW) for area_HW in areas]
        more = self._count(self.max_points + 1, random)
        rest = [
            (_draw(pixels[which], random), SAMPLED_ORDER)
            for which in random.integers(len(pixels), size=more).tolist()
        ]
        return ([part[0] for part in parts] + rest)[: self.max_points]

    def _clicks_in(self, area_HW: Mask, random: np.random.Generator) -> list[tuple[int, int]]:
        pixels = np.flatnonzero(area_HW)
        orders = [SAMPLED_ORDER] * (1 + self._count(self.max_points, random))
        clicks = [(_draw(pixels, random), order) for order in orders]
        if self.centre_first:
            clicks[0] = (_draw(np.flatnonzero(middle(area_HW, self.centre_share)), random), FIRST_ORDER)
        return clicks

    def _negative(
        self, scene: Scene, chosen: tuple[Instance, ...], object_HW: Mask, random: np.random.Generator
    ) -> list[tuple[int, int]]:
        count = self._count(self.max_points + 1, random)
        outside_HW = ~object_HW
        areas: dict[int, Pixels] = {}
        clicks = []
        kinds = random.choice(3, size=count, p=(self.anywhere, self.others, self.border))
        for kind in kinds.tolist():
            if kind not in areas:
                area_HW = outside_HW
                if kind == 1 and len(scene.instances) > len(chosen):
                    area_HW = scene.union(scene.instances) & outside_HW
                elif kind == 2 and chosen:
                    area_HW = surroundings(object_HW, self.border_share)
                areas[kind] = np.flatnonzero(area_HW)
            if areas[kind].size:
                clicks.append((_draw(areas[kind], random), SAMPLED_ORDER))
        return clicks

    def _inside(self, mask_HW: Mask, random: np.random.Generator) -> Mask:
        if random.random() < self.erode_chance:
            eroded_HW = cv2.erode(mask_HW.astype(np.uint8), SQUARE, iterations=self.erode_steps) > 0
            if eroded_HW.sum() > 10:
                return eroded_HW
        return mask_HW

    def _count(self, kinds: int, random: np.random.Generator) -> int:
        return int(random.choice(kinds, p=count_chances(kinds, self.gamma)))


def count_chances(kinds: int, gamma: float) -> npt.NDArray[np.float64]:
    """Chances of 0, 1, … kinds - 1, each `gamma` times that of the one before."""
    chances: npt.NDArray[np.float64] = gamma ** np.arange(kinds, dtype=np.float64)
    chances /= chances.sum()
    return chances


def surroundings(object_HW: Mask, share: float) -> Mask:
    """A band around the object, `share` of the root of its area wide."""
    width = math.ceil(share * math.sqrt(object_HW.sum()))
    grown_HW = cv2.dilate(object_HW.astype(np.uint8), SQUARE, iterations=width) > 0
    return grown_HW & ~object_HW


def middle(area_HW: Mask, share: float) -> Mask:
    """The pixels farther from the edge, or from the frame, than the greatest distance over `share`."""
    padded = np.pad(area_HW.astype(np.uint8), 1)
    depth_HW = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    deep_HW: Mask = depth_HW > depth_HW.max() / share
    return deep_HW


def _draw(pixels: Pixels, random: np.random.Generator) -> int:
    return int(pixels[random.integers(len(pixels))])
