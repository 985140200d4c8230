"""Images and masks stay aligned, whatever happens to them."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torchvision.transforms import v2

from ritm_model.datasets.layers import Instance
from ritm_model.learning.augment import (
    BrightnessContrast,
    ColourShift,
    FrameObject,
    LevelChanges,
    PadTo,
    UniformScale,
    augment,
    pipeline,
)
from ritm_model.learning.cropping import ScaleFlipCrop
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.recipes.schema import Augmentation
from ritm_model.learning.scene import Scene

CROP = (120, 140)


def bright_object(size: tuple[int, int] = (150, 190)) -> Scene:
    """A white ellipse on black, image and mask the same pixels."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    object_HW = ((rows - 70) / 31) ** 2 + ((columns - 85) / 43) ** 2 < 1
    image_HW3 = np.repeat(object_HW[..., None] * np.uint8(255), 3, axis=2)
    return Scene(image_HW3, object_HW[None].astype(np.uint8), (Instance(0, 1),), np.zeros(size, bool))


def centroid(weights_HW: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    rows, columns = np.mgrid[: weights_HW.shape[0], : weights_HW.shape[1]]
    return np.array([(rows * weights_HW).sum(), (columns * weights_HW).sum()]) / weights_HW.sum()


def offset(scene: Scene) -> float:
    """How far the centre of the mask is from that of the object in the image, in pixels."""
    in_image = centroid(scene.image_HW3[..., 0] / 255.0)
    in_mask = centroid(scene.mask(Instance(0, 1)).astype(float))
    return float(np.abs(in_image - in_mask).max())


@pytest.mark.parametrize("scale", [0.37, 0.75, 1.4, 2.6])
def test_resizing_does_not_shift_the_mask(scale: float) -> None:
    resized = augment(bright_object(), UniformScale(scale, scale), seed=0)
    assert resized.size == (round(150 * scale), round(190 * scale))
    assert offset(resized) < 0.25


def test_the_classical_way_would_fail_that_test() -> None:
    """Plain nearest sampling takes the upper left neighbour: half a pixel and more when shrinking."""
    scene = bright_object()
    size = (55, 70)
    image_3HW = torch.from_numpy(scene.image_HW3).permute(2, 0, 1)
    image = v2.functional.resize(image_3HW, list(size), antialias=True).permute(1, 2, 0).numpy()
    masks_1HW = torch.from_numpy(scene.layers_LHW)
    mask = v2.functional.resize(masks_1HW, list(size), v2.InterpolationMode.NEAREST).numpy()
    assert offset(Scene(image, mask, scene.instances, np.zeros(size, bool))) > 0.25


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    "transforms",
    [
        pytest.param(FrameObject(CROP, chance=1.0), id="frame"),
        pytest.param(
            v2.Compose(
                [v2.RandomAffine(3, translate=(0.03, 0.03), interpolation=v2.InterpolationMode.BILINEAR)]
            ),
            id="nudge",
        ),
        pytest.param(v2.Compose([PadTo((200, 260)), v2.RandomCrop((180, 230))]), id="pad and crop"),
        pytest.param(
            v2.Compose([v2.RandomRotation((90, 90), expand=True), v2.RandomVerticalFlip(0.5)]), id="turn"
        ),
        pytest.param(v2.RandomRotation(20, interpolation=v2.InterpolationMode.BILINEAR), id="tilt"),
    ],
)
def test_geometry_keeps_image_and_mask_together(transforms: v2.Transform, seed: int) -> None:
    assert offset(augment(bright_object(), transforms, seed)) < 0.25


