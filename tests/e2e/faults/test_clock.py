"""The clock of the machine is set forward and back while annotators click."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from annotators import annotators, click
from backend import ritm_serve
from image_source import PERSONAL_TOKEN, ImageSource
from processes import Server, wait_until

PICTURE = "/data/upload/clock/known.jpg"
WRONG_CLOCK = """
import time
from pathlib import Path

real, days = time.time, Path({days!r})
time.time = lambda: real() + 86_400 * float(days.read_text())
time.time_ns = lambda: int(time.time() * 1e9)
"""
"""For Python's start: its wall clock goes wrong by so many days as a file says, and no other clock does."""


def set_clock(setting: Path, days: int) -> None:
    """Make the clock wrong by so many days, at once: a server that reads half a number answers 500."""
    written = setting.with_suffix(".new")
    written.write_text(str(days))
    written.replace(setting)


def days_off(server: Server) -> int:
    """By how many days the clock of the server is wrong, as its last line of log has it."""
    lines = [line for line in server.text().splitlines() if line.startswith("{") and line.endswith("}")]
    difference = datetime.fromisoformat(json.loads(lines[-1])["time"]) - datetime.now(timezone.utc)
    return round(difference / timedelta(days=1))


def test_the_clock_is_set(image_settings: Mapping[str, str], source: ImageSource, tmp_path: Path) -> None:
    setting = tmp_path / "days"
    set_clock(setting, 0)
    (tmp_path / "sitecustomize.py").write_text(WRONG_CLOCK.format(days=str(setting)))
    settings = {
        **image_settings,
        "PYTHONPATH": str(tmp_path),
        "LABEL_STUDIO_API_KEY": PERSONAL_TOKEN,
        "RITM_RATE_PER_MINUTE": "6000",
        "RITM_SESSION_TTL_SECONDS": "600",
    }
    exchanges = source.exchanges
    with (
        ritm_serve(tmp_path, settings) as server,
        annotators(server.url, lambda task: f"/data/upload/clock/{task}.jpg") as log,
    ):
        first = click(server.url, 1000, 3, PICTURE)
        for days in (2, -2, 0):
            set_clock(setting, days)
            wait_until(lambda days=days: days_off(server) == days, "another day", within_s=30)
            assert click(server.url, 1000, 3, PICTURE).mask == first.mask
            log.wait_for_well()
    assert first.is_well
    assert [click for click in log.clicks if not click.is_well] == [], (
        "the rate limit gives everybody their places"
    )
    assert source.asked.count(PICTURE) == 1, "no session is forgotten"
    assert source.exchanges == exchanges + 1, "no token is taken for expired"
