"""SIGTERM while annotators click: whoever got through gets an answer, what waits is done, then it ends."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from annotators import annotators, click
from backend import ritm_serve
from image_source import ImageSource
from processes import wait_until
from redis_server import Redis

from ritm_ops.jobs.queue import JobQueue

_HELD = 4


def is_refused(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname, address.port or 0), timeout=2).close()
    except ConnectionRefusedError:
        return True
    except TimeoutError:  # held off: it is refused when the port is closed
        return False
    return False


@pytest.mark.parametrize("workers", [1, 2])
def test_sigterm_loses_no_click(
    image_settings: Mapping[str, str], source: ImageSource, tmp_path: Path, workers: int, record_property: Any
) -> None:
    folder = f"/data/upload/stopping/{workers}"
    settings = {**image_settings, "RITM_FETCH_READ_SECONDS": "60", "RITM_FETCH_TOTAL_SECONDS": "60"}
    with (
        ritm_serve(tmp_path, settings, workers=workers) as server,
        annotators(server.url, lambda task: f"{folder}/{task}.jpg", people=3) as log,
        ThreadPoolExecutor(_HELD) as pool,
    ):
        # A process that is told to stop while it loads its model has 30 seconds for that, too.
        wait_until(lambda: server.text().count('"model ready"') == workers, "all processes", within_s=400)
        log.wait_for_well()
        source.may_answer.clear()
        source.held = f"{folder}/held.jpg"
        held = [pool.submit(click, server.url, 1000 + each, 1, source.held) for each in range(_HELD)]
        wait_until(lambda: source.asked.count(source.held) == _HELD, "clicks that wait", within_s=60)

        told = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(server.url), "the end of the port", within_s=100)
        assert not any(each.done() for each in held)
        source.may_answer.set()
        answered = [each.result() for each in held]
        assert server.process.wait(100) == 0
        record_property("seconds_to_end", time.monotonic() - told)
    assert all(each.is_well and each.answered > told for each in answered)
    assert {click.outcome for click in log.clicks} <= {200, "refused"}
    assert all(click.is_well for click in log.clicks if click.outcome == 200)


def test_sigterm_hands_over_what_waits_for_redis(tmp_path: Path, redis: Redis, jobs: JobQueue) -> None:
    settings = {
        "RITM_REDIS_URL": redis.url,
        "RITM_FINETUNE_SOURCE": "s3://labels/team",
        "RITM_FINETUNE_AFTER": "3",
    }
    with ritm_serve(tmp_path, settings, health="/live") as server:
        with redis.hanging():
            for _ in range(3):
                event = {"action": "ANNOTATION_CREATED"}
                assert requests.post(f"{server.url}/webhook", json=event, timeout=30).ok
            server.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_refused(server.url), "the end of the port", within_s=100)
        assert server.process.wait(100) == 0
    assert len(jobs.jobs()) == 1
