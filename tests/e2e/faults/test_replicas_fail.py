"""Two processes that share sessions in Redis: Redis dies, and one of the two."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
from annotators import Click, annotators
from backend import ritm_serve, serving_pids
from processes import Server, wait_until
from redis import Redis as Client
from redis_server import Redis, redis_server


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    with tempfile.TemporaryDirectory(prefix="redis") as folder, redis_server(Path(folder)) as running:
        yield running


@pytest.fixture(scope="module")
def pair(
    image_settings: Mapping[str, str], redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One server of two processes; jobs are in the same Redis."""
    settings = {**image_settings, "SESSION_STORE": redis.url, "RITM_REDIS_URL": redis.url}
    with ritm_serve(tmp_path_factory.mktemp("pair"), settings, workers=2) as running:
        wait_until(lambda: ready(running) == 2, "both processes", within_s=120, server=running)
        yield running


def ready(server: Server) -> int:
    """How many processes have got ready since the start."""
    return server.text().count('"message": "model ready"')


def shared(redis: Redis) -> int:
    """How often a state was found in Redis since Redis was started."""
    with closing(Client.from_url(redis.url)) as client:
        info: dict[str, Any] = client.info("stats")
        return int(info["keyspace_hits"])


def masks_by_number(clicks: list[Click]) -> dict[int, set[str]]:
    """The masks after so many clicks; all pictures are the same."""
    found: dict[int, set[str]] = {}
    for click in clicks:
        found.setdefault(click.number, set()).add(click.mask)
    return found


def test_redis_is_killed_and_comes_back(pair: Server, redis: Redis, record_property: Any) -> None:
    with annotators(pair.url, lambda task: f"/data/upload/redis/{task}.jpg", people=3) as log:
        log.wait_for_well()
        wait_until(lambda: shared(redis) > 0, "states that are shared", within_s=60)
        redis.kill()
        killed = time.monotonic()
        log.wait_for_well(6)
        for path in ("/health", "/metrics"):
            assert requests.get(pair.url + path, timeout=20).status_code == 200
        slowest = max(click.answered - click.sent for click in log.since(killed))
        redis.start()
        back = time.monotonic()
        wait_until(lambda: shared(redis) > 0, "states that are shared again", within_s=60)
        record_property("seconds_until_normal", time.monotonic() - back)
        log.wait_for_well()
    record_property("slowest_click_without_redis", slowest)
    assert all(click.is_well for click in log.clicks)
    assert all(len(masks) == 1 for masks in masks_by_number(log.clicks).values())


def test_redis_that_hangs_is_not_waited_for(pair: Server, redis: Redis, record_property: Any) -> None:
    with annotators(pair.url, lambda task: f"/data/upload/hanging/{task}.jpg") as log:
        log.wait_for_well()
        with redis.hanging():
            stopped = time.monotonic()
            log.wait_for_well(6)
            slowest = max(click.answered - click.sent for click in log.since(stopped))
        log.wait_for_well()
    record_property("slowest_click_with_redis_hanging", slowest)
    assert all(click.is_well for click in log.clicks)


def test_a_serving_process_is_killed(pair: Server, record_property: Any) -> None:
    before = ready(pair)
    with annotators(pair.url, lambda task: f"/data/upload/killed/{task}.jpg", people=3) as log:
        log.wait_for_well()
        victim, other = serving_pids(pair)
        killed = time.monotonic()
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: ready(pair) > before, "another process", within_s=120, server=pair)
        record_property("seconds_until_normal", time.monotonic() - killed)
        log.wait_for_well()
    running = serving_pids(pair)
    assert other in running
    assert victim not in running
    assert len(running) == 2
    in_flight = [click for click in log.clicks if click.sent <= killed <= click.answered]
    assert {click.outcome for click in in_flight} <= {200, "lost"}
    assert all(click.is_well for click in log.clicks if click not in in_flight)
    assert all(len(masks - {""}) == 1 for masks in masks_by_number(log.clicks).values())
    record_property("clicks_lost", sum(click.outcome == "lost" for click in in_flight))
    record_property("slowest_click", max(click.answered - click.sent for click in log.since(killed)))


def test_no_full_disk_can_end_a_process_that_counts(pair: Server) -> None:
    """The counts of several processes are mapped files; to write to one on a full disk is fatal (SIGBUS)."""
    for pid in serving_pids(pair):
        mapped = re.findall(r"\S*/ritm-[^/\s]+/metrics/\S+", Path(f"/proc/{pid}/maps").read_text())
        assert mapped
        assert all(path.startswith("/dev/shm/") for path in mapped)
