"""For everybody: with keys only, with fingers, in light and dark, and read aloud."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from demo_page import BESIDE_IT, ON_A_COIN, Demo, prompt_in
from PIL import Image
from playwright.sync_api import Browser, Page, Request, ViewportSize, expect
from processes import Server

PHONE: ViewportSize = {"width": 360, "height": 740}
LARGE_PHONE: ViewportSize = {"width": 390, "height": 844}
LAPTOP: ViewportSize = {"width": 1280, "height": 800}
MOST_STOPS = 60


def tab_to(page: Page, selector: str, key: str = "Tab") -> None:
    """Press a key until an element has the focus."""
    for _ in range(MOST_STOPS):
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not lead to {selector}.")


def test_a_whole_session_with_keys_only(demo: Demo) -> None:
    page, press = demo.page, demo.page.keyboard.press
    tab_to(page, '[title="Nuclei"]')
    press("Enter")
    demo.wait_open("nuclei_fl.jpg")
    tab_to(page, "#canvas", "Shift+Tab")
    press("ArrowLeft")
    press("Enter")
    demo.settle()
    (first,) = demo.clicks()
    for key in ("ArrowDown", "ArrowDown", "Shift+ArrowRight", "Shift+Enter"):
        press(key)
    demo.settle()
    clicks = demo.clicks()
    scale, _, _ = demo.view()
    assert [click.is_positive for click in clicks] == [True, False]
    assert (clicks[1].x, clicks[1].y) == pytest.approx((first.x + 1 / scale, first.y + 32 / scale))
    press("Space")
    press("Enter")
    demo.settle()
    expect(page.locator("#objects li")).to_have_count(2)
    press("+")
    assert demo.view()[0] > scale
    press("0")

    tab_to(page, "#objects .name")
    press("Control+a")
    page.keyboard.type("Cell a 1")
    tab_to(page, "#save-coco")
    with page.expect_download() as saved:
        press("Enter")
    coco = json.loads(saved.value.path().read_text())
    assert [category["name"] for category in coco["categories"]] == ["Cell a 1", "Object 2"]
    tab_to(page, "#objects .delete", "Shift+Tab")
    press("Space")
    expect(page.locator("#objects li")).to_have_count(1)
    tab_to(page, "#threshold")
    press("ArrowLeft")
    demo.settle()
    assert demo.prompts[-1]["threshold"] == pytest.approx(0.48)


@pytest.fixture
def phone(server: Server, browser: Browser) -> Iterator[Demo]:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    demo = Demo(context.new_page())
    demo.go(server.url)
    demo.wait_open()
    yield demo
    context.close()
    assert demo.troubles == []


class Fingers:
    """Touches of the screen, as Chromium gets them from its driver."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)

    def touch(self, kind: str, *places: tuple[float, float]) -> None:
        points = [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(places)]
        self._session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def test_taps_and_a_long_touch_are_clicks(phone: Demo) -> None:
    phone.page.touchscreen.tap(*phone.place(*ON_A_COIN))
    phone.settle()
    phone.page.locator("#sign").tap()
    phone.page.touchscreen.tap(*phone.place(*BESIDE_IT))
    phone.settle()
    assert [click.is_positive for click in phone.clicks()] == [True, False]
    phone.page.locator("#sign").tap()

    def ends_negatively(request: Request) -> bool:
        return request.url.endswith("/demo/click") and signs(prompt_in(request)) == [True, False, False]

    fingers = Fingers(phone.page)
    with phone.page.expect_request(ends_negatively):
        fingers.touch("touchStart", phone.place(*BESIDE_IT))
    fingers.touch("touchEnd")
    phone.settle()
    assert phone.facts()[0].endswith("3 clicks")
    phone.page.locator("#undo").tap()
    assert phone.facts()[0].endswith("2 clicks")


def signs(prompt: dict[str, Any]) -> list[bool]:
    return [is_positive for _, _, is_positive in prompt["clicks"]]


def test_two_fingers_zoom_and_one_pans(phone: Demo) -> None:
    fingers = Fingers(phone.page)
    x, y = phone.place(190, 150)
    scale, _, _ = phone.view()
    fingers.touch("touchStart", (x - 30, y))
    fingers.touch("touchStart", (x - 30, y), (x + 30, y))
    for step in range(1, 7):
        fingers.touch("touchMove", (x - 30 - 10 * step, y), (x + 30 + 10 * step, y))
    fingers.touch("touchEnd")
    zoomed, _, _ = phone.view()
    assert zoomed == pytest.approx(3 * scale, rel=0.1)
    assert phone.place(190, 150) == pytest.approx((x, y), abs=12)

    fingers.touch("touchStart", (x, y))
    for step in range(1, 7):
        fingers.touch("touchMove", (x - 10 * step, y - 5 * step))
    fingers.touch("touchEnd")
    phone.settle()
    assert phone.view()[0] == zoomed
    assert phone.place(190, 150) == pytest.approx((x - 60, y - 30), abs=14)
    assert phone.facts() == [], "none of this is a click"


def test_a_finger_draws_and_two_zoom_whatever_the_tool(phone: Demo) -> None:
    phone.page.locator("#lasso").tap()
    fingers = Fingers(phone.page)
    ring = [phone.place(*place) for place in ((80, 195), (101, 172), (125, 195), (101, 217), (82, 199))]
    fingers.touch("touchStart", ring[0])
    for place in ring[1:]:
        fingers.touch("touchMove", place)
    fingers.touch("touchEnd")
    phone.settle()
    assert len(phone.prompts[-1]["lasso"]) >= len(ring)
    assert phone.facts()[0].endswith("lasso")

    scale, _, _ = phone.view()
    (x, y), count = phone.place(190, 150), len(phone.prompts)
    fingers.touch("touchStart", (x - 30, y))
    fingers.touch("touchStart", (x - 30, y), (x + 30, y))
    fingers.touch("touchMove", (x - 60, y), (x + 60, y))
    fingers.touch("touchEnd")
    assert phone.view()[0] > 1.5 * scale
    assert len(phone.prompts) == count, "nothing is drawn"


