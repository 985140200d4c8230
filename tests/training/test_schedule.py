"""By the clock the same is asked as by everybody else."""

from __future__ import annotations

import os
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from processes import wait_until
from redis_server import Redis
from rq.utils import now
from workers import RITM

from ritm_ops.environment import SettingsError
from ritm_ops.jobs.queue import JobQueue
from training.schedule import AskForJob, keep_schedule
from training.settings import TrainingSettings

LABELS = "s3://labels/team"


@pytest.mark.e2e
def test_a_job_is_asked_for_when_its_time_has_come(jobs: JobQueue) -> None:
    asking = AskForJob("*/5 * * * *", jobs, LABELS)
    assert not asking.should_run()
    asking.set_enqueue_time(now() - timedelta(minutes=6))
    assert asking.should_run()
    job = asking.enqueue(jobs.redis)
    assert jobs.jobs()[0].id == job.id
    assert jobs.start(LABELS) == (job.id, False)
    assert asking.enqueue(jobs.redis).id == job.id  # the first still waits


@pytest.mark.e2e
@pytest.mark.slow
def test_the_process_of_the_schedule_asks(jobs: JobQueue, redis: Redis, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "RITM_REDIS_URL": redis.url,
        "RITM_FINETUNE_SOURCE": LABELS,
        "RITM_FINETUNE_SCHEDULE": "* * * * *",
        "TZ": f"HERE-0:00:{(55 - now().second) % 60:02d}",  # a local time whose minute ends in five seconds
    }
    log = tmp_path / "schedule.log"
    with log.open("wb") as sink:
        process = subprocess.Popen([RITM, "schedule"], env=environment, stdout=sink, stderr=sink)
    try:
        wait_until(
            lambda: process.poll() is not None or bool(jobs.jobs()), "a job of the schedule", within_s=90
        )
        assert process.poll() is None, log.read_text()
        (job,) = jobs.jobs()
        assert (job.source, job.status) == (LABELS, "queued")
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize("fields", [None, "61 2 * * *", "a b c d e"])
def test_no_schedule_or_a_wrong_one_is_a_sentence(fields: str | None) -> None:
    settings = TrainingSettings(schedule=fields, redis_url="redis://localhost:1", source=LABELS)
    with pytest.raises(SettingsError, match="RITM_FINETUNE_SCHEDULE"):
        keep_schedule(settings)
