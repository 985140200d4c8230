"""What workers and agents remember: memory of all of them together, whoever is there."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from processes import wait_until

WORKER = """
import sys
import numpy as np
from cvat_serverless.loading import load
from cvat_serverless.settings import CvatSettings

annotator = load(CvatSettings.from_environment()).interactor.annotator
for line in sys.stdin:
    if line.strip():
        annotator.image(line, lambda: np.zeros((200, 200, 3), np.uint8))
    print(annotator.stats().cached_bytes, flush=True)
"""
BUDGET = 2**20
FRAME = 200 * 200 * 3


class Worker:
    """A process that holds frames."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def holds(self, frame: str = "") -> int:
        """Bytes that it holds, once it has seen this frame."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(frame, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@contextmanager
def worker(folder: Path, model: str) -> Iterator[Worker]:
    environment = {
        **os.environ,
        "RITM_MODEL": model,
        "RITM_DEVICE": "cpu",
        "RITM_ENGINE": "torch",
        "RITM_CVAT_CACHE_MB": str(BUDGET >> 20),
        "TMPDIR": str(folder),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", WORKER], stdin=pipe, stdout=pipe, text=True, env=environment
    ) as process:
        try:
            running = Worker(process)
            assert running.holds() == 0
            yield running
        finally:
            process.kill()


def test_workers_share_the_memory_for_what_they_remember(tmp_path: Path, model: str) -> None:
    with worker(tmp_path, model) as one:
        alone = [one.holds(f"frame {number}") for number in range(20)]
        assert BUDGET - FRAME < max(alone) <= BUDGET
        with worker(tmp_path, model) as other:
            wait_until(lambda: one.holds() <= BUDGET // 2, "room for the other, with no click", within_s=60)
            assert max(other.holds(f"frame {number}") for number in range(20)) <= BUDGET // 2
        more = count(20)
        wait_until(
            lambda: one.holds(f"frame {next(more)}") > BUDGET // 2,
            "all of it again, after the other was killed",
            within_s=60,
        )
