"""Processor time of one training sample, on synthetic data like COCO+LVIS.

    python bench/learning/training_samples.py --samples 200
    python bench/learning/training_samples.py --against ../other-checkout --rounds 5

The data are drawn anew from a seed: photographs of 640 x 480 pixels with about 20 objects, some of which are
parts of others, and stuff; in the paper's COCO_LVIS layout and in the COCO-RLE layout. A checksum over the
samples tells whether two versions of the code make the same ones. With `--against`, both versions take turns.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco
from torch.utils.data import default_convert  # noqa: F401  (torch is loaded before time is taken)

from ritm_model.learning.data import collate, make_samples
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe
from ritm_model.learning.step.step import Batch

HEIGHT, WIDTH = 480, 640
PARTS_FROM = 0.6  # of the objects, the share that are whole; the others are parts of one of them
LAYOUTS = ("COCO_LVIS", "coco_rle")
QUIET = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--photographs", type=int, default=24)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--recipe", default="hrnet18s_cocolvis_itermask_3p")
    parser.add_argument("--against", type=Path, help="another checkout, measured in turns with this one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path, help="folder for the data; a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.data or Path(temporary)
        if not (folder / "COCO_LVIS").exists():
            draw_data(folder, options.photographs, options.objects)
        if options.against:
            compare(folder, options)
        else:
            for layout in LAYOUTS:
                print(json.dumps(measure(folder, layout, options.recipe, options.samples)))


def compare(folder: Path, options: argparse.Namespace) -> None:
    """Run both checkouts in turns, each in a process of its own."""
    checkouts = {"other": options.against.resolve(), "this": Path(__file__).resolve().parents[2]}
    found: dict[tuple[str, str], list[dict[str, object]]] = {}
    for _ in range(options.rounds):
        for name, checkout in checkouts.items():
            environment = {**os.environ, **QUIET, "PYTHONPATH": str(checkout)}
            command = [sys.executable, __file__, "--data", str(folder), "--samples", str(options.samples)]
            command += ["--recipe", options.recipe]
            output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            for line in output.stdout.splitlines():
                row = json.loads(line)
                found.setdefault((row["layout"], name), []).append(row)
    for layout in LAYOUTS:
        for name in checkouts:
            rows = found[layout, name]
            times = [float(str(row["milliseconds"])) for row in rows]
            sums = {row["checksum"] for row in rows}
            print(f"{layout:10} {name:6} {statistics.median(times):6.2f} ms  {times}  {sums}")


def measure(folder: Path, layout: str, recipe: str, count: int) -> dict[str, object]:
    """Milliseconds of processor time per sample, and a checksum over all of them."""
    cv2.setNumThreads(1)
    data = "COCO_LVIS:train" if layout == "COCO_LVIS" else "own"
    place = folder / layout
    overrides = [f"data.sources=[{{data: '{data}', stuff_prob: 0.3}}]", "data.validation_share=0"]
    overrides += ["data.validation=[]", "data.licence_classes=null", "data.source_weights={}"]
    asked = load_recipe(recipe, overrides)
    opened = open_data(asked, {"COCO_LVIS": place, "own": place})
    samples = make_samples(asked, opened.sources)
    digest = hashlib.sha256()
    samples[0]
    seconds = 0.0
    for number in range(count):
        before = time.process_time()
        batch = collate([samples[number]])
        seconds += time.process_time() - before
        assert isinstance(batch, Batch)
        image = batch.image_B3HW
        pixels = image if image.is_floating_point() else image.float() / 255  # older versions gave floats
        for part in (pixels, batch.truth_B1HW, batch.points_BP3):
            digest.update(part.float().numpy().tobytes())
    milliseconds = round(1000 * seconds / count, 2)
    return {"layout": layout, "milliseconds": milliseconds, "checksum": digest.hexdigest()[:12]}


def draw_data(folder: Path, photographs: int, objects: int) -> None:
    """Write the same photographs and masks in both layouts."""
    random = np.random.default_rng(0)
    about: dict[str, Any] = {}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(1, photographs + 1):
        name = f"{number:012}"
        masks, parents = draw_masks(random, objects)
        stuff = draw_stuff(masks)
        image_HW3 = cv2.GaussianBlur(random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8), (0, 0), 2)
        for mask_HW in (*stuff, *masks):
            image_HW3[mask_HW] = image_HW3[mask_HW] // 2 + random.integers(0, 128, 3, np.uint8)
        for photograph in (
            folder / f"COCO_LVIS/train/images/{name}.jpg",
            folder / f"coco_rle/images/{name}.jpg",
        ):
            photograph.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(photograph), image_HW3)
        layers, mapping = packed([*masks, *stuff])
        layered = folder / f"COCO_LVIS/train/masks/{name}.pickle"
        layered.parent.mkdir(parents=True, exist_ok=True)
        layered.write_bytes(pickle.dumps(([cv2.imencode(".png", layer)[1] for layer in layers], mapping)))
        hierarchy: dict[int, Any] = {
            place: {"parent": parent, "children": [], "node_level": int(parent is not None)}
            for place, parent in enumerate(parents)
        }
        about[name] = {"num_instance_masks": len(masks), "hierarchy": hierarchy}
        images.append({"id": number, "file_name": f"{name}.jpg", "height": HEIGHT, "width": WIDTH})
        first = len(annotations) + 1
        for place, mask_HW in enumerate([*masks, *stuff]):
            runs = coco.encode(np.asfortranarray(mask_HW, np.uint8))
            row: dict[str, Any] = {"id": first + place, "image_id": number, "category_id": 1, "iscrowd": 0}
            counts = runs["counts"]
            assert isinstance(counts, bytes)
            row |= {"segmentation": {"size": [HEIGHT, WIDTH], "counts": counts.decode()}}
            row |= {"area": int(mask_HW.sum()), "bbox": coco.toBbox(runs).tolist()}
            if place >= len(masks):
                row["stuff"] = 1
            elif (parent := parents[place]) is not None:
                row |= {"parent": first + parent, "level": 1}
            annotations.append(row)
    (folder / "COCO_LVIS/train/hannotation.pickle").write_bytes(pickle.dumps(about))
    content = {"categories": [{"id": 1, "name": "x"}], "images": images, "annotations": annotations}
    (folder / "coco_rle/annotations.json").write_text(json.dumps(content))


def draw_masks(random: np.random.Generator, count: int) -> tuple[list[np.ndarray], list[int | None]]:
    """Ragged ellipses that do not cover each other, and smaller ones inside them."""
    masks: list[np.ndarray] = []
    parents: list[int | None] = []
    free_HW = np.ones((HEIGHT, WIDTH), bool)
    wholes = max(round(PARTS_FROM * count), 1)
    while len(masks) < count:
        parent = None if len(masks) < wholes else int(random.integers(wholes))
        canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
        if parent is None:
            centre = random.integers(0, WIDTH), random.integers(0, HEIGHT)
            axes = random.integers(8, 130, 2)
        else:
            rows, columns = np.nonzero(masks[parent])
            one = random.integers(rows.size)
            centre = columns[one], rows[one]
            axes = random.integers(4, max(5, int(np.sqrt(rows.size) / 3)), 2)
        outline = cv2.ellipse2Poly([int(x) for x in centre], [int(x) for x in axes], 0, 0, 360, 12)
        points = np.asarray(outline)
        points = points + random.integers(-3, 4, points.shape)
        cv2.fillPoly(canvas, [points.astype(np.int32)], 1)
        mask_HW = canvas.astype(bool) & (free_HW if parent is None else masks[parent])
        if mask_HW.sum() < 80:
            continue
        if parent is None:
            free_HW &= ~mask_HW
        masks.append(mask_HW)
        parents.append(parent)
    return masks, parents


def draw_stuff(masks: list[np.ndarray]) -> list[np.ndarray]:
    """Sky, ground and what is between them, where no object is."""
    free_HW = ~np.logical_or.reduce(masks)
    bands = []
    for top, bottom in ((0, 160), (160, 300), (300, HEIGHT)):
        band_HW = np.zeros((HEIGHT, WIDTH), bool)
        band_HW[top:bottom] = free_HW[top:bottom]
        bands.append(band_HW)
    return [band_HW for band_HW in bands if band_HW.sum() > 500]


def packed(masks: list[np.ndarray]) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
    """The paper's layers: the largest mask first, each into the first layer that is free below it."""
    layers: list[np.ndarray] = []
    mapping: dict[int, tuple[int, int]] = {}
    for number in sorted(range(len(masks)), key=lambda place: -int(masks[place].sum())):
        place = next((i for i, layer in enumerate(layers) if not layer[masks[number]].any()), len(layers))
        if place == len(layers):
            layers.append(np.zeros((HEIGHT, WIDTH), np.uint8))
        value = int(layers[place].max()) + 1
        layers[place][masks[number]] = value
        mapping[number] = place, value
    return layers, [mapping[number] for number in range(len(masks))]


if __name__ == "__main__":
    main()
