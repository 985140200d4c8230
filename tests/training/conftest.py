"""A real Redis for each test that asks for one, on a short path."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import Redis, redis_server

from ritm_model.job_queue import JobQueue, connect


@pytest.fixture
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="ritm") as folder, redis_server(Path(folder)) as running:
        yield running


@pytest.fixture
def jobs(redis: Redis) -> Iterator[JobQueue]:
    """The queue, with attempts that follow each other at once."""
    client = connect(redis.url)
    yield JobQueue(client, pauses=(0, 0, 0))
    client.close()
