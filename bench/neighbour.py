"""Latency of a click with and without a busy neighbour on the same processors.

The server answers the second click on a 1080p photograph, again and again; in turns of a few seconds, other
processes compute beside it. `--spin` lets the threads of the server wait as OpenMP does by default, busily.
`ratio` is that of the medians of neighbouring turns, the median over all of them.

    python bench/neighbour.py --model tests/models/h18s-synthetic.safetensors --engine torch --spin
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter

from served import SIZES, WALK, Results, Served, percentiles, photo, served

BUSY = "while True: pass"


def turn(server: Served, first_task: int, seconds: float) -> list[float]:
    took: list[float] = []
    end, task = perf_counter() + seconds, first_task
    while perf_counter() < end or not took:
        task += 1
        server.click(task, "photo.jpg", SIZES["1920x1080"], WALK[:1])
        took.append(server.click(task, "photo.jpg", SIZES["1920x1080"], WALK[:2])[0])
    return took


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--spin", action="store_true")
    parser.add_argument("--neighbours", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=6, help="length of a turn")
    asked = parser.parse_args()

    wait = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "infinity"} if asked.spin else {}
    name = Path(asked.model).stem
    how = f"{asked.engine}{'-spinning' * asked.spin}"
    alone: list[float] = []
    beside: list[float] = []
    ratios = []
    images = {"photo.jpg": photo(SIZES["1920x1080"])}
    with served(images, asked.model, RITM_ENGINE=asked.engine, **wait) as server:
        turn(server, 0, 2)
        for index in range(1, asked.rounds + 1):
            quiet = turn(server, 2000 * index, asked.seconds)
            neighbours = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(asked.neighbours)]
            try:
                busy = turn(server, 2000 * index + 1000, asked.seconds)
            finally:
                for neighbour in neighbours:
                    neighbour.kill()
                    neighbour.wait()
            alone += quiet
            beside += busy
            ratios.append(median(busy) / median(quiet))
    Results(f"neighbour-{name}-{how}", model=name, engine=asked.engine, spinning=asked.spin).row(
        alone_ms=percentiles(alone),
        beside_ms=percentiles(beside),
        neighbours=asked.neighbours,
        ratio=round(median(ratios), 2),
        ratios=[round(ratio, 2) for ratio in ratios],
    )


if __name__ == "__main__":
    main()
