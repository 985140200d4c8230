"""What the benchmarks of the server share: a real `ritm serve`, images to fetch, clicks like the editor's.

`served` starts the server as its own process beside a small web server that plays Label Studio's upload
folder. `Served.click` sends all clicks of an object so far and gives the milliseconds of the round trip with
the stages that the server logged for it.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, sleep
from typing import Any

import cv2
import numpy as np

from ritm_backend.connect.config import recommended_config
from ritm_model.cpus import usable_cpus

SIZES = {"640x480": (640, 480), "1920x1080": (1920, 1080), "4000x3000": (4000, 3000)}
CONFIG = recommended_config(["Object", "Other"])
PHOTO = Path(__file__).parents[1] / "tests/samples/images/bus.jpg"
# A walk over the bus, in percent of the picture: where, and is it the object?
WALK = [
    *((50, 40, True), (30, 45, True), (15, 85, False), (70, 45, True), (55, 90, False)),
    *((40, 30, True), (60, 55, True), (5, 50, False), (45, 50, True), (65, 35, True)),
]
Spot = tuple[float, float, bool]


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Served:
    """A running server."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    ready_after_s: float
    _read: int = 0

    def click(
        self, task: int, image: str, size: tuple[int, int], spots: Sequence[Spot]
    ) -> tuple[float, dict[str, float]]:
        """Ask once; milliseconds of the round trip and of each stage."""
        body = json.dumps(predict_body(task, image, size, spots)).encode()
        start = perf_counter()
        status, answer = self.post(body)
        took = (perf_counter() - start) * 1000
        if status != 200 or b'"message"' in answer:
            raise SystemExit(f"The server answered {status}: {answer[:300]!r}")
        return took, self._last_stages()

    def post(self, body: bytes) -> tuple[int, bytes]:
        """Send one predict request over a connection of its own, as Label Studio does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """What the server has logged since the last time."""
        with self.log.open("rb") as file:
            file.seek(self._read)
            for line in file:
                with contextlib.suppress(ValueError):
                    yield json.loads(line)
            self._read = file.tell()

    def workers(self) -> list[int]:
        """The processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(child) for child in children.split()]

    def _last_stages(self) -> dict[str, float]:
        *_, last = (line for line in self.messages() if line.get("path") == "/predict")
        return dict(last["stages_ms"])


@contextlib.contextmanager
def served(images: Mapping[str, bytes], model: str, **settings: str) -> Iterator[Served]:
    """Serve `model`; `settings` are environment variables."""
    with TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        uploads = Path(folder, "data", "upload")
        uploads.mkdir(parents=True)
        for name, data in images.items():
            (uploads / name).write_bytes(data)
        files = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietFiles, directory=folder))
        threading.Thread(target=files.serve_forever, daemon=True).start()
        stack.callback(files.shutdown)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        environment = os.environ | {
            "LABEL_STUDIO_URL": f"http://127.0.0.1:{files.server_port}",
            "RITM_RATE_PER_MINUTE": "0",
            **settings,
        }
        command = [sys.executable, "-m", "ritm_model", "serve", "--port", str(port), "--model", model]
        log = Path(folder, "server.log")
        start = perf_counter()
        sink = stack.enter_context(log.open("wb"))
        process = subprocess.Popen(command, stdout=sink, stderr=sink, env=environment)
        stack.callback(process.wait, 30)
        stack.callback(process.terminate)
        running = Served(port, process, log, 0.0)
        while process.poll() is None and perf_counter() - start < 120:
            with contextlib.suppress(OSError):
                if running.get("/ready")[0] == 200:
                    running.ready_after_s = perf_counter() - start
                    yield running
                    return
            sleep(0.02)
        raise SystemExit(f"The server was not ready: {log.read_text()[-500:]}")


def click_regions(task: int, size: tuple[int, int], spots: Sequence[Spot]) -> list[dict[str, Any]]:
    """Clicks of one object, as the editor of Label Studio sends them."""
    return [
        {
            "id": f"click{task}-{index}",
            "from_name": "click",
            "to_name": "image",
            "type": "keypointlabels",
            "original_width": size[0],
            "original_height": size[1],
            "image_rotation": 0,
            "is_positive": positive,
            "value": {"x": x, "y": y, "width": 0.2, "keypointlabels": ["Object"], "labels": ["Object"]},
        }
        for index, (x, y, positive) in enumerate(spots)
    ]


def predict_body(task: int, image: str, size: tuple[int, int], spots: Sequence[Spot]) -> dict[str, Any]:
    """A request of the editor: one object, all its clicks."""
    regions = click_regions(task, size, spots)
    return {
        "tasks": [{"id": task, "data": {"image": f"/data/upload/{image}?task={task}"}, "annotations": []}],
        "project": "1.1",
        "label_config": CONFIG,
        "params": {"context": {"result": regions}},
    }


def photo(size: tuple[int, int]) -> bytes:
    """A photograph as JPEG, enlarged or reduced to (width, height)."""
    pixels = cv2.imread(str(PHOTO))
    assert pixels is not None
    resized = cv2.resize(pixels, size, interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", resized, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].tobytes()


def percentiles(values: Sequence[float], *ranks: int) -> dict[str, float]:
    return {f"p{rank}": round(float(np.percentile(values, rank)), 1) for rank in ranks or (50, 95)}


def machine() -> dict[str, object]:
    """What the figures hold for."""
    cpu = next(
        (line.split(":")[1].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.processor(),
    )
    flags = next((line for line in _lines("/proc/cpuinfo") if line.startswith("flags")), "").split()
    wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_tile") if flag in flags]
    packages = {}
    for name in ("torch", "openvino", "numpy", "opencv-python-headless"):
        with contextlib.suppress(PackageNotFoundError):
            packages[name] = version(name)
    return {
        "cpu": cpu,
        "cores": usable_cpus(),
        "instructions": wide,
        "python": platform.python_version(),
        **packages,
    }


def _lines(path: str) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(path).read_text().splitlines()
    return []


class Results:
    """Rows as JSON lines, printed and kept in `bench/results`."""

    def __init__(self, name: str, **about: object) -> None:
        self._path = Path(__file__).parent / "results" / f"{name}.jsonl"
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text("")
        self.row(machine=machine(), command=" ".join(["python", *sys.argv]), **about)

    def row(self, **values: object) -> None:
        line = json.dumps(values)
        print(line, flush=True)
        with self._path.open("a") as file:
            file.write(line + "\n")
