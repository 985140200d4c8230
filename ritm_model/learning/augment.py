"""Augmentation of image and masks together, with the transforms of torchvision.

Shapes: H and W the image, L layers of masks, the last one of ignored pixels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from ritm_model.datasets.layers import value_counts
from ritm_model.learning.cropping import ScaleFlipCrop, Size, random_scale, resize, uniform
from ritm_model.learning.recipes.schema import Augmentation
from ritm_model.learning.scene import Scene

LEAST_WINDOW = 16
LEVELS = torch.arange(256, dtype=torch.float32)

Tables = npt.NDArray[np.uint8]  # 3 x 256: what each level becomes in each channel
MakeTransforms = Callable[[Size], v2.Transform]
"""From (H, W) to what makes image and masks of any size that large, alike."""


class UniformScale(v2.Transform):
    """Resize by a factor between two bounds."""

    def __init__(self, low: float, high: float) -> None:
        super().__init__()
        self.low, self.high = low, high

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": random_scale(flat_inputs[0], self.low, self.high)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resize(inpt, params["size"])


class FrameObject(v2.Transform):
    """Cut out the surroundings of an object, or keep the whole image, and fit that into a size.

    This is what a zooming predictor shows the network.

    Args:
        size: what the window is fitted into, by its longer side.
        chance: of cropping; otherwise the whole image stays.
        margin: bounds of the window's side over the longer one of the object.
        slack: bounds of how much larger than `size` the result is.
        stretch: the aspect ratio changes by up to this factor.
    """

    def __init__(
        self,
        size: Size,
        chance: float,
        margin: tuple[float, float] = (1.1, 3.0),
        slack: tuple[float, float] = (0.85, 1.25),
        stretch: float = 1.2,
    ) -> None:
        super().__init__()
        self.size, self.chance, self.margin, self.slack, self.stretch = size, chance, margin, slack, stretch

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        masks_LHW = next(x for x in flat_inputs if isinstance(x, tv_tensors.Mask))
        objects_LHW = masks_LHW[:-1]
        top, left, (height, width) = 0, 0, tuple(masks_LHW.shape[-2:])
        values = np.flatnonzero(value_counts(objects_LHW.flatten(0, 1).numpy())[1:]) + 1
        if len(values) and uniform(0, 1) < self.chance:
            value = int(values[torch.randint(len(values), ())])
            covered_HW = (objects_LHW == value).any(0)
            rows, columns = covered_HW.any(1).nonzero(), covered_HW.any(0).nonzero()
            extents = [(int(hits[0]), int(hits[-1]) + 1) for hits in (rows, columns)]
            side = round(max(end - begin for begin, end in extents) * uniform(*self.margin))
            top, height = _window(extents[0], side, height)
            left, width = _window(extents[1], side, width)
        ratio = self.stretch ** uniform(-0.5, 0.5)
        scale = uniform(*self.slack) * min(self.size[0] / height, self.size[1] / width)
        fitted = (max(round(height * scale * ratio), 8), max(round(width * scale / ratio), 8))
        return {"window": (top, left, height, width), "fitted": fitted}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return resize(functional.crop(inpt, *params["window"]), params["fitted"])


class PadTo(v2.Transform):
    """Pad with zeros on all sides, the image in the middle, to at least a size."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = functional.get_size(flat_inputs[0])
        missing_h, missing_w = max(self.size[0] - height, 0), max(self.size[1] - width, 0)
        top, left = missing_h // 2, missing_w // 2
        return {"padding": [left, top, missing_w - left, missing_h - top]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return functional.pad(inpt, params["padding"]) if any(params["padding"]) else inpt


class LevelChange(v2.Transform, ABC):
    """Change the levels of brightness of the image, the same wherever they are."""

    _transformed_types = (tv_tensors.Image,)

    @abstractmethod
    def drawn(self) -> Tensor:
        """What each of the 256 levels becomes: 3 x 256 for each channel or 256 for all, not yet rounded."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        del flat_inputs
        return {"tables_3L": _tables(self.drawn())}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return _mapped(inpt, params["tables_3L"])


class BrightnessContrast(LevelChange):
    """Multiply the image by a factor around 1 and add a part of full brightness."""

    def __init__(self, brightness: tuple[float, float], contrast: tuple[float, float]) -> None:
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def drawn(self) -> Tensor:
        gain = 1 + uniform(*self.contrast)
        return LEVELS * gain + 255 * uniform(*self.brightness)


class ColourShift(LevelChange):
    """Add a number to each colour channel."""

    def __init__(self, limit: float) -> None:
        super().__init__()
        self.limit = limit

    def drawn(self) -> Tensor:
        return LEVELS + torch.empty(3, 1).uniform_(-self.limit, self.limit)


class LevelChanges(v2.Transform):
    """Several changes of levels one after the other, each with a chance, in one pass over the image."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, changes: Sequence[LevelChange], chance: float) -> None:
        super().__init__()
        self.changes, self.chance = tuple(changes), chance

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        del flat_inputs
        tables_3L: Tables | None = None
        for change in self.changes:
            if torch.rand(1) < self.chance:
                next_3L = _tables(change.drawn())
                tables_3L = next_3L if tables_3L is None else np.take_along_axis(next_3L, tables_3L, 1)
        return {"tables_3L": tables_3L}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return inpt if params["tables_3L"] is None else _mapped(inpt, params["tables_3L"])


def pipeline(name: Augmentation, size: Size) -> v2.Transform:
    """Make the transforms of a recipe, which end at (H, W) = `size`.

    "coco" and "sbd" are the paper's, "strong" is for small data sets, "validation" fits the whole image.
    """
    colours = LevelChanges([BrightnessContrast((-0.25, 0.25), (-0.15, 0.40)), ColourShift(10)], chance=0.75)
    crop = [PadTo(size), v2.RandomCrop(size)]
    if name == "coco":
        return v2.Compose([ScaleFlipCrop(0.75, 1.40, size), colours])
    if name == "sbd":
        either_way = v2.RandomChoice(
            [
                v2.RandomVerticalFlip(1.0),
                v2.RandomHorizontalFlip(1.0),
                v2.Compose([v2.RandomVerticalFlip(1.0), v2.RandomHorizontalFlip(1.0)]),
            ]
        )
        quarter_turns = v2.RandomChoice([v2.RandomRotation((90 * k, 90 * k), expand=True) for k in range(4)])
        nudge = v2.RandomAffine(3, translate=(0.03, 0.03), interpolation=InterpolationMode.BILINEAR)
        geometry = [v2.RandomApply([either_way], 0.5), v2.RandomApply([quarter_turns], 0.5)]
        return v2.Compose(
            [UniformScale(0.75, 1.25), *geometry, v2.RandomApply([nudge], 0.75), *crop, colours]
        )
    if name == "strong":
        turn = v2.RandomRotation(20, interpolation=InterpolationMode.BILINEAR)
        wilder = [
            v2.RandomGrayscale(0.05),
            v2.RandomApply([v2.ColorJitter(saturation=0.4)], 0.3),
            v2.RandomApply([v2.GaussianBlur(5, (0.3, 1.5))], 0.1),
        ]
        frame = FrameObject(size, chance=0.6)
        return v2.Compose(
            [frame, v2.RandomHorizontalFlip(), v2.RandomApply([turn], 0.25), *crop, colours, *wilder]
        )
    whole = FrameObject(size, chance=0.0, slack=(1.0, 1.0), stretch=1.0)
    return v2.Compose([whole, PadTo(size), v2.CenterCrop(size)])


def augment(scene: Scene, transforms: v2.Transform, seed: int) -> Scene:
    """Transform image and masks alike.

    Args:
        scene: not changed.
        transforms: of `pipeline`.
        seed: decides every random choice; torch's global generator is left as it was.

    Returns:
        The same objects in the transformed scene, those that have left it included.
    """
    image_3HW = tv_tensors.Image(torch.from_numpy(scene.image_HW3).permute(2, 0, 1))
    masks_LHW = tv_tensors.Mask(
        torch.from_numpy(np.concatenate([scene.layers_LHW, scene.ignored_HW[None].astype(np.uint8)]))
    )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed takes milliseconds for GPUs, too
        image_3HW, masks_LHW = transforms(image_3HW, masks_LHW)
    layers = masks_LHW.numpy()
    return replace(
        scene,
        image_HW3=np.ascontiguousarray(image_3HW.numpy().transpose(1, 2, 0)),
        layers_LHW=np.ascontiguousarray(layers[:-1]),
        ignored_HW=layers[-1] > 0,
        areas=None,
    )


def _window(extent: tuple[int, int], side: int, length: int) -> tuple[int, int]:
    """First pixel and length of a window around an extent, anywhere around it, but inside the frame."""
    begin, end = extent
    side = min(max(side, LEAST_WINDOW), length)
    start = begin - round((side - (end - begin)) * uniform(0, 1))
    return min(max(start, 0), length - side), side


def _tables(levels: Tensor) -> Tables:
    return levels.clamp(0, 255).round().to(torch.uint8).expand(3, 256).numpy()


def _mapped(image_3HW: Tensor, tables_3L: Tables) -> tv_tensors.Image:
    """Change levels of brightness: what each of the 256 becomes in each channel."""
    image_HW3 = image_3HW.permute(1, 2, 0).numpy()  # channels lie together, as read and resized
    mapped_HW3 = cv2.LUT(image_HW3, np.ascontiguousarray(tables_3L.T)[None])
    return tv_tensors.Image(torch.from_numpy(mapped_HW3).permute(2, 0, 1))
