"""Resident memory of a serving process over many clicks and images, and at single large images.

`--clicks` clicks on `--images` images, ten on each, go to the real server with a small cache, so that it is
full early; the resident memory of its worker is read after every twentieth part. `growth_mb` is what the last
quarter of the readings has over the second one. Then an image of 100 megapixels is clicked three times on a
server of its own: what that holds at its peak above what it held before, as a JPEG and as a TIFF of 16 bits.

    python bench/memory.py --clicks 10000 --images 1000
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
from served import WALK, Results, Served, photo, served

from ritm_model.images import decode_image

SMALL = (640, 480)
LARGE = (12_000, 8_400)  # 100.8 megapixels


def memory_mb(process: int, which: str) -> float:
    """`VmRSS`, what is resident now, or `VmHWM`, the most that ever was."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))


def metric(server: Served, name: str) -> float:
    _, text = server.get("/metrics")
    found = re.search(rf"^{name}(?:{{.*}})? (\S+)$", text.decode(), re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def annotate(server: Served, clicks: int, images: int) -> list[float]:
    """Readings of the worker's resident memory."""
    (worker,) = server.workers()
    each = clicks // images
    readings = [memory_mb(worker, "VmRSS")]
    for task in range(1, images + 1):
        for count in range(1, each + 1):
            server.click(task, "photo.jpg", SMALL, WALK[:count])
        if task % (images // 20) == 0:
            readings.append(memory_mb(worker, "VmRSS"))
    return readings


def large_files() -> dict[str, bytes]:
    pixels = cv2.resize(decode_image(photo((1500, 1050)))[..., ::-1], LARGE)
    return {
        "large.jpg": cv2.imencode(".jpg", pixels)[1].tobytes(),
        "large.tif": cv2.imencode(".tif", pixels.astype(np.uint16) * 257)[1].tobytes(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--clicks", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--cache-mb", type=int, default=64)
    asked = parser.parse_args()

    results = Results(f"memory-bundled-{asked.engine}", engine=asked.engine)
    small = {"RITM_ENGINE": asked.engine, "RITM_CACHE_MB": str(asked.cache_mb)}
    with served({"photo.jpg": photo(SMALL)}, "bundled", **small) as server:
        idle, *readings = annotate(server, asked.clicks, asked.images)
        quarter = len(readings) // 4
        results.row(
            clicks=asked.clicks,
            images=asked.images,
            cache_mb=asked.cache_mb,
            worker_idle_mb=round(idle),
            resident_mb=[round(reading) for reading in readings],
            growth_mb=round(mean(readings[-quarter:]) - mean(readings[quarter : 2 * quarter]), 1),
            cached_mb=round(metric(server, "ritm_cache_bytes") / 2**20),
            cached_images=metric(server, "ritm_cached_images"),
            cached_states=metric(server, "ritm_sessions"),
        )
    large = {"RITM_ENGINE": asked.engine, "RITM_IMAGE_MAX_MB": "1000"}
    for name, data in large_files().items():
        with served({name: data}, "bundled", **large) as server:
            (worker,) = server.workers()
            idle = memory_mb(worker, "VmRSS")
            took = [round(server.click(1, name, LARGE, WALK[:count])[0]) for count in (1, 2, 3)]
            results.row(
                image=name,
                megapixels=LARGE[0] * LARGE[1] / 1e6,
                file_mb=round(len(data) / 2**20),
                decoded_mb=round(LARGE[0] * LARGE[1] * 3 / 2**20),
                peak_above_idle_mb=round(memory_mb(worker, "VmHWM") - idle),
                clicks_ms=took,
            )


if __name__ == "__main__":
    main()
