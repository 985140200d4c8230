"""A second record of a run, for TensorBoard; the first one is `metrics.jsonl`.

Shapes: H and W the image.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ritm_model.clicks import Click
from ritm_model.errors import TrainingError
from ritm_model.files import writing
from ritm_model.images.overlay import draw_overlay
from ritm_model.learning.step.step import Batch, Interaction

THRESHOLD = 0.49
PICTURE = "truth, mask before, mask"
MISSING = "TensorBoard is not installed: pip install 'ritm[tensorboard]', or leave --tensorboard out."


class BoardWriter:
    """Writes what TensorBoard shows into the folder of a run.

    Not by PyTorch's `SummaryWriter`: it writes in a thread, and a full disk would end that with a traceback.
    """

    def __init__(self, folder: Path, picture_steps: int, step: int) -> None:
        """Begin, or go on after `step`: what was written of later steps is hidden.

        Args:
            folder: of the run.
            picture_steps: steps between two pictures.
            step: that the run begins after.

        Raises:
            TrainingError: TensorBoard is not installed, or the folder cannot be written.
        """
        try:
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter
            from torch.utils.tensorboard import summary
        except ImportError:
            raise TrainingError(MISSING) from None
        self._event: Any = Event
        self._summary: Any = summary
        self._picture_steps = picture_steps
        now = time.time()
        # By the names of their files, TensorBoard knows which part of a run is the later one.
        self._path = folder / "tensorboard" / f"events.out.tfevents.{now:017.6f}.{os.getpid()}"
        with writing(self._path, TrainingError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab", buffering=0)
        self._records = RecordWriter(self._file)
        self._write(step + 1, file_version="brain.Event:2")
        self._write(step + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, line: Mapping[str, object]) -> None:
        """Take in a line of the metrics; lists become one curve for each place."""
        step = line["step"]
        for name, value in line.items():
            if isinstance(value, list):
                for place, each in enumerate(value, start=1):
                    self._write(step, summary=self._summary.scalar(f"{name}/{place}", each))
            elif name != "step":
                self._write(step, summary=self._summary.scalar(name, value))

    def picture(self, step: int, batch: Batch, interaction: Interaction, logits_B1HW: Tensor) -> None:
        """Take in a step: three pictures of the first sample, with its clicks."""
        if step % self._picture_steps:
            return
        image_HW3 = (batch.image_B3HW[0].permute(1, 2, 0) * 255).byte().cpu().numpy()
        masks = (
            batch.truth_B1HW[0, 0] > 0.5,
            interaction.prev_mask_B1HW[0, 0] > THRESHOLD,
            logits_B1HW[0, 0].sigmoid() > THRESHOLD,
        )
        clicks = clicks_of(interaction.points_BP3[0])
        drawn_HW3 = np.concatenate([draw_overlay(image_HW3, mask.cpu().numpy(), clicks) for mask in masks], 1)
        self._write(step, summary=self._summary.image(PICTURE, drawn_HW3, dataformats="HWC"))

    def close(self) -> None:
        self._file.close()

    def _write(self, step: object, **content: object) -> None:
        event = self._event(wall_time=time.time(), step=step, **content)
        with writing(self._path, TrainingError):
            self._records.write(event.SerializeToString())


def clicks_of(points_P3: Tensor) -> list[Click]:
    """The clicks that are used, of N positive and N negative ones."""
    half = len(points_P3) // 2
    rows = points_P3.detach().to("cpu", torch.float32).tolist()
    return [
        Click(x=column, y=row, is_positive=number < half)
        for number, (row, column, _) in enumerate(rows)
        if row >= 0
    ]
