"""Small files of 120 megapixels, one and many at once: what becomes of each click and of the memory.

A PNG of one colour, 12,000 x 10,000 pixels in 0.4 MB, stands in a task of its own for each click. The server
has a memory budget. While the many are worked on, another annotator opens a small photograph.

    python bench/bombs.py --many 16 --memory-mb 4096
"""

from __future__ import annotations

import argparse
import json
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, sleep
from typing import NamedTuple

from memory import memory_mb
from served import SIZES, Results, Served, photo, predict_body, served

WIDTH, HEIGHT = 12_000, 10_000
SMALL = SIZES["1920x1080"]


class Answer(NamedTuple):
    seconds: float
    status: int
    message: str


def bomb() -> bytes:
    """A PNG, written row by row: nobody has to hold it."""
    packer, row = zlib.compressobj(9), b"\0" + b"\x5a\x78\x50" * WIDTH
    pixels = b"".join(packer.compress(row) for _ in range(HEIGHT)) + packer.flush()
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def click(server: Served, task: int, image: str, size: tuple[int, int]) -> Answer:
    body = json.dumps(predict_body(task, image, size, [(50, 40, True)])).encode()
    start = perf_counter()
    status, data = server.post(body)
    answer = json.loads(data)
    message = answer.get("error") or answer["results"][0].get("message", "")
    return Answer(round(perf_counter() - start, 2), status, message)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--many", type=int, default=16)
    parser.add_argument("--memory-mb", type=int, default=4096)
    asked = parser.parse_args()

    results = Results(f"bombs-{asked.memory_mb}", engine=asked.engine, memory_mb=asked.memory_mb)
    images = {"bomb.png": bomb(), "photo.jpg": photo(SMALL)}
    budget = str(asked.memory_mb)
    with (
        served(images, "bundled", RITM_ENGINE=asked.engine, RITM_MEMORY_MB=budget) as server,
        ThreadPoolExecutor(asked.many) as pool,
    ):
        (worker,) = server.workers()
        click(server, 1, "photo.jpg", SMALL)
        idle = memory_mb(worker, "VmRSS")

        def tell(clicks: list[Answer], **beside: object) -> None:
            results.row(
                clicks=len(clicks),
                seconds=sorted(one.seconds for one in clicks),
                answered=sum(one.status == 200 and not one.message for one in clicks),
                said=sorted({one.message for one in clicks if one.message}),
                grown_mb=round(memory_mb(worker, "VmHWM") - idle),
                held_mb=round(memory_mb(worker, "VmRSS") - idle),
                same_process=server.workers() == [worker],
                **beside,
            )

        tell([click(server, 2, "bomb.png", (WIDTH, HEIGHT))])
        asking = [
            pool.submit(click, server, 100 + each, "bomb.png", (WIDTH, HEIGHT)) for each in range(asked.many)
        ]
        sleep(1)
        other = click(server, 3, "photo.jpg", SMALL)
        tell([each.result() for each in asking], other=other)


if __name__ == "__main__":
    main()
