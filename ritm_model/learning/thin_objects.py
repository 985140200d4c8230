"""Thin objects painted into photographs: winding ones, branches, and bars.

Few annotated objects are thin, and coarse polygons have rubbed out most that are. What is painted here has
an exact mask, whatever its width. Shapes: H x W the image, h x w what is around the object, 3 = RGB.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.datasets.layers import Instance
from ritm_model.images import Pixels
from ritm_model.learning.scene import Scene

MOST_OBJECTS = 3
WIDTH = (0.008, 0.05)  # bounds, of the shorter side of the image
STEPS = 24  # straight pieces of a line
MOST_TWIGS = 5
FRACTIONAL_BITS = 4  # OpenCV draws between pixels by fixed-point numbers
LEAST_CONTRAST = 30  # of one colour channel: what cannot be seen cannot be learnt
FROM_PHOTOGRAPH = 0.7  # how often the colour is one of the photograph's
SOFT_EDGE = (0.3, 0.8)  # bounds of the blur of edges, as a lens has it, in pixels

Cover = npt.NDArray[np.float32]  # H x W, 1 on the object, 0 off it, between them on its edge


@dataclass(frozen=True, slots=True)
class Line:
    """A line of changing width.

    Attributes:
        points: x, y and width of its points, in pixels.
    """

    points: tuple[tuple[float, float, float], ...]


def with_thin_objects(scene: Scene, random: np.random.Generator) -> Scene:
    """Paint thin objects over a scene, and ask for them in place of its own.

    Args:
        scene: of which only the image and the ignored pixels are used.
        random: draws everything.
    """
    image_HW3 = scene.image_HW3
    layer_HW = np.zeros(scene.size, np.uint8)
    count = int(random.integers(1, MOST_OBJECTS + 1))
    for value in range(1, count + 1):
        cover_HW = _drawn(_lines(scene.size, random), scene.size, random)
        image_HW3 = _painted(image_HW3, cover_HW, scene.image_HW3, random)
        layer_HW[cover_HW > 0.5] = value
    layer_HW[scene.ignored_HW] = 0
    instances = tuple(Instance(0, value) for value in range(1, count + 1))
    return replace(
        scene,
        image_HW3=image_HW3,
        layers_LHW=layer_HW[None],
        instances=instances,
        parents={},
        areas=None,
    )


def _lines(size: tuple[int, int], random: np.random.Generator) -> list[Line]:
    height, width = size
    side = min(size)
    thickness = side * math.exp(random.uniform(*np.log(WIDTH)))
    start = (random.uniform(0.1, 0.9) * width, random.uniform(0.1, 0.9) * height)
    heading = random.uniform(0, 2 * math.pi)
    length = random.uniform(0.4, 1.4) * side
    kind = random.choice(("winding", "branches", "bars"))
    if kind == "winding":
        bend = random.uniform(0.0, 0.5)
        return [_winding(start, heading, length, thickness, bend, random.uniform(0.3, 1.0), random)]
    if kind == "branches":
        return list(_branches(start, heading, length, thickness, random))
    return list(_bars(start, heading, length, thickness, random))


def _winding(
    start: tuple[float, float],
    heading: float,
    length: float,
    thickness: float,
    bend: float,
    end_share: float,
    random: np.random.Generator,
) -> Line:
    """A line whose curvature wanders, and that gets narrower to `end_share` of its width."""
    x, y = start
    curvature = 0.0
    points = []
    for step in range(STEPS + 1):
        share = step / STEPS
        points.append((x, y, thickness * (1 - share * (1 - end_share))))
        curvature = 0.7 * curvature + bend * random.normal()
        heading += curvature
        x += length / STEPS * math.cos(heading)
        y += length / STEPS * math.sin(heading)
    return Line(tuple(points))


def _branches(
    start: tuple[float, float],
    heading: float,
    length: float,
    thickness: float,
    random: np.random.Generator,
    depth: int = 2,
) -> Iterator[Line]:
    """A stem that gets thinner, with twigs that have twigs."""
    stem = _winding(start, heading, length, thickness, 0.08, 0.3, random)
    yield stem
    if depth:
        for _ in range(int(random.integers(1, MOST_TWIGS + 1))):
            x, y, width_there = stem.points[random.integers(STEPS // 4, STEPS)]
            turned = heading + random.choice((-1, 1)) * random.uniform(0.3, 1.2)
            shorter = length * random.uniform(0.2, 0.6)
            yield from _branches((x, y), turned, shorter, 0.8 * width_there, random, depth - 1)


def _bars(
    start: tuple[float, float],
    heading: float,
    length: float,
    thickness: float,
    random: np.random.Generator,
) -> Iterator[Line]:
    """Parallel bars and others across them: fences, ladders, gratings, single poles."""
    along = np.array([math.cos(heading), math.sin(heading)])
    across = np.array([-along[1], along[0]])
    gap = thickness * random.uniform(2.0, 6.0)
    rails, posts = int(random.integers(1, 4)), int(random.integers(0, 9))
    for number in range(rails):
        begin = np.array(start) + across * gap * number
        yield _straight(begin, begin + along * length, thickness)
    reach = gap * max(rails - 1, 1)
    for number in range(posts):
        begin = np.array(start) + along * length * (number + 0.5) / posts
        yield _straight(begin - across * 0.3 * gap, begin + across * (reach + 0.3 * gap), 0.8 * thickness)


def _straight(begin: npt.NDArray[np.float64], end: npt.NDArray[np.float64], thickness: float) -> Line:
    return Line(((*begin.tolist(), thickness), (*end.tolist(), thickness)))


def _drawn(lines: list[Line], size: tuple[int, int], random: np.random.Generator) -> Cover:
    cover_HW = np.zeros(size, np.uint8)
    for line in lines:
        for begin, end in zip(line.points, line.points[1:], strict=False):
            cv2.line(
                cover_HW,
                _fixed_point(begin),
                _fixed_point(end),
                255,
                max(round(begin[2]), 1),
                cv2.LINE_AA,
                FRACTIONAL_BITS,
            )
    blurred_HW = cv2.GaussianBlur(cover_HW, (0, 0), random.uniform(*SOFT_EDGE))
    return (blurred_HW / np.float32(255)).astype(np.float32)


def _fixed_point(point: tuple[float, float, float]) -> tuple[int, int]:
    return round(point[0] * 2**FRACTIONAL_BITS), round(point[1] * 2**FRACTIONAL_BITS)


def _painted(image_HW3: Pixels, cover_HW: Cover, texture_HW3: Pixels, random: np.random.Generator) -> Pixels:
    """Cover the image with one colour, mixed with a texture that is taken from elsewhere in it."""
    height, width = cover_HW.shape
    colour_3 = random.uniform(0, 255, 3)
    if random.random() < FROM_PHOTOGRAPH:
        pixel_3 = texture_HW3[random.integers(height), random.integers(width)]
        colour_3 = np.clip(pixel_3 + random.normal(0, 20, 3), 0, 255)
    moved = (int(random.integers(height)), int(random.integers(width)))
    contrast = random.uniform(2, 4) * LEAST_CONTRAST
    textured, is_round = random.uniform(0.0, 0.6), random.random() < 0.5

    left, top, columns, rows = cv2.boundingRect((cover_HW > 0).astype(np.uint8))
    there = slice(top, top + rows), slice(left, left + columns)
    cover_hw, object_hw = cover_HW[there], cover_HW[there] > 0.5
    behind_hw3 = image_HW3[there].astype(np.float32)
    if object_hw.any():
        behind_3 = behind_hw3[object_hw].mean(0)
        if np.abs(colour_3 - behind_3).max() < LEAST_CONTRAST:
            colour_3 = behind_3 + np.where(behind_3 < 128, 1, -1) * contrast
    elsewhere_hw3 = np.roll(texture_HW3[::-1, ::-1], moved, (0, 1))[there].astype(np.float32)
    paint_hw3 = colour_3.astype(np.float32) + textured * (elsewhere_hw3 - texture_HW3.mean((0, 1)))
    if is_round:  # darker at its edges
        depth_hw = cv2.distanceTransform(object_hw.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_3)
        paint_hw3 *= (0.6 + 0.6 * depth_hw / max(float(depth_hw.max(initial=0)), 1.0))[..., None]
    painted_HW3 = image_HW3.copy()
    painted_hw3 = behind_hw3 + cover_hw[..., None] * (paint_hw3 - behind_hw3)
    painted_HW3[there] = np.clip(painted_hw3, 0, 255).round()
    return painted_HW3
