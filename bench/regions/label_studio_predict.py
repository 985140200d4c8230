"""Milliseconds of a click through the real backend, by stage, as Label Studio would make it.

Starts `ritm serve` as its own process and a small web server that plays Label Studio's upload folder, then
annotates fresh tasks: five clicks each, every request carrying all clicks so far, as the editor does.
Prints one JSON line per image size and click with p50 and p95 of the round trip and of each stage that the
server logs. Meanwhile another process asks for /health as Label Studio does, to be answered at once.

With --masks each request also carries so many masks of other objects with rough edges, as Label Studio sends
all that a task holds: at 12 megapixels 1.2 MB each.

    python bench/regions/label_studio_predict.py --image tests/samples/images/bus.jpg --repeat 20
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import defaultdict
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import numpy as np
from brush_rle import rough_blob
from PIL import Image

sys.path.append(str(Path(__file__).parents[1]))
from served import click_regions

from ritm_backend.connect.config import recommended_config
from ritm_model.masks.brush_rle import encode

SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080), "4000x3000": (4000, 3000)}
# A walk of an annotator over the middle of the picture, in percent: where, and is it the object?
CLICKS = [(50, 50, True), (42, 55, True), (20, 20, False), (58, 47, True), (75, 80, False)]
BETWEEN_HEALTH_CHECKS = 0.02  # seconds
HEALTH_LIMIT_MS = 50


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(url: str, body: dict[str, Any] | None = None) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return bytes(answer.read())


@lru_cache
def mask_elsewhere(size: tuple[int, int]) -> list[int]:
    """A mask around the corners, in which the first click does not lie: it has to be looked into."""
    return encode(np.roll(rough_blob(*size), (size[1] // 2, size[0] // 2), (0, 1)))


def predict_body(
    task_id: int, image: str, size: tuple[int, int], n_clicks: int, n_masks: int
) -> dict[str, Any]:
    regions = click_regions(task_id, size, CLICKS[:n_clicks])
    masks = [
        {
            **{key: regions[0][key] for key in ("to_name", "original_width", "original_height")},
            "id": f"mask{index}",
            "from_name": "brush",
            "type": "brushlabels",
            "value": {"format": "rle", "rle": mask_elsewhere(size), "brushlabels": ["Object"]},
        }
        for index in range(n_masks)
    ]
    task = {"id": task_id, "data": {"image": image}, "annotations": [{"id": 1, "result": masks}]}
    return {
        "tasks": [task],
        "project": "1.1",
        "label_config": CONFIG,
        "params": {"context": {"result": regions}},
    }


CONFIG = recommended_config(["Object", "Other"])


def wait_until_ready(base: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if server.poll() is not None:
            raise SystemExit("The server ended before it was ready.")
        try:
            call(f"{base}/ready")
        except OSError:
            sleep(0.1)
        else:
            return
    raise SystemExit("The server was not ready within a minute.")


def logged_stages(log: Path) -> dict[tuple[int, int], dict[str, float]]:
    """Stage timings by (task, number of clicks) from the server's structured log."""
    found = {}
    for line in log.read_text().splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if record.get("path") == "/predict" and "stages_ms" in record:
            found[record["task"], record["clicks"]] = record["stages_ms"]
    return found


def percentiles(values: list[float]) -> dict[str, float]:
    return {f"p{rank}": round(float(np.percentile(values, rank)), 1) for rank in (50, 95)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--masks", type=int, default=0, help="masks of other objects in each request")
    parser.add_argument("--model", default="bundled")
    arguments = parser.parse_args()

    with TemporaryDirectory() as folder:
        uploads = Path(folder, "data", "upload")
        uploads.mkdir(parents=True)
        photo = Image.open(arguments.image).convert("RGB")
        for name, size in SIZES.items():
            photo.resize(size, Image.Resampling.LANCZOS).save(uploads / f"{name}.jpg", quality=92)
        files = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=folder))
        threading.Thread(target=files.serve_forever, daemon=True).start()

        port, log = free_port(), Path(folder, "server.log")
        base = f"http://127.0.0.1:{port}"
        environment = os.environ | {"LABEL_STUDIO_URL": f"http://127.0.0.1:{files.server_port}"}
        command = ["serve", "--port", str(port), "--model", arguments.model]
        with log.open("wb") as sink:
            server = subprocess.Popen(
                [sys.executable, "-m", "ritm_model", *command], stdout=sink, stderr=sink, env=environment
            )
            try:
                wait_until_ready(base, server)
                # In a process of its own, because writing large requests here would keep a thread waiting.
                spawn = multiprocessing.get_context("spawn")
                ours, theirs = spawn.Pipe()
                asking = spawn.Process(target=ask_health, args=(base, theirs), daemon=True)
                asking.start()
                measure(base, log, arguments.repeat, arguments.masks)
                ours.send("enough")
                asked = ours.recv()
                asking.join()
                health = {**percentiles(asked), "p99": round(float(np.percentile(asked, 99)), 1)}
                late = sum(took > HEALTH_LIMIT_MS for took in asked)
                health |= {"max": round(max(asked), 1), f"over {HEALTH_LIMIT_MS}": late}
                print(json.dumps({"route": "/health", "ms": health, "n": len(asked)}))
            finally:
                server.terminate()
                server.wait(30)
                files.shutdown()


def ask_health(base: str, pipe: Connection) -> None:
    """Ask until anything comes through the pipe, then send the milliseconds of each answer."""
    milliseconds: list[float] = []
    while not pipe.poll(BETWEEN_HEALTH_CHECKS):
        start = perf_counter()
        call(f"{base}/health")
        milliseconds.append((perf_counter() - start) * 1000)
    pipe.send(milliseconds)


def measure(base: str, log: Path, repeat: int, n_masks: int) -> None:
    task_id = 0
    for name, size in SIZES.items():
        totals: dict[int, list[float]] = defaultdict(list)
        tasks = range(task_id + 1, task_id + 1 + repeat)
        task_id = tasks[-1]
        for task in tasks:
            # The query makes each task's image new to the backend, as it is for an annotator's next task.
            image = f"/data/upload/{name}.jpg?task={task}"
            for n_clicks in range(1, len(CLICKS) + 1):
                body = predict_body(task, image, size, n_clicks, n_masks)
                start = perf_counter()
                call(f"{base}/predict", body)
                totals[n_clicks].append((perf_counter() - start) * 1000)
        stages = logged_stages(log)
        for n_clicks in (1, 2, 5):
            rows = [stages[task, n_clicks] for task in tasks if (task, n_clicks) in stages]
            by_stage = (
                {key: percentiles([row.get(key, 0.0) for row in rows]) for key in rows[0]} if rows else {}
            )
            print(
                json.dumps(
                    {
                        "image": name,
                        "click": n_clicks,
                        "ms": percentiles(totals[n_clicks]),
                        "stages": by_stage,
                        "n": repeat,
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
