"""Which object to learn next, and the clicks that a user might have made on it already.

Shapes: H and W the image, P = 2N points (N positive, then N negative), 3 = (row, column, order), K pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.datasets.layers import Instance
from ritm_model.datasets.photograph import Mask
from ritm_model.learning.scene import Scene
from ritm_model.learning.step.losses import IGNORED

Pixels = npt.NDArray[np.intp]  # K indices into the flattened image
Areas = list[tuple[Pixels, float]]  # each with the chance that a click is drawn from it
SAMPLED_ORDER = 100
FIRST_ORDER = 0
SQUARE = np.ones((3, 3), np.uint8)

# How parts are asked for.
STAY_CHANCE = 0.5  # of asking for an object and not for one of its parts
SMALL_PART = 0.1  # of an object: no positive clicks on smaller parts, which they would mean, too
MOST_REMOVED = 3  # parts that are taken out of an object


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
class Choice:
    """A chosen object.

    Attributes:
        object_HW: what is asked for.
        inside_HW: where positive clicks may fall.
        beside: what a user must click away, because it belongs to the same whole: each gets a negative click.
    """

    object_HW: Mask
    inside_HW: Mask
    beside: tuple[Mask, ...] = ()


@dataclass(frozen=True, slots=True)
class ClickSampler:
    """Draws an object, or several as one, and clicks inside and outside it.

    Attributes:
        max_points: slots for the clicks of one sign.
        gamma: i clicks more than the least number are gamma ** i times as likely.
        merge_prob: of taking several objects as one, where there are several.
        max_merged: how many at most.
        erode_prob: of keeping positive clicks off the edge of the object.
        erode_steps: by so many pixels, if more than ten are left.
        border_share: width of the band around the object, over the root of its area.
        anywhere, others, border: how likely a negative click is anywhere off the object, on other objects,
            or in the band.
        centre_first: put the first positive click into the middle of the object.
        centre_share: the middle is deeper than the greatest depth over this number.
        hierarchy: ask for parts of objects, too, and for objects without some of their parts.
    """

    max_points: int = 24
    gamma: float = 0.8
    merge_prob: float = 0.15
    max_merged: int = 2
    erode_prob: float = 0.9
    erode_steps: int = 3
    border_share: float = 0.1
    anywhere: float = 0.1
    others: float = 0.4
    border: float = 0.5
    centre_first: bool = False
    centre_share: float = 1.7
    hierarchy: bool = False

    def sample(self, scene: Scene, random: np.random.Generator) -> Target:
        """Draw a target. Without objects in the scene it is empty and has negative clicks only."""
        chosen = self._choose(scene, random)
        choices = [self._choice(scene, instance, random) for instance in chosen]
        object_HW = np.zeros(scene.size, bool)
        for choice in choices:
            object_HW |= choice.object_HW
        positive = self._positive(choices, random)
        negative = self._negative(scene, choices, object_HW, random)
        points_P3 = np.full((2 * self.max_points, 3), -1, np.float32)
        width = scene.size[1]
        for start, clicks in ((0, positive), (self.max_points, negative)):
            for slot, (pixel, order) in enumerate(clicks, start):
                points_P3[slot] = (*divmod(pixel, width), order)
        truth_HW = object_HW.astype(np.int8)
        truth_HW[scene.ignored_HW] = IGNORED
        return Target(truth_HW, points_P3, chosen)

    def _choose(self, scene: Scene, random: np.random.Generator) -> tuple[Instance, ...]:
        wholes = scene.wholes
        if not wholes:
            return ()
        together = 1
        if len(wholes) > 1 and random.random() < self.merge_prob:
            together = int(random.integers(2, min(len(wholes), self.max_merged) + 1))
        chosen = tuple(wholes[i] for i in random.choice(len(wholes), together, replace=False))
        return tuple(self._descend(scene, each, random) for each in chosen) if self.hierarchy else chosen

    def _descend(self, scene: Scene, instance: Instance, random: np.random.Generator) -> Instance:
        """Stay at each object with half a chance, else go on to one of its parts."""
        parts = scene.parts(instance)
        while parts and random.random() >= STAY_CHANCE:
            instance = parts[random.integers(len(parts))]
            parts = scene.parts(instance)
        return instance

    def _choice(self, scene: Scene, instance: Instance, random: np.random.Generator) -> Choice:
        mask_HW = scene.mask(instance)
        if not self.hierarchy:
            return Choice(mask_HW, mask_HW)
        object_HW, inside_HW, beside = mask_HW, mask_HW, []
        if instance in scene.parents:
            beside.append(scene.mask(scene.parents[instance]) & ~mask_HW)
        parts = [scene.mask(part) for part in scene.parts(instance)]
        for part_HW in parts:
            if part_HW.sum() < SMALL_PART * mask_HW.sum():
                inside_HW = inside_HW & ~part_HW
        count = random.integers(min(len(parts), MOST_REMOVED) + 1)
        for i in random.choice(len(parts), count, replace=False) if count else ():
            if (inside_HW & ~parts[i]).any():  # something must be left to click on
                object_HW, inside_HW = object_HW & ~parts[i], inside_HW & ~parts[i]
                beside.append(parts[i])
        return Choice(object_HW, inside_HW, tuple(beside))

    def _positive(self, choices: list[Choice], random: np.random.Generator) -> list[tuple[int, int]]:
        areas = [self._inside(choice.inside_HW, random) for choice in choices]
        groups = [[(np.flatnonzero(area_HW), 1.0)] for area_HW in areas]
        firsts = None
        if self.centre_first:
            firsts = [np.flatnonzero(middle(area_HW, self.centre_share)) for area_HW in areas]
        return self._spread(groups, [1] * len(groups), random, firsts)

    def _negative(
        self, scene: Scene, choices: list[Choice], object_HW: Mask, random: np.random.Generator
    ) -> list[tuple[int, int]]:
        outside_HW = ~object_HW
        others_HW = border_HW = outside_HW
        if len(scene.instances) > len(choices):
            others_HW = scene.union(scene.instances) & outside_HW
        if choices:
            border_HW = surroundings(object_HW, self.border_share)
        groups: list[Areas] = [
            [(np.flatnonzero(part_HW & outside_HW), 1.0)] for choice in choices for part_HW in choice.beside
        ]
        least = [1] * len(groups)
        anyhow = [
            (np.flatnonzero(outside_HW), self.anywhere),
            (np.flatnonzero(others_HW), self.others),
            (np.flatnonzero(border_HW), self.border),
        ]
        return self._spread([*groups, anyhow], [*least, 0], random)

    def _spread(
        self,
        groups: Sequence[Areas],
        least: Sequence[int],
        random: np.random.Generator,
        firsts: Sequence[Pixels] | None = None,
    ) -> list[tuple[int, int]]:
        """Click into groups of areas: into each once for certain, the rest anywhere in them.

        Args:
            groups: what a click is drawn from.
            least: clicks in each group.
            random: the source of randomness.
            firsts: for each group, where its first click must be.

        Returns:
            Pixels and orders, `max_points` at most.
        """
        parts = []
        for number, (areas, fewest) in enumerate(zip(groups, least, strict=True)):
            clicks = _draw_clicks(areas, fewest + self._count(self.max_points + 1 - fewest, random), random)
            if clicks and firsts is not None:
                clicks[0] = (_draw(firsts[number], random), FIRST_ORDER)
            if clicks:
                parts.append(clicks)
        if len(parts) < 2:
            return [click for clicks in parts for click in clicks]
        union = [(pixels, weight / len(groups)) for areas in groups for pixels, weight in areas]
        rest = _draw_clicks(union, self._count(self.max_points + 1, random), random)
        return ([clicks[0] for clicks in parts] + rest)[: self.max_points]

    def _inside(self, mask_HW: Mask, random: np.random.Generator) -> Mask:
        if random.random() < self.erode_prob:
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


def _draw_clicks(areas: Areas, count: int, random: np.random.Generator) -> list[tuple[int, int]]:
    """Draw so many clicks; one that falls into an area without pixels is dropped."""
    chances = np.array([weight for _, weight in areas])
    drawn = random.choice(len(areas), size=count, p=chances / chances.sum()).tolist()
    return [(_draw(areas[number][0], random), SAMPLED_ORDER) for number in drawn if areas[number][0].size]


def _draw(pixels: Pixels, random: np.random.Generator) -> int:
    return int(pixels[random.integers(len(pixels))])
