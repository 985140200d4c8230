"""Pictures of the masks after each click, for people who want to see what the numbers mean."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from ritm_model.errors import RitmError
from ritm_model.evaluation.annotate import OnClick
from ritm_model.images.overlay import draw_overlay
from ritm_model.inference import State


def picture_writer(folder: Path, sample: str) -> OnClick:
    """A function that writes `<sample>_<click>.jpg`: mask and clicks on the image, probability beside it."""
    stem = re.sub(r"[^\w.-]+", "_", sample)

    def write(state: State) -> None:
        path = folder / f"{stem}_{len(state.clicks):03d}.jpg"
        seen_HW3 = draw_overlay(state.image, state.mask, state.clicks)
        heat_HW = np.round(state.probability * 255).astype(np.uint8)
        both_BGR = np.hstack([seen_HW3[..., ::-1], cv2.applyColorMap(heat_HW, cv2.COLORMAP_HOT)])
        folder.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), both_BGR):
            raise RitmError(f"Cannot write {path}.")

    return write
