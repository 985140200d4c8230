"""What a network is shown to answer a click.

Shapes: B batch (1, or 2 with the mirror image), C = 3 colours and, for most models, the previous mask,
H x W the view, P points (all positive, then all negative), 3 = (row, column, order).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ritm_model.clicks import Click, points_array
from ritm_model.inference.engines.resident import ResidentImages, shown_there
from ritm_model.inference.geometry import Roi, Size, to_crop, whole
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.resampling import crop_pixels
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import State
from ritm_model.inference.zoom_in import scaled


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What one forward pass sees.

    Attributes:
        roi: the part of the image; None for the whole at its own resolution.
        image_BCHW: float32 RGB in [0, 1], then the previous mask where the network takes it. A second one
            is the mirror image of the first.
        points_BP3: float32, the clicks that the network gets to know.
        clicks: all clicks, in pixels of each image of the batch.
    """

    roi: Roi | None
    image_BCHW: torch.Tensor
    points_BP3: torch.Tensor
    clicks: tuple[tuple[Click, ...], ...]

    @property
    def size(self) -> Size:
        """(height, width) in pixels of the view."""
        return self.image_BCHW.shape[2], self.image_BCHW.shape[3]


def view_of(
    state: State,
    clicks: Sequence[Click],
    roi: Roi | None,
    previous: SoftMap | None,
    options: PredictorOptions,
    *,
    with_prev_mask: bool,
    images: ResidentImages | None = None,
) -> View:
    """Show a part of the image with the clicks and the previous mask on it.

    Args:
        state: of the image.
        clicks: all clicks so far, in pixels of the image.
        roi: the part; None for the whole at its own resolution.
        previous: the previous mask, if any.
        options: size and number of the views, and how many clicks the network gets to know.
        with_prev_mask: whether the network takes the previous mask.
        images: where the engine keeps photographs, for the view to be made there; None makes it on the CPU.
    """
    shown = roi or whole(state.frame)
    size = state.frame
    if options.zoom_in and roi:
        has_mask = (state.prediction.object_roi if state.prediction else state.guess) is not None
        size = options.zoom_in.input_size(shown, clicks=len(clicks), has_mask=has_mask)
    if options.max_size is not None and max(size) > options.max_size:
        size = scaled(size, options.max_size / max(size))

    sides = [to_crop(clicks, shown, size)]
    if options.with_flip:
        sides.append(tuple(replace(click, x=size[1] - 1 - click.x) for click in sides[0]))
    points_BP3 = np.stack([points_array(side, limit=options.net_clicks_limit) for side in sides])
    mask_HW = None
    if with_prev_mask:
        mask_HW = np.zeros(size, np.float32) if previous is None else previous.crop(shown, size)

    resident_HW3 = images.of(state.image) if images else None
    # The last axis holds the channels: the memory layout that convolutions like best.
    if resident_HW3 is not None:
        view_HWC, points = shown_there(
            resident_HW3, shown, size, points_BP3, mask_HW, antialias=options.antialias
        )
    else:
        # Where a previous mask belongs, red stands at first: to fill it is cheaper than to leave a gap.
        channels = (0, 1, 2, 0) if with_prev_mask else (0, 1, 2)
        here_HWC = crop_pixels(state.image, shown, size, channels, antialias=options.antialias)
        here_HWC /= 255
        if mask_HW is not None:
            here_HWC[..., 3] = mask_HW
        view_HWC, points = torch.from_numpy(here_HWC), torch.from_numpy(points_BP3)
    image_BCHW = view_HWC[None].permute(0, 3, 1, 2)
    if options.with_flip:
        image_BCHW = torch.cat([image_BCHW, image_BCHW.flip(3)])
    return View(roi, image_BCHW, points, tuple(sides))
