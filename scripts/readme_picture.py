"""Draw docs/images/click-to-mask.png: one object after one, two and three clicks of the simulated annotator.

It clicks on the bundled model's largest mistake, so that the picture is as good as the model and no better.

python scripts/readme_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.images.overlay import draw_overlay
from ritm_model.inference import open_predictor
from ritm_model.simulation import next_click

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "tests/samples/images/coins.jpg"  # no known copyright restrictions
MASKS = ROOT / "tests/samples/masks/coins.png"
COIN = 18  # its number in the sample's mask
PICTURE = ROOT / "docs/images/click-to-mask.png"
N_PANELS = 3
LEFT, TOP, RIGHT, BOTTOM = 224, 118, 384, 238
SCALE = 3
GAP = 12


def main() -> None:
    predictor = open_predictor("bundled", "cpu")
    small_HW3 = decode_image(PHOTO.read_bytes())
    height, width = small_HW3.shape[:2]
    large = Image.fromarray(small_HW3).resize((width * SCALE, height * SCALE), Image.Resampling.LANCZOS)
    truth_HW = (np.asarray(Image.open(MASKS)) == COIN).astype(np.int32)
    panels = []
    state = predictor.start(small_HW3)
    for _ in range(N_PANELS):
        state = predictor.click(state, next_click(state.mask, truth_HW))
        mask_HW = Image.fromarray(state.mask).resize(large.size, Image.Resampling.BILINEAR)
        clicks = [Click(click.x * SCALE, click.y * SCALE, click.is_positive) for click in state.clicks]
        drawn_HW3 = draw_overlay(np.asarray(large), np.asarray(mask_HW, bool), clicks)
        panels.append(drawn_HW3[TOP * SCALE : BOTTOM * SCALE, LEFT * SCALE : RIGHT * SCALE])
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    row = [part for panel in panels for part in (gap, panel)][1:]
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(row, axis=1)).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
