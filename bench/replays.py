"""What a shortened replay of many clicks costs: masks of fewer runs of the network against one run per click.

On one object of each sample photograph a simulated annotator makes `--clicks` clicks. They are answered once
more from nothing, in groups that share a run. IoU with the mask of one run per click, and with the object.

    python bench/replays.py --clicks 16
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
from served import Results

from ritm_model.clicks import Click
from ritm_model.inference import Predictor, open_predictor
from ritm_model.inference.state import State
from ritm_model.masks.overlap import iou
from ritm_model.simulation import next_click

SAMPLES = Path(__file__).parents[1] / "tests/samples"


def plans(clicks: int) -> dict[str, list[int]]:
    """How many clicks each run answers."""
    ones = [1] * 6
    return {
        "1, all but 7, then 6 one by one": [1, clicks - 7, *ones],
        "1, all but 2, 1": [1, clicks - 2, 1],
        "all but 6, then 6 one by one": [clicks - 6, *ones],
        "all but 3, then 3 one by one": [clicks - 3, *ones[:3]],
        "all together": [clicks],
    }


def shortened(predictor: Predictor, start: State, clicks: Sequence[Click], groups: Sequence[int]) -> State:
    for first, last in pairwise(accumulate(groups, initial=0)):
        start = predictor.click_together(start, clicks[first:last])
    return start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--clicks", type=int, default=16)
    asked = parser.parse_args()

    predictor = open_predictor(asked.model, "cpu", engine="auto")
    of_all: dict[str, list[tuple[float, float]]] = {name: [] for name in plans(asked.clicks)}
    one_by_one: list[float] = []
    for sample in json.loads((SAMPLES / "manifest.json").read_text())["samples"]:
        pixels, masks = (
            cv2.imread(str(SAMPLES / sample["image"])),
            cv2.imread(str(SAMPLES / sample["mask"]), 0),
        )
        assert pixels is not None
        assert masks is not None
        truth_HW = (masks == sample["objects"][0]["id"]).astype(np.int8)
        state = start = predictor.start(pixels[..., ::-1].astype(np.uint8))
        free_HW = np.ones(truth_HW.shape, np.bool_)
        for _ in range(asked.clicks):
            click = next_click(state.mask, truth_HW, free_HW)
            free_HW[int(click.y), int(click.x)] = False
            state = predictor.click(state, click)
        one_by_one.append(iou(state.mask, truth_HW))
        for name, groups in plans(asked.clicks).items():
            mask_HW = shortened(predictor, start, state.clicks, groups).mask
            of_all[name].append((iou(mask_HW, state.mask.astype(np.int8)), iou(mask_HW, truth_HW)))

    results = Results("replays", model=asked.model, clicks=asked.clicks, objects=len(one_by_one))
    results.row(runs=asked.clicks, plan="one by one", iou_with_object=round(mean(one_by_one), 3))
    for name, both in of_all.items():
        with_mask, with_object = zip(*both, strict=True)
        results.row(
            runs=len(plans(asked.clicks)[name]),
            plan=name,
            iou_with_mask=round(mean(with_mask), 3),
            least=round(min(with_mask), 3),
            iou_with_object=round(mean(with_object), 3),
        )


if __name__ == "__main__":
    main()
