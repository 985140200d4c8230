"""Clicks as images: one map for the positive and one for the negative clicks.

Shapes: B batch, P = 2N points (N positive, then N negative), 3 = (row, column, order), H and W the image,
M = 2 * B maps, K window side.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FAR = 1e6  # squared distance to a click that does not exist


def click_maps(
    points_BP3: Tensor, size: tuple[int, int], *, radius: float, disks: bool, rounded: bool = False
) -> Tensor:
    """Draw click maps.

    Unused rows of `points_BP3` are (-1, -1, -1). Clicks outside the image are legal; they reach into it as
    far as their distance lets them.

    Args:
        points_BP3: int or float (row, column, order) in pixels, possibly fractional; the order is ignored.
        size: (H, W) of the maps.
        radius: radius of the disks, or the distance that scales the tanh, in pixels.
        disks: 1 within the radius (borders included) and 0 elsewhere; otherwise tanh(2 * distance / radius),
            0 at a click and 1 far from all.
        rounded: round clicks to whole pixels first, halves to the even one, and ignore those above the image
            (the convention of the paper's demo). Otherwise clicks stay as they are and only those both above
            and to the left of the image are ignored (the convention of its training and evaluation).

    Returns:
        B x 2 x H x W float32 on the device of the points: channel 0 positive, channel 1 negative clicks.
    """
    batch, count = points_BP3.shape[:2]
    centres_MN2 = points_BP3[..., :2].to(torch.float32).reshape(2 * batch, count // 2, 2)
    if rounded:
        centres_MN2 = centres_MN2.round()
        used_MN = centres_MN2[..., 0] >= 0
    else:
        used_MN = centres_MN2.amax(dim=2) >= 0
    draw = _disks if disks else _tanh
    return draw(centres_MN2, used_MN, size, radius).view(batch, 2, *size)


def _disks(centres_MN2: Tensor, used_MN: Tensor, size: tuple[int, int], radius: float) -> Tensor:
    """Draw only the window around every click: the cost does not grow with the image."""
    height, width = size
    maps = centres_MN2.shape[0]
    device = centres_MN2.device
    reach = math.ceil(radius) + 1
    window_K = torch.arange(-reach, reach + 1, device=device)
    pixels_MN2K = centres_MN2.floor().to(torch.int64).unsqueeze(3) + window_K
    d2_MN2K = (pixels_MN2K - centres_MN2.unsqueeze(3)).square()
    rows_MNK1, columns_MN1K = pixels_MN2K[:, :, 0, :, None], pixels_MN2K[:, :, 1, None, :]

    covered_MNKK = d2_MN2K[:, :, 0, :, None] + d2_MN2K[:, :, 1, None, :] <= radius**2
    covered_MNKK &= (rows_MNK1 >= 0) & (rows_MNK1 < height) & (columns_MN1K >= 0) & (columns_MN1K < width)
    covered_MNKK &= used_MN[:, :, None, None]

    map_M111 = torch.arange(maps, device=device).view(-1, 1, 1, 1)
    cells_MNKK = (map_M111 * height + rows_MNK1) * width + columns_MN1K
    # What is not covered goes to one spare cell at the end, so that every shape is known beforehand.
    spare = maps * height * width
    cells_MNKK = cells_MNKK.masked_fill(~covered_MNKK, spare)
    flat = torch.zeros(spare + 1, device=device)
    return flat.index_fill_(0, cells_MNKK.flatten(), 1.0)[:spare].view(maps, height, width)


def _tanh(centres_MN2: Tensor, used_MN: Tensor, size: tuple[int, int], radius: float) -> Tensor:
    """Keep a running minimum over the clicks: two maps in memory, however many clicks there are."""
    height, width = size
    maps, count = used_MN.shape
    rows_H1 = torch.arange(height, device=centres_MN2.device).view(-1, 1)
    columns_W = torch.arange(width, device=centres_MN2.device)
    d2_MHW = centres_MN2.new_full((maps, height, width), FAR)
    for i in range(count):
        row_M11, column_M11 = centres_MN2[:, i, 0].view(-1, 1, 1), centres_MN2[:, i, 1].view(-1, 1, 1)
        # Unused clicks are put aside before the two axes meet, while they are still vectors.
        row_d2_MH1 = (rows_H1 - row_M11).square().masked_fill(~used_MN[:, i].view(-1, 1, 1), torch.inf)
        d2_MHW = torch.minimum(d2_MHW, (row_d2_MH1 + (columns_W - column_M11).square()) / radius**2)
    return d2_MHW.sqrt_().mul_(2).tanh_()
