"""Milliseconds of a click by stage, from the real server as Label Studio asks it.

For images of 640x480, 1920x1080 and 4000x3000 pixels and the clicks 1, 2 and 10 of an object. `cold`: the
first click of a task, whose image is fetched and decoded. `warm`: the first click on another object of the
same image. `wall` is the whole round trip as the client sees it, `other` what is left of it without the
network, both as p50 and p95; stages are medians. Prints JSON lines and keeps them in `bench/results`.

    python bench/click_time.py --model tests/models/h18s-synthetic.safetensors --repeat 15
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import median

from served import SIZES, WALK, Results, Served, percentiles, photo, served

CLICKS = (1, 2, 10)
ELSEWHERE = (20.0, 20.0, True)


def measure(server: Served, name: str, repeat: int, first_task: int) -> dict[str, list[dict[str, float]]]:
    """Stages of each kind of click; "wall" is among them."""
    size, found = SIZES[name], defaultdict(list)
    for task in range(first_task, first_task + repeat):
        for count in range(1, max(CLICKS) + 1):
            wall, stages = server.click(task, f"{name}.jpg", size, WALK[:count])
            if count in CLICKS:
                kind = "1 cold" if count == 1 else str(count)
                found[kind].append({"wall": wall, **stages})
        wall, stages = server.click(task, f"{name}.jpg", size, [ELSEWHERE])
        found["1 warm"].append({"wall": wall, **stages})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--repeat", type=int, default=15, help="tasks of each size")
    asked = parser.parse_args()

    images = {f"{name}.jpg": photo(size) for name, size in SIZES.items()}
    with served(images, asked.model, RITM_ENGINE=asked.engine) as server:
        chosen = [line["message"] for line in server.messages() if " runs on " in str(line.get("message"))]
        name = Path(asked.model).stem
        results = Results(f"click-{name}-{asked.engine}", model=name, engine=asked.engine, chosen=chosen)
        measure(server, "640x480", 2, first_task=1)
        for index, size in enumerate(SIZES, start=1):
            found = measure(server, size, asked.repeat, first_task=1000 * index)
            for kind in ("1 cold", "1 warm", "2", "10"):
                rows = found[kind]
                other = [row["wall"] - row.get("network", 0) - row.get("queue", 0) for row in rows]
                names = list(dict.fromkeys(key for row in rows for key in row if key != "wall"))
                results.row(
                    image=size,
                    click=kind,
                    wall_ms=percentiles([row["wall"] for row in rows]),
                    other_ms=percentiles(other),
                    stages_ms={key: round(median(row.get(key, 0.0) for row in rows), 1) for key in names},
                    n=len(rows),
                )


if __name__ == "__main__":
    main()
