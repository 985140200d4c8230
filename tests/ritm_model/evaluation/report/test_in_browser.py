"""The report in a real browser without a network: everything is in the one file, and people can read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from click.testing import CliRunner
from demo_page import quiet_chromium
from playwright.sync_api import Browser, Page

from ritm_model.cli.report import report

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PHONE, DESK = (390, 844), (1280, 900)
BROKEN = "[...document.images].filter((image) => !image.complete || !image.naturalWidth).length"
WIDER_THAN_THE_WINDOW = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
FLAT_CHARTS = """[...document.querySelectorAll('svg[role="img"]')].filter((chart) => {
    const box = chart.getBoundingClientRect();
    return box.width < 200 || box.height < 100 || !chart.querySelector("polyline, rect");
}).length"""


@pytest.fixture(scope="module")
def file(evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report that has been moved away from everything it was made of."""
    out = tmp_path_factory.mktemp("report") / "report.html"
    made = CliRunner().invoke(report, [str(evaluated / "out"), "--out", str(out), "--worst", "2"])
    assert made.exit_code == 0, made.output
    return out


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_chromium() as browser:
        yield browser


def opened(
    browser: Browser, file: Path, size: tuple[int, int], scheme: Literal["light", "dark"] = "light"
) -> tuple[Page, list[str]]:
    """The page, and what it asked for or complained about; there should be nothing."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, offline=True, color_scheme=scheme
    )
    page = context.new_page()
    troubles: list[str] = []
    page.on("console", lambda line: troubles.append(line.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "data:")) else troubles.append(asked.url),
    )
    page.goto(file.as_uri())
    return page, troubles


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_it_opens_without_a_network_and_is_complete(browser, file, size) -> None:
    page, troubles = opened(browser, file, size)
    assert page.locator("h1").inner_text() == "Clicks to a good mask: drawings"
    assert page.locator(".strip img").count() == 4  # two objects, two clicks each
    for picture in page.locator(".strip img").all():
        picture.scroll_into_view_if_needed()
    assert page.evaluate(BROKEN) == 0
    assert page.evaluate(FLAT_CHARTS) == 0
    assert not page.evaluate(WIDER_THAN_THE_WINDOW)
    assert page.evaluate("getComputedStyle(document.querySelector('.strip')).overflowX") == "auto"  # styled
    assert troubles == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_can_be_read_by_everybody(browser, file, scheme) -> None:
    page, _ = opened(browser, file, DESK, scheme)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.context.close()
