"""Draw docs/images/starter.png: everyday photographs after 1, 2, 3 and 5 clicks of the simulated annotator.

One row for each object, one of them a failure; the IoU stands below each picture. The simulated annotator
clicks on the bundled model's largest mistake, so that the picture is as good as the model and no better.

python scripts/starter_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from ritm_model.images import decode_image
from ritm_model.images.overlay import draw_overlay
from ritm_model.inference import Predictor, open_predictor
from ritm_model.masks.overlap import iou
from ritm_model.simulation import next_click

ROOT = Path(__file__).parent.parent
SAMPLES = ROOT / "tests/samples"
OBJECTS = (("bus", 1), ("dog", 1), ("cat_bowl", 1), ("coffee", 2))  # and their numbers in the masks
SHOWN = (1, 2, 3, 5)
PICTURE = ROOT / "docs/images/starter.png"
WIDTH, HEIGHT, CAPTION, GAP = 300, 225, 24, 8
Pixels = npt.NDArray[np.uint8]


def main() -> None:
    predictor = open_predictor("bundled", "cpu")
    rows = [_row(predictor, name, number) for name, number in OBJECTS]
    Image.fromarray(np.concatenate(rows)).quantize(128).save(PICTURE, optimize=True)


def _row(predictor: Predictor, name: str, number: int) -> Pixels:
    image_HW3 = decode_image((SAMPLES / f"images/{name}.jpg").read_bytes())
    truth_HW = (np.asarray(Image.open(SAMPLES / f"masks/{name}.png")) == number).astype(np.int8)
    state = predictor.start(image_HW3)
    panels = []
    for count in range(1, max(SHOWN) + 1):
        state = predictor.click(state, next_click(state.mask, truth_HW))
        if count in SHOWN:
            drawn_HW3 = draw_overlay(image_HW3, state.mask, state.clicks)
            panels.append(_panel(drawn_HW3, f"{count}: IoU {iou(state.mask, truth_HW):.2f}"))
    return np.concatenate(panels, axis=1)


def _panel(picture_HW3: Pixels, caption: str) -> Pixels:
    """The picture fitted into a white panel, with the caption below."""
    height, width = picture_HW3.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height)
    size = (round(width * scale), round(height * scale))
    small_HW3 = cv2.resize(picture_HW3, size, interpolation=cv2.INTER_AREA)
    panel_HW3 = np.full((HEIGHT + CAPTION + GAP, WIDTH + GAP, 3), 255, np.uint8)
    left = (WIDTH - size[0]) // 2
    panel_HW3[: size[1], left : left + size[0]] = small_HW3
    place = (left, size[1] + 17)
    cv2.putText(panel_HW3, caption, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return panel_HW3


if __name__ == "__main__":
    main()
