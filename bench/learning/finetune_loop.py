"""Do the clicks become fewer? The whole job on photographs of a domain that the model has never seen.

Takes photographs of a pack, changes their colours so that they look like another kind of picture, writes them
as an export of labels, and runs one fine-tuning job on it, as a worker does:

    python bench/learning/finetune_loop.py PACK OUT --source ecssd --images 150 --shift false-colour

Prints a table of clicks before and after on the held-out images, with intervals, and the time of each stage.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pycocotools import mask as coco

from ritm_model.datasets.files import read_image
from ritm_model.datasets.mask_files import read_labels
from training.decision import DECIDING
from training.job import Order, finetune
from training.progress import Progress
from training.settings import TrainingSettings


def inverted(image_HW3: np.ndarray) -> np.ndarray:
    """A negative."""
    return 255 - image_HW3


def false_colour(image_HW3: np.ndarray) -> np.ndarray:
    """Brightness as colour, the way that heat and depth are shown."""
    grey_HW = cv2.cvtColor(image_HW3, cv2.COLOR_BGR2GRAY)
    return cv2.applyColorMap(grey_HW, cv2.COLORMAP_JET)


SHIFTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"inverted": inverted, "false-colour": false_colour}


def export(pack: Path, out: Path, source: str, count: int, shift: str) -> None:
    """Write photographs of one source of the pack, changed, as plain COCO."""
    (out / "images").mkdir(parents=True)
    samples = json.loads((pack / "manifest.json").read_text())["samples"]
    chosen = [sample for sample in samples if sample["source"] == source][:count]
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, sample in enumerate(chosen, start=1):
        picture = SHIFTS[shift](read_image(pack / sample["image"])[..., ::-1])
        mask_HW = read_labels(pack / sample["mask"])
        height, width = mask_HW.shape
        name = f"{number}.png"
        cv2.imwrite(str(out / "images" / name), picture)
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for value in [value for value in np.unique(mask_HW) if value not in (0, 255)]:
            object_HW = mask_HW == value
            runs = coco.encode(np.asfortranarray(object_HW.astype(np.uint8)))
            counts = runs["counts"]
            assert isinstance(counts, bytes)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": 1,
                    "segmentation": {"size": [height, width], "counts": counts.decode()},
                    "area": int(object_HW.sum()),
                    "bbox": coco.toBbox(runs).tolist(),
                    "iscrowd": 0,
                }
            )
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "object"}]}
    (out / "annotations.json").write_text(json.dumps(content))


class TimedProgress(Progress):
    """Notes when each stage was first told of."""

    def __init__(self, log: Path) -> None:
        super().__init__(log)
        self.begun: dict[str, float] = {}

    def at(self, stage: str, part: float, *, now: bool = False) -> None:
        self.begun.setdefault(stage, time.perf_counter())
        super().at(stage, part, now=now)

    def seconds(self) -> dict[str, float]:
        times = [*self.begun.values(), time.perf_counter()]
        return {name: end - start for name, start, end in zip(self.begun, times, times[1:], strict=False)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--source", default="ecssd")
    parser.add_argument("--images", type=int, default=150)
    parser.add_argument("--shift", choices=SHIFTS, default="false-colour")
    parser.add_argument("--changes", default="epochs=3;epoch_samples=320;optimiser.learning_rate=0.0003")
    parser.add_argument("--replay", default="")
    args = parser.parse_args()

    os.nice(10)
    export(args.pack, args.out / "labels", args.source, args.images, args.shift)
    os.environ |= {
        "RITM_REGISTRY": str(args.out / "registry"),
        "RITM_FINETUNE_FOLDER": str(args.out),
        "RITM_FINETUNE_CHANGES": args.changes,
        "RITM_FINETUNE_REPLAY": args.replay,
        "RITM_FINETUNE_HELD_OUT": "0.4",
    }
    folder = args.out / "job"
    folder.mkdir()
    progress = TimedProgress(folder / "log.txt")
    ending = finetune(
        Order("job", str(args.out / "labels")), TrainingSettings.from_environment(), folder, progress
    )
    report = json.loads((folder / "report.json").read_text())
    print(ending.message)
    print(f"data: {report['data']}")
    before, after = report["metrics"]["before"], report["metrics"]["after"]
    print("| measure | before | after | difference (95 % interval) |\n|---|---|---|---|")
    for name, value in before.items():
        change = report["comparisons"].get(name)
        interval = "" if change is None else "{difference:+.2f} ({low:+.2f} to {high:+.2f})".format(**change)
        print(f"| {name} | {value:.2f} | {after[name]:.2f} | {interval} |")
    print("| stage | seconds |\n|---|---|")
    for stage, seconds in progress.seconds().items():
        print(f"| {stage} | {seconds:.0f} |")
    assert DECIDING in before


if __name__ == "__main__":
    main()
