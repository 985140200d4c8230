"""By the clock the same is asked as by everybody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rq.utils import now

from ritm_model.environment import SettingsError
from ritm_model.job_queue import JobQueue
from training.schedule import AskForJob, keep_schedule
from training.settings import TrainingSettings

LABELS = "s3://labels/team"


@pytest.mark.e2e
@pytest.mark.xdist_group("redis")
def test_a_job_is_asked_for_when_its_time_has_come(jobs: JobQueue) -> None:
    asking = AskForJob("*/5 * * * *", jobs, LABELS)
    assert not asking.should_run()
    asking.set_enqueue_time(now() - timedelta(minutes=6))
    assert asking.should_run()
    job = asking.enqueue(jobs.redis)
    assert jobs.jobs()[0].id == job.id
    assert jobs.start(LABELS) == (job.id, False)
    assert asking.enqueue(jobs.redis).id == job.id  # the first still waits


@pytest.mark.parametrize("fields", [None, "61 2 * * *", "a b c d e"])
def test_no_schedule_or_a_wrong_one_is_a_sentence(fields: str | None) -> None:
    settings = TrainingSettings(schedule=fields, redis_url="redis://localhost:1", source=LABELS)
    with pytest.raises(SettingsError, match="RITM_FINETUNE_SCHEDULE"):
        keep_schedule(settings)
