"""Do boxes of a detector save clicks? The masks made of them, as `ritm preannotate` does, against nothing.

    OMP_NUM_THREADS=1 python bench/clicks/boxes.py tests/samples boxes.jsonl
    OMP_NUM_THREADS=1 python bench/clicks/boxes.py PACK boxes.jsonl --source ecssd --photographs 40
    python bench/clicks/boxes.py --table PACK boxes.jsonl

A detector's box is that of the object with its centre moved and its sides scaled, by normal noise of a tenth
of its size. The simulated annotator goes on from the mask of the box, which is kept where no click is about
it, or is a first guess; the box itself costs no click. In Label Studio, the first click has to lie inside
the region to go on from it. Where the model's score is below a least one, the annotator begins from nothing
instead. Photographs count alike, however many objects they have.

Shapes: H x W the image.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from frames import LEAST_SHARE, MAX_CLICKS, TARGETS, Mask, clicks_needed, digest
from strokes import iou

from ritm_model import Box, open_predictor
from ritm_model.datasets.files import read_image
from ritm_model.datasets.mask_files import read_labels
from ritm_model.datasets.readers.pack import read_pack
from ritm_model.evaluation.compare import bootstrap_interval
from ritm_model.images import Pixels
from ritm_model.inference.geometry import mask_roi

NOISE = 0.1
STARTS: dict[str, dict[str, Any]] = {
    "kept": {},
    "first guess": {"keep_mask": False},
    "first guess, by a click inside it": {"keep_mask": False, "begins_inside": True},
    "first guess, by a click inside it or beside": {"keep_mask": False, "begins_inside": True, "reach": 0.15},
}
SCORES = (0, 0.6, 0.7, 0.75, 0.8)


def detected(truth_HW: Mask, noise: float = NOISE) -> Box:
    """A detector's box, the same each time."""
    random = np.random.default_rng(list(sha256(truth_HW.tobytes()).digest()))
    roi = mask_roi(truth_HW)
    assert roi is not None
    height, width = roi.size
    (dx, dy), (wider, higher) = random.normal(0, noise, (2, 2))
    x, y = roi.left + width * (0.5 + dx), roi.top + height * (0.5 + dy)
    w, h = width * np.exp(wider) / 2, height * np.exp(higher) / 2
    box = Box(x - w, y - h, x + w, y + h).clipped(truth_HW.shape)
    assert box is not None
    return box


def objects(pack: Path, source: str, photographs: int) -> Iterator[tuple[str, Pixels, Mask]]:
    """The name of a photograph, its image and an object on it; all of so many photographs."""
    entries = [entry for entry in read_pack(pack) if entry.source == source and entry.chosen(LEAST_SHARE)]
    for entry in sorted(entries, key=lambda one: digest(one.mask))[:photographs]:
        image_HW3, labels_HW = read_image(pack / entry.image), read_labels(pack / entry.mask)
        for item in entry.chosen(LEAST_SHARE):
            yield entry.image, image_HW3, labels_HW == item.id


def run(pack: Path, out: Path, source: str, photographs: int) -> None:
    predictor = open_predictor("bundled", "cpu")
    done = len(out.read_text().splitlines()) if out.exists() else 0
    for photograph, image_HW3, truth_HW in islice(objects(pack, source, photographs), done, None):
        state = predictor.predict(image_HW3, [], [], box=detected(truth_HW))
        clicks = {"nothing": clicks_needed(predictor, image_HW3, truth_HW, None)}
        for name, how in STARTS.items():
            clicks[name] = clicks_needed(predictor, image_HW3, truth_HW, state.mask, **how)
        line = {
            "photograph": photograph,
            "iou": iou(state.mask, truth_HW),
            "score": state.score,
            "clicks": clicks,
        }
        with out.open("a") as file:
            file.write(json.dumps(line) + "\n")


def table(out: Path) -> None:
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    photographs = len({line["photograph"] for line in lines})
    print(f"{len(lines)} objects on {photographs} photographs, giving up after {MAX_CLICKS} clicks\n")
    columns = [f"NoC@{round(100 * target)} | difference (95 % interval)" for target in TARGETS]
    print(f"| begins from | least score | objects | IoU before | {' | '.join(columns)} |")
    print("|---" * 8 + "|")
    print(row(lines, "nothing", 0))
    for name in STARTS:
        for least in SCORES:
            print(row(lines, name, least))


def row(lines: Sequence[dict[str, Any]], name: str, least: float) -> str:
    """Clicks from masks with the least score at least, and from nothing for the other objects."""
    taken = [name != "nothing" and line["score"] >= least for line in lines]
    ious = [line["iou"] for line, is_taken in zip(lines, taken, strict=True) if is_taken]
    cells = [name, f"{least:g}" if least else "", f"{len(ious)}", f"{np.mean(ious):.2f}" if ious else ""]
    for place in range(len(TARGETS)):
        nothing = [line["clicks"]["nothing"][place] for line in lines]
        own = [
            line["clicks"][name if is_taken else "nothing"][place]
            for line, is_taken in zip(lines, taken, strict=True)
        ]
        less = means(lines, np.subtract(own, nothing).tolist())
        found = bootstrap_interval(less)
        cells += [
            f"{np.mean(means(lines, own)):.2f}",
            f"{np.mean(less):+.2f} ({found.low:+.2f} to {found.high:+.2f})" if ious else "",
        ]
    return f"| {' | '.join(cells)} |"


def means(lines: Sequence[dict[str, Any]], values: Sequence[float]) -> list[float]:
    """The mean of each photograph."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for line, value in zip(lines, values, strict=True):
        found[line["photograph"]].append(value)
    return [float(np.mean(each)) for each in found.values()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", default="", help="of the pack, if it has several")
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--table", action="store_true", help="of what has been measured")
    asked = parser.parse_args()
    if not asked.table:
        run(asked.pack, asked.out, asked.source, asked.photographs)
    table(asked.out)


if __name__ == "__main__":
    main()
