"""Does the mask of the previous frame save clicks in the next? On frames made from photographs of packs.

    OMP_NUM_THREADS=1 python bench/clicks/frames.py PACK OUT.jsonl --source ecssd --objects 60
    python bench/clicks/frames.py --table OUT.jsonl

In the next frame, the camera has turned, come nearer or gone further and moved aside; the object has moved on
its own besides, the hole that it leaves is painted over; there is noise, and the light has changed. The
simulated annotator begins from nothing, from the mask of the previous frame as it was, and from that mask
moved by optical flow.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model import Click, Predictor, open_predictor
from ritm_model.datasets.files import read_image
from ritm_model.datasets.mask_files import read_labels
from ritm_model.datasets.readers.pack import IGNORED_VALUE, read_pack
from ritm_model.evaluation.compare import bootstrap_interval
from ritm_model.images import Pixels
from ritm_model.masks.moved import moved
from ritm_model.masks.overlap import iou
from ritm_model.simulation import next_click

BEGINNINGS = ("nothing", "as it was", "moved")
TARGETS = (0.85, 0.90)
MAX_CLICKS = 10
LEAST_SHARE = 0.01  # of the photograph

Truth = npt.NDArray[np.int8]
Mask = npt.NDArray[np.bool_]


def affine(
    random: np.random.Generator, centre: tuple[float, float], far: float, strength: float
) -> npt.NDArray[np.float64]:
    """A small turn, zoom and shift."""
    turn, zoom = random.normal(0, 2 * strength), np.exp(random.normal(0, 0.03 * strength))
    matrix = cv2.getRotationMatrix2D(centre, turn, zoom).astype(np.float64)
    matrix[:, 2] += random.normal(0, 0.03 * strength * far, 2)
    return matrix


def next_frame(
    image_HW3: Pixels, mask_HW: Mask, random: np.random.Generator, strength: float
) -> tuple[Pixels, Mask]:
    """The frame after a photograph, and the object's mask on it."""
    height, width = mask_HW.shape
    far = max(height, width)
    rows, columns = np.nonzero(mask_HW)
    camera = affine(random, (width / 2, height / 2), far, strength)
    own = affine(random, (float(columns.mean()), float(rows.mean())), far, strength)
    both = camera @ np.vstack([own, [0, 0, 1]])
    grown = cv2.dilate(mask_HW.astype(np.uint8), np.ones((7, 7), np.uint8))
    without = cv2.inpaint(image_HW3, grown, 5, cv2.INPAINT_TELEA)
    background = cv2.warpAffine(without, camera, (width, height), borderMode=cv2.BORDER_REFLECT)
    objects = cv2.warpAffine(image_HW3, both, (width, height), borderMode=cv2.BORDER_REFLECT)
    alpha = cv2.warpAffine(mask_HW.astype(np.float32), both, (width, height))
    mixed = alpha[..., None] * objects + (1 - alpha[..., None]) * background
    mixed = mixed * random.normal(1, 0.05) + random.normal(0, 4, mixed.shape)
    return mixed.clip(0, 255).astype(np.uint8), alpha > 0.5


def clicks_needed(
    predictor: Predictor,
    image_HW3: Pixels,
    truth_HW: Mask,
    start_HW: Mask | None,
    *,
    keep_mask: bool = True,
    begins_inside: bool = False,
    reach: float = 0,
) -> list[int]:
    """Clicks until each of the targets is reached; 0 if the mask to begin with is good enough.

    With `begins_inside` the first click lies in that mask, wherever the largest mistake is; or beside it, up
    to `reach` times the root of its area.
    """
    truth: Truth = truth_HW.astype(np.int8)
    state = predictor.start(image_HW3, mask=start_HW, keep_mask=keep_mask)
    mask_HW = np.zeros_like(truth_HW) if start_HW is None else start_HW
    not_clicked_HW = np.ones_like(truth_HW)
    needed = [MAX_CLICKS] * len(TARGETS)
    for count in range(MAX_CLICKS + 1):
        reached = iou(mask_HW, truth) if count or start_HW is not None else 0.0
        needed = [
            min(known, count) if reached >= target else known
            for known, target in zip(needed, TARGETS, strict=True)
        ]
        if reached >= max(TARGETS) or count == MAX_CLICKS:
            break
        click = next_click(mask_HW, truth, not_clicked_HW)
        if begins_inside and count == 0 and distance(mask_HW, click) > reach * mask_HW.sum() ** 0.5:
            click = inside(mask_HW, truth_HW)
        not_clicked_HW[int(click.y), int(click.x)] = False
        state = predictor.click(state, click)
        mask_HW = state.mask
    return needed


