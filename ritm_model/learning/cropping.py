"""Resizing and cropping of image and masks together.

Images are resized bilinearly and masks to the nearest pixel, both by pixel centres, so that they stay
aligned to a fraction of a pixel. Shapes: H and W the image, L layers of masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from ritm_model.datasets.layers import Layers

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Cut:
    """What is kept of a line of pixels.

    Attributes:
        start: the first pixel of it.
        length: how many.
        before: zeros in front of them; as many as are needed follow.
    """

    start: int
    length: int
    before: int

    @property
    def taken(self) -> slice:
        return slice(self.start, self.start + self.length)

    @property
    def placed(self) -> slice:
        return slice(self.before, self.before + self.length)


class ScaleFlipCrop(v2.Transform):
    """Resize by a factor between two bounds, mirror with a chance of one half, pad or crop to a size.

    Random choices and results are those of `UniformScale`, `RandomHorizontalFlip`, `PadTo` and `RandomCrop`
    one after the other. In one step, masks are only made where they are kept.
    """

    def __init__(self, low: float, high: float, size: Size) -> None:
        super().__init__()
        self.low, self.high, self.size = low, high, size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        scaled = random_scale(flat_inputs[0], self.low, self.high)
        mirrored = bool(torch.rand(1) < 0.5)
        rows, columns = (_random_cut(*lengths) for lengths in zip(scaled, self.size, strict=True))
        return {"scaled": scaled, "mirrored": mirrored, "rows": rows, "columns": columns}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        scaled, mirrored = params["scaled"], params["mirrored"]
        rows, columns = params["rows"], params["columns"]
        if isinstance(inpt, tv_tensors.Mask):
            masks_LHW = inpt.numpy()
            from_rows, from_columns = (nearest(*each) for each in zip(inpt.shape[-2:], scaled, strict=True))
            if mirrored:
                from_columns = from_columns[::-1]
            kept_LHW = taken(masks_LHW, from_rows[rows.taken], from_columns[columns.taken])
            padded_LHW = np.zeros((len(kept_LHW), *self.size), np.uint8)
            padded_LHW[:, rows.placed, columns.placed] = kept_LHW
            return tv_tensors.Mask(torch.from_numpy(padded_LHW))
        image_HW3 = resize(inpt, scaled).permute(1, 2, 0).numpy()  # channels lie together
        if mirrored:
            end = scaled[1] - columns.start
            kept_HW3 = cv2.flip(image_HW3[rows.taken, end - columns.length : end], 1)
        else:
            kept_HW3 = image_HW3[rows.taken, columns.taken]
        padded_HW3 = np.zeros((*self.size, 3), np.uint8)
        padded_HW3[rows.placed, columns.placed] = kept_HW3
        return tv_tensors.Image(torch.from_numpy(padded_HW3).permute(2, 0, 1))


def random_scale(inpt: Any, low: float, high: float) -> Size:
    """H and W of an image resized by a random factor."""
    height, width = functional.get_size(inpt)
    scale = uniform(low, high)
    return max(round(height * scale), 1), max(round(width * scale), 1)


def resize(inpt: Any, size: Size) -> Any:
    """Resize an image or masks to H and W."""
    if not isinstance(inpt, tv_tensors.Mask):
        return functional.resize(inpt, list(size), interpolation=InterpolationMode.BILINEAR, antialias=True)
    rows, columns = (nearest(*lengths) for lengths in zip(inpt.shape[-2:], size, strict=True))
    return tv_tensors.Mask(torch.from_numpy(taken(inpt.numpy(), rows, columns)))


def nearest(length: int, new_length: int) -> npt.NDArray[np.intp]:
    """Which pixel of a line each pixel of the resized line shows.

    Torch's plain nearest mode takes the upper left neighbour, which shifts masks by up to a pixel.
    """
    numbers = torch.arange(length, dtype=torch.float32).view(1, 1, length)
    found = torch.nn.functional.interpolate(numbers, new_length, mode="nearest-exact")
    return found.view(-1).numpy().astype(np.intp)


def taken(masks_LHW: Layers, rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> Layers:
    """The pixels in these rows and columns, in their order."""
    made_LHW = np.empty((len(masks_LHW), len(rows), len(columns)), np.uint8)
    for made_HW, mask_HW in zip(made_LHW, masks_LHW, strict=True):
        # Whole lines are copied, and turning is quick; single pixels of every line would take longer.
        turned_WH = cv2.transpose(np.take(mask_HW, rows, 0))
        made_HW[:] = cv2.transpose(np.take(turned_WH, columns, 0))
    return made_LHW


def uniform(low: float, high: float) -> float:
    """A random number between two bounds, of torch's generator."""
    return float(torch.empty(()).uniform_(low, high))


def _random_cut(length: int, size: int) -> Cut:
    if length > size:
        return Cut(int(torch.randint(0, length - size + 1, size=())), size, 0)
    return Cut(0, length, (size - length) // 2)
