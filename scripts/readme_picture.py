"""Draw docs/images/click-to-mask.png: one object after more and more clicks, by the model that is bundled.

python scripts/readme_picture.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.inference import open_predictor
from ritm_model.overlay import draw_overlay

ROOT = Path(__file__).parent.parent
PHOTO = ROOT / "tests/samples/images/coins.jpg"  # no known copyright restrictions
PICTURE = ROOT / "docs/images/click-to-mask.png"
CLICKS = (Click(348, 186), Click(326, 183), Click(366, 197), Click(355, 164), Click(337, 208))
PANELS = (1, 3, 5)
LEFT, TOP, RIGHT, BOTTOM = 224, 118, 384, 238
SCALE = 3
GAP = 12


def main() -> None:
    predictor = open_predictor("bundled", "cpu")
    small_HW3 = decode_image(PHOTO.read_bytes())
    height, width = small_HW3.shape[:2]
    large = Image.fromarray(small_HW3).resize((width * SCALE, height * SCALE), Image.Resampling.LANCZOS)
    panels = []
    for count in PANELS:
        state = predictor.replay(predictor.start(small_HW3), CLICKS[:count])
        mask_HW = Image.fromarray(state.mask).resize(large.size, Image.Resampling.BILINEAR)
        clicks = [Click(click.x * SCALE, click.y * SCALE, click.is_positive) for click in CLICKS[:count]]
        drawn_HW3 = draw_overlay(np.asarray(large), np.asarray(mask_HW, bool), clicks)
        panels.append(drawn_HW3[TOP * SCALE : BOTTOM * SCALE, LEFT * SCALE : RIGHT * SCALE])
    gap = np.full((panels[0].shape[0], GAP, 3), 255, np.uint8)
    row = [part for panel in panels for part in (gap, panel)][1:]
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(row, axis=1)).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
