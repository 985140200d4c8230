"""Prometheus is told of jobs by state; a Redis that is gone costs the number, not the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from redis_server import Redis

from ritm_ops.jobs.queue import JobQueue

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("redis")]


def told(client: FlaskClient) -> set[str]:
    return {line for line in client.get("/metrics").text.splitlines() if line.startswith("ritm_jobs{")}


def test_jobs_are_counted_by_state(
    client_with: Callable[..., FlaskClient], redis: Redis, jobs: JobQueue
) -> None:
    client = client_with(redis_url=redis.url)
    assert told(client) == set()
    job_id, _ = jobs.start("s3://labels/team")
    assert told(client) == {'ritm_jobs{state="queued"} 1.0'}
    jobs.stop(job_id)
    assert told(client) == {'ritm_jobs{state="queued"} 0.0', 'ritm_jobs{state="stopped"} 1.0'}


def test_without_redis_the_page_is_still_there(client_with: Callable[..., FlaskClient]) -> None:
    client = client_with(redis_url="unix:///nowhere/redis.sock")
    assert told(client) == set()
    assert "ritm_ready" in client.get("/metrics").text
