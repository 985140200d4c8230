"""Makes `tiny-discs.safetensors`: PYTHONPATH=.:tests/training python tests/models/discs.py."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from team import SIDE, TINY, paint
from torch.nn.functional import binary_cross_entropy_with_logits

from ritm_model.checkpoints import save_model
from ritm_model.networks import build, initialise

BATCH = 4
STAGES = ((64, 50, 0.01), (192, 20, 0.003))
"""Sides of pictures, steps, learning rates: small pictures are quick, large ones are what predictors show."""


def main() -> None:
    torch.manual_seed(0)
    model = build("hrnet", TINY)
    initialise(model, torch.Generator().manual_seed(0), 1.0)
    optimiser = torch.optim.Adam(model.train().parameters())
    number = 1000  # of the next picture; tests have those from 1 on
    for side, steps, rate in STAGES:
        optimiser.param_groups[0]["lr"] = rate
        for step in range(steps):
            painted = [paint(number + each) for each in range(BATCH)]
            number += BATCH
            pictures = np.stack([cv2.resize(picture, (side, side))[..., ::-1] for picture, _ in painted])
            masks = np.stack([cv2.resize(mask, (side, side), interpolation=0) for _, mask in painted])
            image_B3HW = torch.from_numpy(pictures / np.float32(255)).permute(0, 3, 1, 2)
            truth_B1HW = torch.from_numpy(masks)[:, None].float()
            points_B23 = torch.full((BATCH, 2, 3), -1.0)
            for points_23, (_, mask) in zip(points_B23, painted, strict=True):
                y, x = np.argwhere(mask).mean(0) * side / SIDE
                points_23[0] = torch.tensor([y, x, 0])
            previous_B1HW = torch.zeros_like(truth_B1HW) if step % 2 else truth_B1HW * torch.rand(1)
            logits_B1HW = model(torch.cat([image_B3HW, previous_B1HW], 1), points_B23)["instances"]
            optimiser.zero_grad()
            binary_cross_entropy_with_logits(logits_B1HW, truth_B1HW).backward()
            optimiser.step()
    save_model(Path(__file__).with_name("tiny-discs.safetensors"), model.eval(), half=True)


if __name__ == "__main__":
    main()