def test_all_of_a_tall_picture_is_seen_on_a_phone(phone: Demo, tmp_path: Path) -> None:
    width, height = 300, 700
    Image.new("RGB", (width, height), "teal").save(tmp_path / "tall.png")
    phone.open(tmp_path / "tall.png")
    tools = phone.page.locator("#tools").bounding_box()
    assert tools is not None
    assert phone.place(0, height)[1] < tools["y"]


_UNREADABLE = """() => {
    const boxOf = (element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return range.getBoundingClientRect();
    };
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const isOnScreen = ({ left, top, right, bottom, width }) =>
        width > 0 && left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
    const isCut = ({ scrollWidth, clientWidth }) => clientWidth > 0 && scrollWidth > clientWidth + 1;
    const others = [...document.querySelectorAll("button, input, #tools")].filter((one) => one.offsetParent);
    const troubles = (element) => {
        element.scrollIntoView({ block: "nearest" });
        const box = boxOf(element);
        const beside = others.filter((one) => meet(box, one.getBoundingClientRect()));
        return [
            ...(isOnScreen(box) ? [] : ["beside the screen"]),
            ...(parseFloat(getComputedStyle(element).fontSize) < 12 ? ["too small"] : []),
            ...([element, element.parentElement].some(isCut) ? ["cut off"] : []),
            ...beside.map((one) => `under ${one.id || one.className}`),
        ].map((trouble) => `${element.textContent}: ${trouble}`);
    };
    return [...document.querySelectorAll("#status, #objects .facts > span")].flatMap(troubles);
}"""
"""Sentences about text of the page that cannot be read."""


def test_the_status_and_the_points_of_polygons_are_read_on_a_phone(phone: Demo) -> None:
    page = phone.page
    page.touchscreen.tap(*phone.place(*ON_A_COIN))
    phone.settle()
    page.locator("#polygons").tap()
    expect(page.locator("#objects .facts")).to_contain_text("points")
    for size in (PHONE, LARGE_PHONE):
        page.set_viewport_size(size)
        page.evaluate("scrollTo(0, 0)")
        phone.view()
        assert page.locator("#status").inner_text()
        assert page.evaluate(_UNREADABLE) == []
        page.evaluate("document.getElementById('status').textContent = 'Word '.repeat(30)")
        assert page.evaluate(_UNREADABLE) == []


PRESSED = "button, summary, input[type=color], input[type=range]"
SMALL = """(pressed) => [...document.querySelectorAll(pressed)]
    .filter((button) => button.checkVisibility())
    .filter((button) => Math.min(button.offsetWidth, button.offsetHeight) < 40)
    .map((button) => button.outerHTML)"""


def test_a_thumb_hits_every_button_of_a_phone(phone: Demo) -> None:
    phone.page.touchscreen.tap(*phone.place(*ON_A_COIN))
    phone.settle()
    expect(phone.page.locator("#objects li")).to_have_count(1)
    assert phone.page.evaluate(SMALL, PRESSED) == []


def test_nothing_sticks_out_on_a_phone(phone: Demo) -> None:
    for summary in phone.page.locator("summary:visible").all():
        summary.tap()
    assert phone.page.evaluate("() => document.documentElement.scrollWidth") == PHONE["width"]


@pytest.mark.parametrize("viewport", [LAPTOP, PHONE])
def test_no_button_sticks_out_of_its_box(server: Server, browser: Browser, viewport: ViewportSize) -> None:
    demo = Demo(browser.new_context(viewport=viewport).new_page())
    demo.go(server.url)
    demo.wait_open()
    demo.click(*ON_A_COIN)
    sticking_out = """() => [...document.querySelectorAll("#tools button, aside section button")]
        .filter((button) => button.checkVisibility())
        .filter((button) => {
            const inner = button.getBoundingClientRect();
            const outer = button.closest("#tools, section").getBoundingClientRect();
            const isOutside = inner.left < outer.left || inner.right > outer.right;
            return isOutside || button.scrollWidth > button.offsetWidth;
        })
        .map((button) => button.id)"""
    assert demo.page.evaluate(sticking_out) == []


@pytest.mark.parametrize(("viewport", "scheme"), [(LAPTOP, "light"), (LAPTOP, "dark"), (PHONE, "dark")])
def test_axe_finds_nothing(server: Server, browser: Browser, viewport: ViewportSize, scheme: Any) -> None:
    context = browser.new_context(viewport=viewport, color_scheme=scheme)
    demo = Demo(context.new_page())
    demo.go(server.url)
    demo.wait_open()
    demo.click(*ON_A_COIN)
    demo.page.locator("#latency").click()
    for summary in demo.page.locator("summary:visible").all():
        summary.click()
    expect(demo.page.locator(".server-facts")).to_contain_text("ready")
    report = Axe().run(demo.page)
    assert report.violations_count == 0, report.generate_report()
    context.close()


def test_light_and_dark_are_chosen_and_kept(demo: Demo) -> None:
    colour = "() => getComputedStyle(document.body).backgroundColor"
    light = demo.page.evaluate(colour)
    demo.page.get_by_role("button", name="Light or dark").click()
    dark = demo.page.evaluate(colour)
    assert light != dark
    demo.page.reload()
    demo.wait_open()
    assert demo.page.evaluate(colour) == dark
