"""Thin objects that are painted over a scene, to learn from."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ritm_model.datasets.layers import Instance
from ritm_model.learning.scene import Scene
from ritm_model.learning.thin_objects import with_thin_objects

SIZE = (96, 128)
THIN = 0.5  # greatest width over the root of the area; a disk has 1.13


def plain_scene(level: int = 120) -> Scene:
    layer_HW = np.zeros(SIZE, np.uint8)
    layer_HW[20:40, 30:50] = 9
    ignored_HW = np.zeros(SIZE, bool)
    ignored_HW[:5] = True
    image_HW3 = np.full((*SIZE, 3), level, np.uint8)
    return Scene(image_HW3, layer_HW[None], (Instance(0, 9),), ignored_HW, parents={})


@pytest.mark.parametrize("seed", range(40))
def test_what_is_asked_for_is_painted_and_nothing_else_is(seed: int) -> None:
    scene = plain_scene()
    found = with_thin_objects(scene, np.random.default_rng(seed))
    change_HW = np.abs(found.image_HW3.astype(int) - scene.image_HW3).max(2)
    painted_HW = found.layers_LHW[0] > 0
    assert not (painted_HW & scene.ignored_HW).any()
    edge_HW = cv2.dilate(painted_HW.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    faint_HW = cv2.GaussianBlur(change_HW.astype(np.float32), (0, 0), 1.0)
    assert faint_HW[~edge_HW & ~scene.ignored_HW].max(initial=0) < change_HW.max()
    for instance in found.with_objects_of(30).instances:
        assert change_HW[found.mask(instance)].mean() > 10


def test_most_are_thin() -> None:
    widths = []
    for seed in range(60):
        found = with_thin_objects(plain_scene(), np.random.default_rng(seed))
        for instance in found.with_objects_of(30).instances:
            mask_HW = found.mask(instance).astype(np.uint8)
            widest = 2 * cv2.distanceTransform(np.pad(mask_HW, 1), cv2.DIST_L2, cv2.DIST_MASK_PRECISE).max()
            widths.append(widest / np.sqrt(mask_HW.sum()))
    assert np.median(widths) < THIN


def test_a_seed_decides_everything_and_the_scene_stays_as_it_was() -> None:
    scene = plain_scene()
    before_HW3 = scene.image_HW3.copy()
    once, again = (with_thin_objects(scene, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once.image_HW3, again.image_HW3)
    np.testing.assert_array_equal(once.layers_LHW, again.layers_LHW)
    np.testing.assert_array_equal(scene.image_HW3, before_HW3)
