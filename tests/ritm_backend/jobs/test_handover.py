"""Events that wait for Redis when the process is to end."""

from __future__ import annotations

import logging

import pytest
from redis_server import Redis

from ritm_backend.jobs import Handover
from ritm_ops.jobs.queue import JobQueue, connect

pytestmark = pytest.mark.e2e


def test_what_waits_is_handed_over_before_the_end(redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """However long the next retry is away; and a Redis that stays away holds nobody up."""
    queue = JobQueue(connect(redis.url, 0.5, 1))
    counted: list[int] = []

    def count() -> dict[str, str]:
        counted.append(queue.count_annotation())
        return {}

    handover = Handover(pause_seconds=3600)
    redis.kill()
    given = [handover.give(count) for _ in range(3)]
    with caplog.at_level(logging.ERROR):
        assert handover.finish(0.1) == 3
    assert "events lost" in caplog.text
    redis.start()
    assert handover.finish(60) == 0
    assert [future.result(0) for future in given] == [{}, {}, {}]
    assert counted == [1, 2, 3]
    queue.redis.close()


def test_nothing_waits_where_nothing_was_given() -> None:
    assert Handover().finish(3600) == 0
