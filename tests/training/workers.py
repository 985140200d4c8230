"""`ritm worker` as a real process, and what a test needs to see of its jobs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from preloaded import start
from processes import Process, wait_until

from ritm_ops.jobs.protocol import JobView
from ritm_ops.jobs.queue import JobQueue
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry

RITM = Path(sys.executable).with_name("ritm")
WITHIN_S = 240


@dataclass(frozen=True)
class Site:
    """One place where a team's labels are learnt from: Redis, folders, and the environment of its workers."""

    folder: Path
    jobs: JobQueue
    environment: Mapping[str, str]

    @property
    def registry(self) -> Registry:
        return Registry(open_store(self.environment["RITM_REGISTRY"]))

    def start(self) -> str:
        job_id, is_new = self.jobs.start(self.environment["RITM_FINETUNE_SOURCE"])
        assert is_new
        return job_id

    def work(self, job_id: str) -> Path:
        return self.folder / "work" / job_id

    def log(self, job_id: str) -> str:
        return (self.work(job_id) / "log.txt").read_text()

    def steps(self, job_id: str) -> list[int]:
        """The steps of learning that are noted, in the order of the file."""
        metrics = self.work(job_id) / "run/metrics.jsonl"
        if not metrics.exists():
            return []
        lines = metrics.read_bytes().rpartition(b"\n")[0].splitlines()
        return [line["step"] for line in map(json.loads, lines) if "loss" in line]

    def wait_for_steps(self, job_id: str, count: int) -> None:
        wait_until(lambda: len(self.steps(job_id)) >= count, f"{count} steps", within_s=WITHIN_S)

    def ended(self, job_id: str, worker: Worker) -> JobView:
        """The job once it has ended."""

        def over() -> bool:
            assert worker.process.poll() is None, worker.text()
            return self.jobs.job(job_id).has_ended

        wait_until(over, f"the end of job {job_id}", within_s=WITHIN_S)
        return self.jobs.job(job_id)


@dataclass(frozen=True)
class Worker:
    process: Process
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def horse(self, job_folder: Path) -> int:
        """The process that does the job, which holds the lock of its folder."""
        inode = (job_folder / "lock").stat().st_ino
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(f":{inode}"):
                return int(words[4])
        raise AssertionError("nobody does the job")


@contextlib.contextmanager
def worker(site: Site, *options: str, largest_file: int | None = None) -> Iterator[Worker]:
    """Run a worker, with these options, until the block ends."""
    log = site.folder / "worker.log"
    with log.open("ab") as sink:
        process = start(
            [RITM, "worker", *options], site.environment, site.folder, sink, largest_file=largest_file
        )
    try:
        yield Worker(process, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_gone(pid: int) -> Callable[[], bool]:
    return lambda: not Path(f"/proc/{pid}").exists()


def parent(pid: int) -> int:
    """The process that has started this one."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
