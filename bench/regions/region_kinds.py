"""Bytes and milliseconds of each kind of region, for masks of three sizes of picture.

The mask is a smooth five-lobed blob, as the network draws them, in the middle of the picture. Times are those
of the process, the best of several, from the mask to the JSON that is sent. Prints one Markdown row per size
and kind.

    python bench/regions/region_kinds.py
"""

from __future__ import annotations

import argparse
import json
from time import process_time

import cv2
import numpy as np
import numpy.typing as npt

from ritm_backend.label_studio.answers import to_json
from ritm_backend.label_studio.drawing import MaskPart, Value, polygon_value, rings_of, value_of
from ritm_backend.label_studio.options import KINDS, Kind, ProjectOptions

SIZES = [(640, 480), (1920, 1080), (4000, 3000)]


def blob(width: int, height: int) -> npt.NDArray[np.bool_]:
    y, x = np.ogrid[:height, :width]
    angle_HW = np.arctan2(y - height / 2, x - width / 2)
    distance_HW = np.hypot((x - width / 2) / (0.35 * width), (y - height / 2) / (0.35 * height))
    return np.asarray(distance_HW < 1 + 0.1 * np.sin(5 * angle_HW))


def part_of(mask_HW: npt.NDArray[np.bool_]) -> MaskPart:
    x, y, width, height = cv2.boundingRect(mask_HW.view(np.uint8))
    return MaskPart(mask_HW[y : y + height, x : x + width].copy(), (y, x), mask_HW.shape)


def values(kind: Kind, part: MaskPart) -> list[Value]:
    if kind == "polygon":
        return [polygon_value(ring_N2, part.frame) for ring_N2 in rings_of(part, ProjectOptions())]
    return [value_of(kind, part)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=7, help="measurements, of which the best counts")
    repeat = parser.parse_args().repeat
    print("| picture | kind | bytes | ms |\n|---|---|---|---|")
    for width, height in SIZES:
        part = part_of(blob(width, height))
        for kind in KINDS:
            times, text = [], b""
            for _ in range(repeat):
                start = process_time()
                text = to_json(values(kind, part))
                times.append((process_time() - start) * 1000)
            assert json.loads(text)
            print(f"| {width} x {height} | {kind} | {len(text):,} | {min(times):.1f} |")


if __name__ == "__main__":
    main()
