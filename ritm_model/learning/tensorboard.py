"""A second record of a run, for TensorBoard; the first one is `metrics.jsonl`.

Shapes: H and W the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ritm_model.clicks import Click
from ritm_model.learning.errors import TrainingError
from ritm_model.learning.step import Batch, Interaction
from ritm_model.overlay import draw_overlay

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

THRESHOLD = 0.49


@dataclass(frozen=True, slots=True)
class Board:
    """What is wanted: a picture of the first sample of the batch every so many steps."""

    picture_steps: int = 200


class BoardWriter:
    """Writes what TensorBoard shows into the folder of a run."""

    def __init__(self, board: Board, folder: Path, step: int) -> None:
        """Begin, or go on after `step`: what was written of later steps is hidden.

        Raises:
            TrainingError: TensorBoard is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise TrainingError(
                "TensorBoard is not installed: pip install 'ritm[tensorboard]', or leave --tensorboard out."
            ) from None
        self._board = board
        self._writer: SummaryWriter = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def scalars(self, line: Mapping[str, object]) -> None:
        """Take in a line of the metrics; lists become one curve for each place."""
        step = line["step"]
        for name, value in line.items():
            if isinstance(value, list):
                for place, each in enumerate(value, start=1):
                    self._writer.add_scalar(f"{name}/{place}", each, step)
            elif name != "step":
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def picture(self, step: int, batch: Batch, interaction: Interaction, logits_B1HW: Tensor) -> None:
        """Take in a step: three pictures of the first sample, with its clicks."""
        if step % self._board.picture_steps:
            return
        image_HW3 = (batch.image_B3HW[0].permute(1, 2, 0) * 255).byte().cpu().numpy()
        masks = {
            "truth": batch.truth_B1HW[0, 0] > 0.5,
            "mask_before": interaction.prev_mask_B1HW[0, 0] > THRESHOLD,
            "mask": logits_B1HW[0, 0].sigmoid() > THRESHOLD,
        }
        clicks = clicks_of(interaction.points_BP3[0])
        drawn = [draw_overlay(image_HW3, mask.cpu().numpy(), clicks) for mask in masks.values()]
        self._writer.add_image("truth, mask before, mask", np.concatenate(drawn, 1), step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


def clicks_of(points_P3: Tensor) -> list[Click]:
    """The clicks that are used, of N positive and N negative ones."""
    half = len(points_P3) // 2
    rows = points_P3.detach().to("cpu", torch.float32).tolist()
    return [
        Click(x=column, y=row, is_positive=number < half)
        for number, (row, column, _) in enumerate(rows)
        if row >= 0
    ]
