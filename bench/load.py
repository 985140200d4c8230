"""Throughput and latency of the real server under 1 to 200 simulated annotators.

Each annotator opens a task with a 1080p photograph of its own address, makes five clicks, thinks before each
(an exponential time, on average `--think` seconds), and goes on to the next task. Refused clicks (503) are
made again after the time that the server asks for, and count from the first attempt. `network_per_s` is what
the network alone does in another process with the same views, measured before and after each number of
annotators; `share` is throughput over their mean. `light` is the share of the time in which the server
answered with less work (`RITM_LIGHT_AFTER_SECONDS`, or `--light`), `health_ms` how long `/health` took
meanwhile. `server_ms` and `annotators_ms` are processor time for each click: of the process that answers,
and of the one in which all annotators live. With `--first 64`, as many annotators make their first click at
the same moment. With `--half-open 500`, as many connections beside them send half of a head or of a body and
nothing more; those that the server closes are opened again.

    python bench/load.py --model tests/models/h18s-synthetic.safetensors --seconds 20
    python bench/load.py --annotators 1,16,64,200 --think 2 --first 64 --no-network
    python bench/load.py --annotators 16 --think 2 --half-open 500 --no-network
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

from served import SIZES, WALK, Results, Served, percentiles, photo, predict_body, served

CLICKS = 5
SIZE = SIZES["1920x1080"]
BARE = """
import sys, time
import cv2
from ritm_model.clicks import Click
from ritm_model.inference import Predictor, open_predictor

class Recording:
    def __init__(self, engine):
        self.engine, self.asked = engine, []
        self.name, self.with_prev_mask = engine.name, engine.with_prev_mask
    def run(self, *views):
        self.asked.append(views)
        return self.engine.run(*views)

predictor = open_predictor(sys.argv[1], "cpu", engine=sys.argv[2])
recording = Recording(predictor.engine)
clicks = [Click(float(x), float(y), kind == "1") for x, y, kind in (word.split(",") for word in sys.argv[4:])]
image = cv2.imread(sys.argv[3])[..., ::-1].copy()
Predictor(recording, predictor.options).replay(predictor.start(image), clicks)
start, runs = time.perf_counter(), 0
while time.perf_counter() - start < 6:
    for views in recording.asked:
        predictor.engine.run(*views)
        runs += 1