def distance(mask_HW: Mask, click: Click) -> float:
    """Of a click from a mask, in pixels; 0 inside it."""
    outside_HW = (~mask_HW).astype(np.uint8)
    return float(cv2.distanceTransform(outside_HW, cv2.DIST_L2, 5)[int(click.y), int(click.x)])


def inside(mask_HW: Mask, truth_HW: Mask) -> Click:
    """A click in the middle of what is right of a mask; of what is wrong, if nothing is right."""
    right_HW = mask_HW & truth_HW
    if right_HW.any():
        return next_click(np.zeros_like(mask_HW), right_HW.astype(np.int8))
    return next_click(mask_HW, np.zeros_like(mask_HW, np.int8))


def run(pack: Path, out: Path, source: str, objects: int, strength: float) -> None:
    os.nice(10)
    predictor = open_predictor("bundled", "cpu")
    done = [json.loads(line)["name"] for line in out.read_text().splitlines()] if out.exists() else []
    entries = [entry for entry in read_pack(pack) if entry.source == source and entry.chosen(LEAST_SHARE)]
    for entry in sorted(entries, key=lambda one: digest(one.mask))[:objects]:
        if entry.mask in done:
            continue
        image_HW3, labels_HW = read_image(pack / entry.image), read_labels(pack / entry.mask)
        item = min(entry.chosen(LEAST_SHARE), key=lambda one: digest(f"{entry.mask}#{one.id}"))
        mask_HW = labels_HW == item.id
        if (labels_HW == IGNORED_VALUE).mean() > 0.2:
            continue
        random = np.random.default_rng(int(digest(entry.mask)[:8], 16))
        after_HW3, truth_HW = next_frame(image_HW3, mask_HW, random, strength)
        if truth_HW.mean() < LEAST_SHARE / 2:
            continue
        began = time.process_time()
        flowed_HW = moved(mask_HW, image_HW3, after_HW3)
        flow_seconds = time.process_time() - began
        starts = {"nothing": None, "as it was": mask_HW, "moved": flowed_HW}
        line = {
            "name": entry.mask,
            "flow_ms": round(1000 * flow_seconds, 1),
            "iou": {
                name: round(float(iou(start, truth_HW.astype(np.int8))), 4)
                for name, start in starts.items()
                if start is not None
            },
            "clicks": {
                name: clicks_needed(predictor, after_HW3, truth_HW, start) for name, start in starts.items()
            },
        }
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")


def table(out: Path) -> None:
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    print(f"{len(lines)} objects; flow takes {np.median([line['flow_ms'] for line in lines]):.0f} ms.\n")
    print(
        "| begins from | IoU before | NoC@85 | less from nothing (95 %) | NoC@90 | less from nothing (95 %) |"
    )
    print("|---|---|---|---|---|---|")
    for name in BEGINNINGS:
        before = "" if name == "nothing" else f"{np.mean([line['iou'][name] for line in lines]):.3f}"
        cells = [name, before]
        for place in range(len(TARGETS)):
            own = [line["clicks"][name][place] for line in lines]
            cells.append(f"{np.mean(own):.2f}")
            cells.append("" if name == "nothing" else difference(own, lines, place))
        print(f"| {' | '.join(cells)} |")


def difference(own: Sequence[int], lines: Sequence[dict[str, Any]], place: int) -> str:
    less = [one - line["clicks"]["nothing"][place] for one, line in zip(own, lines, strict=True)]
    found = bootstrap_interval(less)
    return f"{np.mean(less):+.2f} ({found.low:+.2f} to {found.high:+.2f})"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path, nargs="?")
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", default="ecssd")
    parser.add_argument("--objects", type=int, default=60)
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        table(asked.out)
    else:
        run(asked.pack, asked.out, asked.source, asked.objects, asked.strength)


if __name__ == "__main__":
    main()
