"""The machine runs out of memory and of disk while annotators click."""

from __future__ import annotations

import re
import resource
import shutil
import time
from pathlib import Path
from typing import Any

import requests
from annotators import annotators
from backend import serving_pids
from fault_servers import MODEL, Models, Storage, limited
from image_source import ImageSource, photograph
from processes import Server, wait_until

MB = 1024 * 1024


def virtual_bytes(pid: int) -> int:
    found = re.search(r"^VmSize:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def test_memory_runs_out(server: Server, source: ImageSource, record_property: Any) -> None:
    (pid,) = serving_pids(server)
    large = photograph(6000, 4500)  # 81 MB once decoded
    with annotators(server.url, lambda task: f"/data/upload/memory/{task}.jpg") as log:
        log.wait_for_well()
        with limited(pid, resource.RLIMIT_AS, virtual_bytes(pid) + 16 * MB), source.showing(large):
            log.wait_for(lambda clicks: sum(click.outcome == 503 for click in clicks) >= 3, "want of memory")
            assert requests.get(f"{server.url}/health", timeout=5).status_code == 200
        ended = time.monotonic()
        log.wait_for_well()
    assert serving_pids(server) == [pid]
    refused = [click for click in log.clicks if not click.is_well]
    assert {click.outcome for click in refused} == {503}
    for click in refused:
        assert "not enough memory" in click.message
        assert int(click.headers["Retry-After"]) >= 1
    assert '"out of memory"' in server.text()
    record_property("seconds_until_normal", log.seconds_until_well(ended))


def test_the_disk_is_full(server: Server, models: Models, storage: Storage, record_property: Any) -> None:
    def answering() -> str:
        versions: list[str] = requests.get(f"{server.url}/versions", timeout=30).json()["versions"]
        return versions[0]

    (pid,) = serving_pids(server)
    shutil.rmtree(server.log.parent / ".cache/ritm/models/registry" / MODEL)
    with annotators(server.url, lambda task: f"/data/upload/disk/{task}.jpg") as log:
        log.wait_for_well()
        with limited(pid, resource.RLIMIT_FSIZE, 0):
            size, asked = server.log.stat().st_size, storage.for_models.requests
            before, newer = models.promote_the_other()
            wait_until(lambda: storage.for_models.requests > asked + 12, "attempts to fetch", within_s=60)
            log.wait_for_well()
            assert answering() == before
            assert server.log.stat().st_size == size, "nothing can be written, not even the log"
        ended = time.monotonic()
        wait_until(lambda: answering() == newer, "the newer version", within_s=60)
        record_property("seconds_until_normal", time.monotonic() - ended)
        wait_until(lambda: server.log.stat().st_size > size, "lines in the log", within_s=60)
        log.wait_for_well()
    assert all(click.is_well for click in log.clicks)
    assert serving_pids(server) == [pid]
