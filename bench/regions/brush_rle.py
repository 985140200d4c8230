"""Milliseconds to write and read a brush mask: our codec and Label Studio's, by turns on the same masks.

The mask is a blob with a rough edge, the same at every run. Label Studio's codec runs in its own virtual
environment and takes its own time. Prints one JSON line per image size with medians and ratios.

    python bench/regions/brush_rle.py --repeat 7
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.masks import brush_rle

ORACLES = Path(__file__).parents[2] / "tests" / "oracles"
SIZES = [(640, 480), (1920, 1080), (4000, 3000)]
ROUGHNESS = 0.0367  # gives about 124,000 runs at 12 megapixels


def rough_blob(width: int, height: int) -> npt.NDArray[np.bool_]:
    noise_HW = np.random.default_rng(2).standard_normal((height, width), dtype=np.float32)
    noise_HW = np.asarray(cv2.GaussianBlur(noise_HW, (0, 0), 1.5), dtype=np.float32)
    noise_HW *= ROUGHNESS / noise_HW.std()
    y, x = np.ogrid[:height, :width]
    distance_HW = np.hypot((x - width / 2) / (0.35 * width), (y - height / 2) / (0.35 * height))
    inside_HW: npt.NDArray[np.bool_] = distance_HW + noise_HW < 1
    return inside_HW


def milliseconds(work: Callable[..., object], *arguments: object) -> float:
    start = perf_counter()
    work(*arguments)
    return (perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=7, help="measurements of each, whose median counts")
    repeat = parser.parse_args().repeat

    sys.path.insert(0, str(ORACLES))
    from label_studio_brush import BrushOracle, interpreter

    with BrushOracle(interpreter()) as label_studio:
        for width, height in SIZES:
            mask_HW = rough_blob(width, height)
            rle = brush_rle.encode_bytes(mask_HW)
            times: dict[str, list[float]] = {
                "encode": [],
                "encode_label_studio": [],
                "decode": [],
                "decode_label_studio": [],
            }
            for _ in range(repeat):
                times["encode"].append(milliseconds(brush_rle.encode, mask_HW))
                assert label_studio.encode(mask_HW) == rle
                times["encode_label_studio"].append(label_studio.seconds * 1000)
                times["decode"].append(milliseconds(brush_rle.decode, rle, width, height))
                label_studio.decode(rle, width, height)
                times["decode_label_studio"].append(label_studio.seconds * 1000)
            median = {name: statistics.median(values) for name, values in times.items()}
            row = {
                "image": f"{width}x{height}",
                "runs": 1 + int(np.count_nonzero(np.diff(mask_HW.reshape(-1)))),
                "rle_bytes": len(rle),
                **{f"{name}_ms": round(value, 2) for name, value in median.items()},
                "encode_ratio": round(median["encode_label_studio"] / median["encode"], 1),
                "decode_ratio": round(median["decode_label_studio"] / median["decode"], 1),
            }
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
