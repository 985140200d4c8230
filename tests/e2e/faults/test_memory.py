"""Large images, many at once: memory is waited for, and nobody dies."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import requests
from annotators import click
from backend import ritm_serve, serving_pids
from image_source import ImageSource
from PIL import Image
from processes import Server

from ritm_backend.demo.masks import run_lengths

MB = 2**20
WIDTH, HEIGHT = 3000, 2250  # of the recorded shape; 68 MB while it is decoded, 20 MB when it is
IMAGES = 16
FULL = b64encode(run_lengths(np.ones((HEIGHT, WIDTH), np.bool_))).decode()
MOST_GROWN = 350 * MB  # three runs took 115 to 146 MB; where nothing is waited for, 563 and 631


def most_memory(server: Server) -> int:
    """Bytes that the serving process has held at most so far."""
    (pid,) = serving_pids(server)
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_sixteen_large_images_at_once_wait_for_memory(
    image_settings: Mapping[str, str], source: ImageSource, tmp_path: Path, record_property: Any
) -> None:
    """The budget is that of one image; each takes a place, and most wait for memory."""
    file = BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 80)).save(file, "PNG")
    settings = {**image_settings, "RITM_MEMORY_MB": "256", "RITM_CACHE_MB": "32", "RITM_THREADS": "32"}
    with ritm_serve(tmp_path, settings) as server, ThreadPoolExecutor(IMAGES) as pool:
        assert click(server.url, 1, 1, "/data/upload/small/1.jpg").is_well
        before, pids = most_memory(server), serving_pids(server)
        with source.showing(file.getvalue()):
            clicks = list(
                pool.map(lambda n: click(server.url, 100 + n, 1, f"/data/upload/l/{n}.png"), range(IMAGES))
            )
        grown = most_memory(server) - before
        record_property("grown_mb", grown / MB)
        assert grown < MOST_GROWN
        assert [(one.outcome, one.message) for one in clicks] == [(200, "")] * IMAGES
        assert serving_pids(server) == pids
        assert click(server.url, 1, 2, "/data/upload/small/1.jpg").is_well
        metrics = requests.get(f"{server.url}/metrics", timeout=30).text
    waited = re.search(r'ritm_stage_seconds_sum{stage="memory"} (\S+)', metrics)
    assert waited
    record_property("waited_seconds", float(waited[1]))


def test_masks_of_the_demo_wait_for_memory_too(
    image_settings: Mapping[str, str], tmp_path: Path, record_property: Any
) -> None:
    """Files that are opened, and runs to save: of either, a kilobyte may stand for a hundred megabytes."""
    file = BytesIO()
    Image.new("P", (WIDTH, HEIGHT), 1).save(file, "PNG")
    whole = {"left": 0, "top": 0, "width": WIDTH, "height": HEIGHT, "score": 1, "runs": FULL}
    objects = [{"name": f"{number}", **whole} for number in range(8)]
    task = {"format": "bitmask", "image": "a.png", "width": WIDTH, "height": HEIGHT, "objects": objects}
    asked = [
        ("/demo/masks", file.getvalue(), "image/png"),
        ("/demo/files", json.dumps(task).encode(), "application/json"),
    ]
    settings = {**image_settings, "RITM_MEMORY_MB": "256", "RITM_CACHE_MB": "32", "RITM_THREADS": "32"}
    with ritm_serve(tmp_path, settings) as server, ThreadPoolExecutor(2 * IMAGES) as pool:
        assert click(server.url, 1, 1, "/data/upload/small/1.jpg").is_well
        before = most_memory(server)

        def ask(path: str, data: bytes, kind: str) -> int:
            headers = {"Content-Type": kind}
            return requests.post(server.url + path, data=data, headers=headers, timeout=90).status_code

        statuses = list(pool.map(lambda one: ask(*one), asked * IMAGES))
        grown = most_memory(server) - before
        record_property("grown_mb", grown / MB)
        assert grown < MOST_GROWN
        assert statuses == [200] * 2 * IMAGES
        assert click(server.url, 1, 2, "/data/upload/small/1.jpg").is_well
