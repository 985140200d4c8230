"""The health check of worker and schedule: well while they wait and while a job runs, not while they hang."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import pytest
from processes import wait_until
from redis_server import Redis
from team import RECIPE
from workers import RITM, WITHIN_S, Site, worker

from ritm_ops.alive import AliveError, renew, trouble
from ritm_ops.jobs.queue import JobQueue

SiteMaker: TypeAlias = Callable[..., Site]
SECONDS = 6.0
COMMAND = [sys.executable, "-m", "ritm_ops.alive"]


def check(file: Path, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
    """What the health checks of the stack run."""
    return subprocess.run([*COMMAND, file, str(seconds)], capture_output=True, text=True, check=False)


def is_well(file: Path) -> bool:
    return check(file).returncode == 0


def wait_for_renewals(file: Path, process: subprocess.Popen[bytes], count: int = 2) -> None:
    """The file is made or renewed so often."""

    def renewed_at() -> int:
        assert process.poll() is None
        return file.stat().st_mtime_ns if file.exists() else 0

    for _ in range(count):
        before = renewed_at()
        wait_until(lambda before=before: renewed_at() > before, "a renewal", within_s=WITHIN_S)  # type: ignore[misc]


@contextmanager
def hanging(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.e2e
@pytest.mark.slow
def test_a_worker_is_well_while_it_waits_and_while_a_job_runs(make_site: SiteMaker, tmp_path: Path) -> None:
    file = tmp_path / "alive"
    site = make_site(
        RITM_FINETUNE_CHANGES=";".join((*RECIPE, "epoch_samples=4000")), RITM_FINETUNE_ALIVE=str(file)
    )
    with worker(site) as running:
        wait_for_renewals(file, running.process)
        wait_until(lambda: is_well(file), "health while it waits", within_s=WITHIN_S)
        with hanging(running.process.pid):
            wait_until(lambda: not is_well(file), "illness while it waits", within_s=WITHIN_S)

        job_id = site.start()
        site.wait_for_steps(job_id, 1)
        wait_for_renewals(file, running.process)
        wait_until(lambda: is_well(file), "health while a job runs", within_s=WITHIN_S)
        steps = len(site.steps(job_id))
        with hanging(running.process.pid):
            wait_until(lambda: not is_well(file), "illness while a job runs", within_s=WITHIN_S)
            site.wait_for_steps(job_id, steps + 1)
            assert not is_well(file), "it is the worker that is asked, not the process of its job"
        assert site.jobs.job(job_id).status == "running"


@pytest.mark.e2e
@pytest.mark.slow
def test_a_schedule_is_well_while_it_waits(jobs: JobQueue, redis: Redis, tmp_path: Path) -> None:
    file, log = tmp_path / "alive", tmp_path / "schedule.log"
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
        "RITM_REDIS_URL": redis.url,
        "RITM_FINETUNE_SOURCE": "s3://labels/team",
        "RITM_FINETUNE_SCHEDULE": "0 2 1 1 *",
        "RITM_FINETUNE_HEARTBEAT_SECONDS": "1",
        "RITM_FINETUNE_ALIVE": str(file),
    }
    with log.open("wb") as sink:
        process = subprocess.Popen([RITM, "schedule"], env=environment, stdout=sink, stderr=sink)
    try:
        wait_for_renewals(file, process, count=3)
        wait_until(lambda: is_well(file), "health", within_s=WITHIN_S)
        with hanging(process.pid):
            wait_until(lambda: not is_well(file), "illness", within_s=WITHIN_S)
        wait_until(lambda: is_well(file), "health again", within_s=WITHIN_S)
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_a_file_is_too_old_or_missing_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "alive"
    missing = check(file)
    assert (missing.returncode, missing.stderr) == (1, f"{file} cannot be read: No such file or directory.\n")
    renew(file)
    assert (check(file, 1000).returncode, check(file, 1000).stderr) == (0, "")
    then = file.stat().st_mtime - 2000
    os.utime(file, (then, then))
    old = check(file, 1000)
    assert old.returncode == 1
    assert "seconds ago, for the last time." in old.stderr
    assert trouble(file, 3000) is None
    renew(file)
    assert trouble(file, 1000) is None


def test_a_file_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    renew(None)
    with pytest.raises(AliveError, match="cannot be renewed: No such file or directory"):
        renew(tmp_path / "no folder/alive")


@pytest.mark.parametrize("arguments", [[], ["alive"], ["alive", "soon"], ["alive", "300", "more"]])
def test_a_check_that_is_asked_wrongly_says_how_to_ask(arguments: list[str]) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "Usage: python -m ritm_ops.alive FILE SECONDS\n"
