"""A team's labels in small: bright discs on dark grounds, as an object store holds them, and a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from pycocotools import mask as coco

from ritm_model.checkpoints import save_model
from ritm_model.networks import build, initialise

SIDE = 48
TINY = {
    "width": 2,
    "ocr_width": 4,
    "small": True,
    "with_aux_output": True,
    "with_prev_mask": True,
    "use_rgb_conv": False,
    "use_disks": True,
    "norm_radius": 5,
    "use_leaky_relu": True,
}
# Four steps: of eight, the statistics of such batches ruin any model, which is then measured for 20 clicks.
RECIPE = (
    "data.crop=[32, 32]",
    "data.min_area=20",
    "data.augmentation=validation",
    "batch_size=2",
    "epochs=2",
    "epoch_samples=4",
    "checkpoint_steps=2",
    "log_steps=1",
    "optimiser.warmup=2",
    "validation={objects: 2, clicks: 2}",
)


def paint(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A picture, in the order B, G, R, and the mask of its disc."""
    random = np.random.default_rng(number)
    picture = random.integers(0, 60, (SIDE, SIDE, 3), np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    centre = tuple(int(value) for value in random.integers(16, 32, 2))
    cv2.circle(mask, centre, int(random.integers(8, 14)), 1, -1)
    picture[mask > 0] += 150
    return picture, mask


def label(folder: Path, count: int) -> Path:
    """Write so many labelled pictures as plain COCO."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        picture, mask = paint(number)
        name = f"{number}.png"
        assert cv2.imwrite(str(folder / "images" / name), picture)
        images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
        runs = coco.encode(np.asfortranarray(mask))
        segmentation = {"size": [SIDE, SIDE], "counts": runs["counts"].decode()}
        annotations.append(
            {
                "id": number,
                "image_id": number,
                "category_id": 1,
                "segmentation": segmentation,
                "area": int(mask.sum()),
                "bbox": coco.toBbox(runs).tolist(),
                "iscrowd": 0,
            }
        )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "disc"}],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def tiny_model(path: Path, seed: int = 0) -> Path:
    """A model that has learnt nothing yet."""
    model = build("hrnet", TINY)
    initialise(model, torch.Generator().manual_seed(seed), 1.0)
    save_model(path, model)
    return path