@pytest.mark.parametrize("name", get_args(Augmentation))
def test_every_pipeline_ends_at_the_crop_and_follows_its_seed(pack: Path, name: Augmentation) -> None:
    changes = ("data.licence_classes=null", "data.source_weights={}", "data.validation_share=0")
    (source,) = open_data(load_recipe("starter", changes), pack).sources
    (photograph,) = [each for each in source.photographs if "bus" in each.name]
    scene = photograph.scene(np.random.default_rng(0))
    before = scene.image_HW3.copy(), torch.random.get_rng_state()
    first, again, other = (augment(scene, pipeline(name, CROP), seed) for seed in (1, 1, 2))
    assert first.size == CROP
    assert first.layers_LHW.shape == (1, *CROP)
    assert first.ignored_HW.shape == CROP
    np.testing.assert_array_equal(first.image_HW3, again.image_HW3)
    np.testing.assert_array_equal(first.layers_LHW, again.layers_LHW)
    assert np.array_equal(first.image_HW3, other.image_HW3) == (name == "validation")
    np.testing.assert_array_equal(scene.image_HW3, before[0])
    assert torch.equal(torch.random.get_rng_state(), before[1])
    # No values are invented between those of two objects.
    assert set(np.unique(first.layers_LHW)) <= set(np.unique(scene.layers_LHW))


def noise(size: tuple[int, int]) -> Scene:
    """Two layers and ignored pixels at random, so that every pixel tells where it comes from."""
    random = np.random.default_rng(0)
    image_HW3 = random.integers(0, 256, (*size, 3), np.uint8)
    layers_LHW = random.integers(0, 4, (2, *size), np.uint8)
    return Scene(image_HW3, layers_LHW, (Instance(0, 1),), random.random(size) < 0.3)


def assert_same(one: Scene, other: Scene) -> None:
    np.testing.assert_array_equal(one.image_HW3, other.image_HW3)
    np.testing.assert_array_equal(one.layers_LHW, other.layers_LHW)
    np.testing.assert_array_equal(one.ignored_HW, other.ignored_HW)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "size", [(150, 190), (90, 400), (300, 101), (60, 71), CROP], ids=lambda size: "x".join(map(str, size))
)
def test_geometry_in_one_step_is_that_of_several(size: tuple[int, int], seed: int) -> None:
    steps = [UniformScale(0.75, 1.4), v2.RandomHorizontalFlip(), PadTo(CROP), v2.RandomCrop(CROP)]
    scene = noise(size)
    in_one = augment(scene, v2.Compose([ScaleFlipCrop(0.75, 1.4, CROP), v2.RandomCrop((40, 40))]), seed)
    assert_same(in_one, augment(scene, v2.Compose([*steps, v2.RandomCrop((40, 40))]), seed))
    assert_same(augment(scene, ScaleFlipCrop(0.75, 1.4, CROP), seed), augment(scene, v2.Compose(steps), seed))


@pytest.mark.parametrize("seed", range(12))
def test_colours_in_one_step_are_those_of_several(seed: int) -> None:
    changes = [BrightnessContrast((-0.25, 0.25), (-0.15, 0.4)), ColourShift(10)]
    steps = v2.Compose([v2.RandomApply([each], p=0.75) for each in changes])
    assert_same(augment(noise(CROP), LevelChanges(changes, 0.75), seed), augment(noise(CROP), steps, seed))


def test_colours_change_the_image_only_and_stay_in_range() -> None:
    scene = bright_object()
    changed = augment(scene, BrightnessContrast((0.2, 0.2), (0.4, 0.4)), seed=0)
    assert changed.image_HW3.min() == 51
    assert changed.image_HW3.max() == 255
    np.testing.assert_array_equal(changed.layers_LHW, scene.layers_LHW)


def test_framing_keeps_the_object_in_the_picture() -> None:
    for seed in range(20):
        framed = augment(bright_object(), FrameObject(CROP, chance=1.0, slack=(1.0, 1.0)), seed)
        mask_HW = framed.mask(Instance(0, 1))
        assert mask_HW.mean() > 0.05
        edges = np.concatenate([mask_HW[0], mask_HW[-1], mask_HW[:, 0], mask_HW[:, -1]])
        assert edges.mean() < 0.1


def test_validation_shows_the_whole_photograph() -> None:
    scene = bright_object((100, 200))
    fitted = augment(scene, pipeline("validation", (64, 64)), seed=0)
    share = scene.mask(Instance(0, 1)).mean()
    assert fitted.mask(Instance(0, 1)).mean() == pytest.approx(share / 2, rel=0.1)
    assert fitted.image_HW3[:15].max() == 0
