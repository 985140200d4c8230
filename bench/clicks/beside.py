"""A first click beside a predicted region: does it mean that region, or a new object?

    OMP_NUM_THREADS=1 python bench/clicks/beside.py PACK beside.jsonl --photographs 8
    python bench/clicks/beside.py --table PACK beside.jsonl

A detector gives noisy boxes for the objects of a photograph, and misses some. What the model makes of the
boxes with a score high enough are the predicted regions. The simulated annotator corrects each by a click in
its largest mistake, and begins each object without a region by a click in its middle. Of clicks that lie in
no region of that class, the distances to all of them are noted, relative to the square root of their areas.

The table says, by the greatest distance at which a click would count for the nearest region, how many of the
clicks that mean a region would find theirs or another one, and how many of the clicks on new objects would be
taken for a region. With `--alone`, only where no other region lies within so many times that distance.

Shapes: H x W the image.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from boxes import detected
from frames import Mask, digest

from ritm_model import open_predictor
from ritm_model.clicks import Click
from ritm_model.datasets.files import read_image
from ritm_model.datasets.mask_files import read_labels
from ritm_model.datasets.readers.pack import PackEntry, read_pack
from ritm_model.masks.overlap import iou
from ritm_model.simulation import next_click

LEAST_SHARE = 0.002
LEAST_SCORE = 0.7  # of regions that are kept
MISSED = 0.15  # of the objects
GOOD = 0.9  # IoU at which nobody corrects
MOST_OBJECTS = 12  # of a class on a photograph
REACHES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)


def is_missed(mask_HW: Mask) -> bool:
    return sha256(mask_HW.tobytes()).digest()[0] < MISSED * 256


def clicked(predictor: Any, pack: Path, entry: PackEntry) -> Iterator[dict[str, Any]]:
    """The first clicks of the annotator on a photograph."""
    image_HW3, labels_HW = read_image(pack / entry.image), read_labels(pack / entry.mask)
    classes: defaultdict[str, list[Mask]] = defaultdict(list)
    for item in entry.chosen(LEAST_SHARE):
        classes[item.category].append(labels_HW == item.id)
    for name, truths in classes.items():
        regions: dict[int, Mask] = {}
        for place, truth_HW in enumerate(truths[:MOST_OBJECTS]):
            if not truth_HW.any():
                continue
            state = predictor.predict(image_HW3, [], [], box=detected(truth_HW))
            if state.score >= LEAST_SCORE and not is_missed(truth_HW):
                regions[place] = state.mask
        far = {
            place: cv2.distanceTransform((~mask_HW).astype(np.uint8), cv2.DIST_L2, 5)
            for place, mask_HW in regions.items()
        }
        for place, truth_HW in enumerate(truths[:MOST_OBJECTS]):
            if not truth_HW.any():
                continue
            before_HW = regions.get(place, np.zeros_like(truth_HW))
            before = iou(before_HW, truth_HW.astype(np.int8)) if place in regions else None
            if before is not None and before >= GOOD:
                continue
            click = next_click(before_HW, truth_HW.astype(np.int8), np.ones_like(truth_HW))
            yield {
                "source": entry.source or pack.name,
                "photograph": entry.image,
                "class": name,
                "iou": before,
                "is_positive": click.is_positive,
                "is_inside": any(_holds(mask_HW, click) for mask_HW in regions.values()),
                "own": place if place in regions else None,
                "regions": {
                    str(other): [float(far[other][int(click.y), int(click.x)]), int(mask_HW.sum())]
                    for other, mask_HW in regions.items()
                },
            }


def _holds(mask_HW: Mask, click: Click) -> bool:
    return bool(mask_HW[int(click.y), int(click.x)])


def run(pack: Path, out: Path, sources: Sequence[str], photographs: int) -> None:
    predictor = open_predictor("bundled", "cpu")
    by_source: defaultdict[str, list[PackEntry]] = defaultdict(list)
    for entry in read_pack(pack):
        by_source[entry.source].append(entry)
    for source, entries in by_source.items():
        if sources and source not in sources:
            continue
        for entry in sorted(entries, key=lambda one: digest(one.mask))[:photographs]:
            lines = [json.dumps(line) for line in clicked(predictor, pack, entry)]
            with out.open("a") as file:
                file.writelines(line + "\n" for line in lines)


def meant(line: dict[str, Any], reach: float, alone: float) -> int | None:
    """Which region a click counts for, if so large a distance is allowed."""
    near = sorted((far / area**0.5, int(place)) for place, (far, area) in line["regions"].items() if area)
    if not near or near[0][0] > reach or (len(near) > 1 and near[1][0] <= alone * reach):
        return None
    return near[0][1]


def table(out: Path, alone: float) -> None:
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    by_source: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        by_source[line["source"]].append(line)
        by_source["all"].append(line)
    print("| source | corrected, first click outside | reach | its region | another | new objects, taken |")
    print("|---" * 6 + "|")
    for source, found in by_source.items():
        corrected = [line for line in found if line["own"] is not None]
        beside = [line for line in corrected if line["is_positive"] and not line["is_inside"]]
        new = [line for line in found if line["own"] is None and not line["is_inside"] and line["regions"]]
        for reach in REACHES:
            right = sum(meant(line, reach, alone) == line["own"] for line in beside)
            other = sum(meant(line, reach, alone) not in (line["own"], None) for line in beside)
            wrong = sum(meant(line, reach, alone) is not None for line in new)
            print(
                f"| {source} | {len(beside)} of {len(corrected)} | {reach} | {right} | {other} |"
                f" {wrong} of {len(new)} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--source", action="append", default=[], help="of the pack, of several; all if left out"
    )
    parser.add_argument("--photographs", type=int, default=8, help="of each source")
    parser.add_argument("--alone", type=float, default=1, help="times the distance, without another region")
    parser.add_argument("--table", action="store_true", help="of what has been measured")
    asked = parser.parse_args()
    if not asked.table:
        run(asked.pack, asked.out, asked.source, asked.photographs)
    table(asked.out, asked.alone)


if __name__ == "__main__":
    main()
