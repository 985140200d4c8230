"""Rules for the whole suite."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings
from redis_server import Redis, redis_server
from s3_server import ACCESS, s3_server
from scheduling import LONGEST, SharedTogether, goes_alone, scope
from xdist.scheduler import Scheduling

from ritm_ops.jobs.queue import JobQueue, connect

# Before any test loads torch: OpenMP threads that wait without spinning.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a core of its own
    os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.hookimpl(trylast=True)  # after folders have marked their tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then the longest group, slow tests and whole systems: a mistake shows early.

    Those that any process can take come last, so that several processes end at the same time.
    """

    def place(item: pytest.Item) -> tuple[bool, bool, bool, int]:
        kind = 2 * bool(item.get_closest_marker("e2e")) + bool(item.get_closest_marker("slow"))
        return kind > 0, scope(item.nodeid) != LONGEST, goes_alone(item.nodeid), kind

    items.sort(key=place)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over thousands of tests and all their modules: a tenth of the time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """What several tests share is made once, in one process."""
    return SharedTogether(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where everything must hold, a skipped test is a failed one: its component is missing."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("Tests were skipped, which is not allowed here (CI=true).", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def redis() -> Iterator[Redis]:
    """A real Redis of the test's own, on a short path."""
    with tempfile.TemporaryDirectory(prefix="ritm") as folder, redis_server(Path(folder)) as running:
        yield running


@pytest.fixture
def jobs(redis: Redis) -> Iterator[JobQueue]:
    """The queue, with attempts that follow each other at once."""
    client = connect(redis.url)
    yield JobQueue(client, pauses=(0, 0, 0))
    client.close()


@pytest.fixture(scope="session")
def s3_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real S3 server that all tests of a process share."""
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server.url


@pytest.fixture
def bucket(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket, with the environment set up to reach it."""
    from boto3.session import Session

    for name, value in (ACCESS | {"AWS_ENDPOINT_URL": s3_url}).items():
        monkeypatch.setenv(name, value)
    name = f"bucket-{uuid4().hex}"
    Session().client("s3").create_bucket(Bucket=name)
    return name
