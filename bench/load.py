"""Throughput and latency of the real server under 1 to 64 simulated annotators.

Each annotator opens a task with a 1080p photograph of its own address, makes five clicks, thinks before each
(an exponential time, on average `--think` seconds), and goes on to the next task. Refused clicks (503) are
made again after the time that the server asks for, and count from the first attempt. `network_per_s` is what
the network alone does, measured before and after: runs on a view of the whole photograph, 400 x 225 pixels.
Later clicks have other views, so `share`, throughput over it, is not exact.

    python bench/load.py --model tests/models/h18s-synthetic.safetensors --seconds 20
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import random
import subprocess
import sys
import threading
from pathlib import Path
from statistics import mean
from time import perf_counter, sleep

from served import SIZES, WALK, Results, percentiles, photo, predict_body, served

CLICKS = 5
SIZE = SIZES["1920x1080"]
BARE = """
import sys, time, torch
from ritm_model.inference import open_predictor
engine = open_predictor(sys.argv[1], "cpu", engine=sys.argv[2]).engine
image, points = torch.rand(1, 3 + engine.with_prev_mask, 225, 400), torch.full((1, 6, 3), -1.0)
points[:, 0] = torch.tensor([100.0, 200.0, 0.0])
for _ in range(3): engine.run(image, points)
start, runs = time.perf_counter(), 0
while time.perf_counter() - start < 5: engine.run(image, points); runs += 1
print(runs / (time.perf_counter() - start))
"""


def network_per_second(model: str, engine: str) -> float:
    command = [sys.executable, "-c", BARE, model, engine]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def annotate(
    port: int, seed: int, think_s: float, until: float, took: list[float], refused: list[float]
) -> None:
    """One annotator."""
    dice = random.Random(seed)
    task = seed * 100_000
    while True:
        task += 1
        for count in range(1, CLICKS + 1):
            sleep(dice.expovariate(1 / think_s))
            body = json.dumps(predict_body(task, "photo.jpg", SIZE, WALK[:count])).encode()
            start = perf_counter()
            while True:
                if perf_counter() > until:
                    return
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
                connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
                answer = connection.getresponse()
                answer.read()
                connection.close()
                if answer.status != 503:
                    break
                refused.append(perf_counter())
                sleep(float(answer.headers["Retry-After"]))
            if answer.status != 200:
                raise SystemExit(f"The server answered {answer.status}.")
            if perf_counter() < until:
                took.append((perf_counter() - start) * 1000)


def crowd(port: int, annotators: int, think_s: float, seconds: float) -> tuple[list[float], int]:
    took: list[float] = []
    refused: list[float] = []
    until = perf_counter() + seconds
    threads = [
        threading.Thread(
            target=annotate, args=(port, annotators * 100 + each, think_s, until, took, refused), daemon=True
        )
        for each in range(annotators)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, len(refused)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--annotators", default="1,2,4,8,16,32,64")
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds before a click")
    parser.add_argument("--seconds", type=float, default=15, help="for each number of annotators")
    asked = parser.parse_args()

    name = Path(asked.model).stem
    before = network_per_second(asked.model, asked.engine)
    rows = []
    with (
        served({"photo.jpg": photo(SIZE)}, asked.model, RITM_ENGINE=asked.engine) as server,
        # Annotators live in a process of their own, one crowd after the other.
        multiprocessing.get_context("spawn").Pool(1) as pool,
    ):
        pool.apply(crowd, (server.port, 1, asked.think, 3.0))
        for annotators in map(int, asked.annotators.split(",")):
            took, refused = pool.apply(crowd, (server.port, annotators, asked.think, asked.seconds))
            rows.append((annotators, took, refused))
    after = network_per_second(asked.model, asked.engine)
    network = mean((before, after))
    results = Results(f"load-{name}-{asked.engine}", model=name, engine=asked.engine, think_s=asked.think)
    for annotators, took, refused in rows:
        rate = len(took) / asked.seconds
        results.row(
            annotators=annotators,
            clicks_per_s=round(rate, 2),
            ms=percentiles(took, 50, 95, 99),
            refused=refused,
            network_per_s=round(network, 2),
            network_before_after=[round(before, 2), round(after, 2)],
            share=round(rate / network, 2),
        )


if __name__ == "__main__":
    main()
