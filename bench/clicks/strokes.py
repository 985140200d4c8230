"""How many clicks should a stroke become? IoU after a stroke through each object of a pack.

A stroke runs along the middle of the object, as long as a share of it. It is answered as one click to eight,
beside as many clicks of the simulated annotator, which sees the mistakes of each mask. Photographs count
alike, however many objects they have.

    python bench/clicks/strokes.py --data labels:tests/samples --model bundled
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model import Predictor, Stroke, open_predictor
from ritm_model.datasets.places import open_dataset
from ritm_model.inference.strokes import stroke_clicks
from ritm_model.simulation import next_click

MOST = (1, 2, 3, 4, 6, 8)
SHARES = (0.3, 0.6, 0.9)  # of the object's length
CENTRAL = 0.5  # of the object's greatest depth: strokes keep as far inside

Mask = npt.NDArray[np.bool_]


def objects(data: str, most: int = 1000) -> Iterator[tuple[str, npt.NDArray[np.uint8], Mask]]:
    """The name of a photograph, its image and an object on it, of LAYOUT:FOLDER: at most so many of each."""
    dataset = open_dataset("data", {"data": data})
    seen: Counter[str] = Counter()
    for number in range(len(dataset)):
        sample = dataset[number]
        seen[sample.photograph.name] += 1
        if seen[sample.photograph.name] <= most:
            yield sample.photograph.name, sample.load_image(), sample.mask > 0


def stroke_through(object_HW: Mask, share: float) -> list[tuple[float, float]]:
    """A line along the object's longer side, in the middle of its deeper parts."""
    depth = cv2.distanceTransform(np.pad(object_HW.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.nonzero(depth >= CENTRAL * depth.max())
    turned = np.ptp(y) > np.ptp(x)
    along, across = (y, x) if turned else (x, y)
    middle, half = (along.min() + along.max()) / 2, share * np.ptp(along) / 2
    line = []
    for place in np.unique(along[abs(along - middle) <= max(half, 1)]):
        there = np.sort(across[along == place])
        # Where the object has several arms, the stroke stays on one.
        line.append((float(place), float(there[len(there) // 2])))
    return [(b, a) for a, b in line] if turned else line


def iou(mask: Mask, object_HW: Mask) -> float:
    return float((mask & object_HW).sum() / (mask | object_HW).sum())


def of_strokes(predictor: Predictor, image_HW3: npt.NDArray[np.uint8], object_HW: Mask) -> dict[str, float]:
    found = {}
    start = predictor.start(image_HW3)
    for share in SHARES:
        stroke = Stroke(stroke_through(object_HW, share))
        for most in MOST:
            state = predictor.replay(start, stroke_clicks(stroke, start.frame, most))
            found[f"stroke {share} of it, {most}"] = iou(state.mask, object_HW)
    state = start
    for n in range(1, max(MOST) + 1):
        state = predictor.click(state, next_click(state.mask, object_HW.astype(np.int8)))
        if n in MOST:
            found[f"simulated clicks, {n}"] = iou(state.mask, object_HW)
    return found


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="labels:tests/samples")
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="torch")
    parser.add_argument("--objects", type=int, default=1000, help="of each photograph, at most")
    options = parser.parse_args(arguments)
    predictor = open_predictor(options.model, engine=options.engine)
    by_photograph: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for photograph, image_HW3, object_HW in objects(options.data, options.objects):
        for what, found in of_strokes(predictor, image_HW3, object_HW).items():
            by_photograph[what][photograph].append(found)
    print("| prompt | " + " | ".join(str(most) for most in MOST) + " |")
    print("|---" * (len(MOST) + 1) + "|")
    for prompt in [*(f"stroke {share} of it" for share in SHARES), "simulated clicks"]:
        means = [
            np.mean([np.mean(each) for each in by_photograph[f"{prompt}, {most}"].values()]) for most in MOST
        ]
        print(f"| {prompt} | " + " | ".join(f"{mean:.3f}" for mean in means) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
