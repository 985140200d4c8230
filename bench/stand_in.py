"""What stands in for the paper's network: this project's, made to work as the paper's code does.

It is not the paper's code, but does what `docs/performance.md` says the paper's code does.
Shapes: B batch, P = 2N points (N positive, then N negative), H and W the image, M = B * P.
"""

from __future__ import annotations

from unittest.mock import patch

import torch
from torch import Tensor

from ritm_model.networks import InteractiveModel
from ritm_model.networks.segmentation.ocr import ObjectContext

NOWHERE = 1e6  # squared distance to a click that does not exist


def as_published(model: InteractiveModel) -> InteractiveModel:
    """Let a model compute the attention that has no influence, and click maps from distances everywhere."""
    for module in model.modules():
        if isinstance(module, ObjectContext):
            module.forward = module.attend  # type: ignore[method-assign]
    ours = model.encode

    def encode(image_BCHW: Tensor, points_BP3: Tensor) -> tuple[Tensor, Tensor]:
        with patch("ritm_model.networks.model.click_maps", maps_by_distance):
            return ours(image_BCHW, points_BP3)

    model.encode = encode  # type: ignore[method-assign]
    return model


def maps_by_distance(
    points_BP3: Tensor, size: tuple[int, int], *, radius: float, disks: bool, rounded: bool = False
) -> Tensor:
    """The maps of `ritm_model.networks.click_maps`, by the distance of every pixel to every click."""
    if rounded:
        raise ValueError("Rounded clicks are those of the paper's demo, which is not what is measured here.")
    batch, count = points_BP3.shape[:2]
    rows, columns = (torch.arange(length, device=points_BP3.device).float() for length in size)
    grid_2HW = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    centres_M2 = points_BP3[..., :2].float().reshape(-1, 2)
    away_M2HW = grid_2HW - centres_M2[:, :, None, None]
    if not disks:
        away_M2HW /= radius
    away_M2HW *= away_M2HW
    d2_MHW = away_M2HW.sum(dim=1)
    d2_MHW[centres_M2.amax(dim=1) < 0] = NOWHERE
    nearest_B2HW = d2_MHW.view(batch, 2, count // 2, *size).amin(dim=2)
    return (nearest_B2HW <= radius**2).float() if disks else (2 * nearest_B2HW.sqrt()).tanh()
