"""Prometheus is told of jobs by state; a Redis that is gone costs the number, not the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from processes import wait_until
from redis_server import Redis

from ritm_ops.jobs.queue import JobQueue, connect

pytestmark = pytest.mark.e2e


def told(client: FlaskClient) -> set[str]:
    return {line for line in client.get("/metrics").text.splitlines() if line.startswith("ritm_jobs{")}


def test_jobs_are_counted_by_state(
    client_with: Callable[..., FlaskClient], redis: Redis, jobs: JobQueue
) -> None:
    client = client_with(redis_url=redis.url)
    assert told(client) == set()
    job_id, _ = jobs.start("s3://labels/team")
    queued = {'ritm_jobs{state="queued"} 1.0'}
    wait_until(lambda: told(client) == queued, "the job in the counts", within_s=30)
    jobs.stop(job_id)
    stopped = {'ritm_jobs{state="queued"} 0.0', 'ritm_jobs{state="stopped"} 1.0'}
    wait_until(lambda: told(client) == stopped, "its end in the counts", within_s=30)


def test_without_redis_the_page_is_still_there(client_with: Callable[..., FlaskClient]) -> None:
    client = client_with(redis_url="unix:///nowhere/redis.sock")
    assert told(client) == set()
    assert "ritm_ready" in client.get("/metrics").text


def test_a_redis_that_hangs_is_waited_for_by_nobody(
    client_with: Callable[..., FlaskClient], redis: Redis
) -> None:
    client = client_with(redis_url=redis.url, finetune_source="s3://labels/team", finetune_after=1)
    with redis.hanging():
        assert told(client) == set()
        for _ in range(30):
            answer = client.post("/webhook", json={"action": "ANNOTATION_CREATED"})
            assert answer.json == {"status": "ok"}
        said = client.post("/webhook", json={"action": "START_TRAINING"}).json
        assert "as soon as it does" in said["message"]
    queue = JobQueue(connect(redis.url))
    wait_until(lambda: len(queue.jobs()) == 1, "the job that was asked for meanwhile", within_s=60)
    queue.redis.close()
