"""Regions that look alike stand in for annotated parts."""

from __future__ import annotations

import numpy as np

from ritm_model.datasets.layers import Instance
from ritm_model.learning.regions import with_regions
from ritm_model.learning.scene import Scene

SIZE = (60, 80)


def scene_of_two_halves() -> Scene:
    image_HW3 = np.zeros((*SIZE, 3), np.uint8)
    image_HW3[:, :40], image_HW3[:, 40:] = (200, 30, 30), (30, 30, 200)
    ignored_HW = np.zeros(SIZE, bool)
    ignored_HW[:5] = True
    layer_HW = np.zeros(SIZE, np.uint8)
    layer_HW[20:40, 30:50] = 9  # across both halves
    return Scene(image_HW3, layer_HW[None], (Instance(0, 9),), ignored_HW, parents={})


def test_regions_are_connected_keep_to_one_colour_and_leave_out_what_nobody_knows() -> None:
    scene = scene_of_two_halves()
    for seed in range(10):
        found = with_regions(scene, np.random.default_rng(seed))
        assert len(found.instances) >= 2
        for instance in found.instances:
            mask_HW = found.mask(instance)
            inner_HW = mask_HW.copy()
            inner_HW[:, 36:44] = False  # the edge is blurred
            assert not (inner_HW[:, :40].any() and inner_HW[:, 40:].any())
            assert not (mask_HW & scene.ignored_HW).any()
    again = [with_regions(scene, np.random.default_rng(3)).layers_LHW for _ in range(2)]
    np.testing.assert_array_equal(*again)