print(runs / (time.perf_counter() - start))
"""


def network_per_second(model: str, engine: str, image: Path) -> float:
    """What the network alone does with what it is shown for the clicks of a task."""
    clicks = [f"{x / 100 * SIZE[0]},{y / 100 * SIZE[1]},{int(positive)}" for x, y, positive in WALK[:CLICKS]]
    command = [sys.executable, "-c", BARE, model, engine, str(image), *clicks]
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


@dataclass(frozen=True)
class Spent:
    """Processor seconds of the process that answers, and of the annotators'."""

    server: float
    annotators: float

    @classmethod
    def now(cls, server: int, annotators: int) -> Spent:
        return cls(processor_seconds(server), processor_seconds(annotators))

    def since(self, before: Spent, clicks: int) -> dict[str, object]:
        """Milliseconds for each click."""
        each = 1000 / max(1, clicks)
        return {
            "server_ms": round((self.server - before.server) * each, 1),
            "annotators_ms": round((self.annotators - before.annotators) * each, 1),
        }


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def first_clicks(port: int, annotators: int) -> tuple[list[float], int]:
    """All at the same moment, each on an image of its own; those that were not refused, and how many were."""
    together = threading.Barrier(annotators)
    took: list[float] = []

    def ask(task: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        body = json.dumps(predict_body(task, "photo.jpg", SIZE, WALK[:1])).encode()
        together.wait()
        start = perf_counter()
        connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if b'"rle"' in answer.read() and answer.status == 200:
            took.append((perf_counter() - start) * 1000)
        connection.close()

    threads = [threading.Thread(target=ask, args=(90_000_000 + each,)) for each in range(annotators)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took, annotators - len(took)


@dataclass
class Watched:
    """What was seen of a server."""

    is_light: list[bool] = field(default_factory=list)
    health_ms: list[float] = field(default_factory=list)


@contextlib.contextmanager
def watched(server: Served) -> Iterator[Watched]:
    """Ask, until the block ends, whether the server answers with less work, and how it is."""
    ended = threading.Event()
    seen = Watched()

    def look() -> None:
        while not ended.wait(0.5):
            seen.is_light.append(b"\nritm_light 1.0\n" in server.get("/metrics")[1])
            start = perf_counter()
            server.get("/health")
            seen.health_ms.append((perf_counter() - start) * 1000)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


@contextlib.contextmanager
def half_open(port: int, count: int) -> Iterator[None]:
    """So many connections that send half of a request, until the block ends."""
    halves = (
        b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le",
        b"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4096\r\n\r\n{",
    )
    held: list[socket.socket] = []

    def connect(half: bytes) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", port), timeout=10)
        one.sendall(half)
        one.setblocking(False)
        return one

    def is_open(one: socket.socket) -> bool:
        try:
            return one.recv(4096) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    ended = threading.Event()

    def hold() -> None:
        while not ended.wait(0.2):
            for index, one in enumerate(held):
                if not is_open(one):
                    one.close()
                    held[index] = connect(halves[index % 2])

    held.extend(connect(halves[index % 2]) for index in range(count))
    thread = threading.Thread(target=hold)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        for one in held:
            one.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="bundled")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--annotators", default="1,2,4,8,16,32,64")
    parser.add_argument("--think", type=float, default=1.0, help="mean seconds before a click")
    parser.add_argument("--seconds", type=float, default=15, help="for each number of annotators")
    parser.add_argument("--first", type=int, default=0, help="first clicks at the same moment")
    parser.add_argument("--light", default="0.3", help="RITM_LIGHT_AFTER_SECONDS of the server")
    parser.add_argument("--half-open", type=int, default=0, help="connections that send half of a request")
    parser.add_argument("--no-network", action="store_true", help="do not measure the network alone")
    asked = parser.parse_args()

    name = Path(asked.model).stem
    results = Results(
        f"load-{name}-{asked.engine}-light{asked.light}",
        model=name,
        engine=asked.engine,
        think_s=asked.think,
        light_after_s=float(asked.light),
        half_open=asked.half_open,
    )
    settings = {"RITM_ENGINE": asked.engine, "RITM_LIGHT_AFTER_SECONDS": asked.light}
    with (
        TemporaryDirectory() as folder,
        served({"photo.jpg": photo(SIZE)}, asked.model, **settings) as server,
        # Annotators live in a process of their own, one crowd after the other.
        multiprocessing.get_context("spawn").Pool(1) as pool,
        half_open(server.port, asked.half_open),
    ):
        image = Path(folder, "photo.jpg")
        image.write_bytes(photo(SIZE))

        def network_alone() -> float | None:
            return None if asked.no_network else network_per_second(asked.model, asked.engine, image)

        pids = server.workers()[0], pool.apply(os.getpid)
        pool.apply(crowd, (server.port, 1, asked.think, 3.0))
        before = network_alone()
        for annotators in map(int, asked.annotators.split(",")):
            spent = Spent.now(*pids)
            with watched(server) as seen:
                took, refused = pool.apply(crowd, (server.port, annotators, asked.think, asked.seconds))
            used = Spent.now(*pids).since(spent, len(took))
            after = network_alone()
            rate = len(took) / asked.seconds
            network: dict[str, object] = {}
            if before is not None and after is not None:
                network["network_per_s"] = [round(before, 2), round(after, 2)]
                network["share"] = round(rate / mean((before, after)), 2)
            results.row(
                annotators=annotators,
                clicks_per_s=round(rate, 2),
                ms=percentiles(took, 50, 95, 99),
                refused=refused,
                light=round(mean(seen.is_light), 2),
                health_ms=percentiles(seen.health_ms, 50, 95, 100),
                **used,
                **network,
            )
            before = after
        if asked.first:
            took, refused = pool.apply(first_clicks, (server.port, asked.first))
            results.row(first_clicks=asked.first, ms=percentiles(took, 50, 95, 100), refused=refused)


if __name__ == "__main__":
    main()
