"""A backend with a real Redis, and no model: nothing here needs one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis_server import Redis, redis_server

from ritm_backend.app import create_app
from ritm_backend.images import ImageFetcher
from ritm_backend.model_host import ModelHost
from ritm_backend.settings import Settings
from ritm_model.job_queue import JobQueue, connect


@pytest.fixture
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="ritm") as folder, redis_server(Path(folder)) as running:
        yield running


@pytest.fixture
def jobs(redis: Redis) -> Iterator[JobQueue]:
    client = connect(redis.url)
    yield JobQueue(client)
    client.close()


@pytest.fixture
def client_with() -> Callable[..., FlaskClient]:
    """Makes a client of a backend with such settings."""

    def make(**settings: object) -> FlaskClient:
        chosen = Settings(**settings)
        host = ModelHost(lambda: pytest.fail("no model is needed"), "none")
        return create_app(chosen, host, ImageFetcher(chosen)).test_client()

    return make
