"""Milliseconds to decode an image file: ours and plain Pillow, by turns on the same file.

Another thread wakes every millisecond meanwhile. The longest time in which it did not get to run is what
decoding adds to the answer of a health check. Prints one JSON line per kind of file, with medians.

    python bench/pictures/decode_image.py --image tests/samples/images/bus.jpg --repeat 9
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from PIL import Image

from ritm_model.images import decode_image

SIZE = (4000, 3000)
KINDS: dict[str, dict[str, object]] = {
    "JPEG": {"quality": 92},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 90, "method": 0},
}


def with_pillow(data: bytes) -> object:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def measured(decode: Callable[[bytes], object], data: bytes) -> tuple[float, float]:
    """Milliseconds of decoding, and the longest that another thread had to wait."""
    done = threading.Event()
    waits: list[float] = []

    def wake() -> None:
        last = perf_counter()
        while not done.is_set():
            sleep(0.001)
            now = perf_counter()
            waits.append(now - last)
            last = now

    other = threading.Thread(target=wake)
    other.start()
    start = perf_counter()
    decode(data)
    took = perf_counter() - start
    done.set()
    other.join()
    return took * 1000, max(waits) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=9, help="measurements of each, whose median counts")
    arguments = parser.parse_args()

    photo = Image.open(arguments.image).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS)
    ways = {"ours": decode_image, "pillow": with_pillow}
    for kind, options in KINDS.items():
        buffer = io.BytesIO()
        photo.save(buffer, kind, **options)
        taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(arguments.repeat):
            for way, decode in ways.items():
                taken[way].append(measured(decode, buffer.getvalue()))
        line: dict[str, object] = {"file": kind, "size": "x".join(map(str, SIZE)), "n": arguments.repeat}
        for way, pairs in taken.items():
            times, waits = zip(*pairs, strict=True)
            line[way] = {
                "ms": round(statistics.median(times), 1),
                "wait_ms": round(statistics.median(waits), 1),
            }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
