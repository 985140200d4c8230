"""What a photograph looks like to a network: the mean of its own features, without a click.

Shapes: H x W the photograph, B batch, C channels, h x w a feature map.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ritm_model.clicks import points_array
from ritm_model.images import Pixels
from ritm_model.networks import InteractiveModel

SIDE = 256

Features = npt.NDArray[np.float32]


def features_of(model: InteractiveModel, image_HW3: Pixels) -> Features:
    """Look at the whole photograph, and take the means of what the network sees most coarsely.

    That is the output of the last of the convolutions whose maps are the smallest, whatever the family.
    Maps of a single pixel are no maps.

    Args:
        model: in eval mode.
        image_HW3: uint8 RGB, upright.

    Returns:
        C float32.
    """
    small_HW3 = cv2.resize(image_HW3, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    image_BCHW = torch.from_numpy(small_HW3).permute(2, 0, 1)[None].float() / 255
    if model.with_prev_mask:
        image_BCHW = torch.cat([image_BCHW, torch.zeros(1, 1, SIDE, SIDE)], dim=1)
    no_clicks_BP3 = torch.from_numpy(points_array([]))[None]
    coarsest: list[Tensor] = []

    def look(_module: nn.Module, _inputs: object, map_BChw: Tensor) -> None:
        pixels = map_BChw.shape[2] * map_BChw.shape[3]
        if pixels > 1 and (not coarsest or pixels <= coarsest[0].shape[2] * coarsest[0].shape[3]):
            coarsest[:] = [map_BChw]

    hooks = [part.register_forward_hook(look) for part in model.modules() if isinstance(part, nn.Conv2d)]
    try:
        with torch.inference_mode():
            model(image_BCHW.to(model.device), no_clicks_BP3.to(model.device))
    finally:
        for hook in hooks:
            hook.remove()
    pooled_C: Features = coarsest[0][0].float().mean(dim=(1, 2)).cpu().numpy()
    return pooled_C


def standardised(features_NC: Features, others_MC: Features) -> tuple[Features, Features]:
    """Channels with mean 0 and deviation 1 over all rows, and rows of length 1.

    Channels differ in scale by orders of magnitude; without this the loudest one alone would tell
    photographs apart.
    """
    if not len(features_NC) + len(others_MC):
        return features_NC, others_MC
    all_RC = np.concatenate([features_NC, others_MC]).astype(np.float64)
    all_RC -= all_RC.mean(axis=0)
    deviation_C = all_RC.std(axis=0)
    all_RC /= np.where(deviation_C > 1e-6, deviation_C, 1.0)
    all_RC /= np.maximum(np.linalg.norm(all_RC, axis=1, keepdims=True), 1e-9)
    rows = all_RC.astype(np.float32)
    return rows[: len(features_NC)], rows[len(features_NC) :]
