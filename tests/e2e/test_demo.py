"""The demo over the real server in a real browser: what is clicked, shown, undone, saved and loaded."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from backend import RITM
from PIL import Image
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright
from processes import ROOT, Server, chromium, free_port, serving
from pycocotools import mask as coco_mask

from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.inference import Predictor, ZoomIn, open_predictor

SAMPLES = ROOT / "tests/samples/images"
COINS = SAMPLES / "coins.jpg"
ON_A_COIN = (101, 195)
ALSO_ON_IT = (106, 179)
BESIDE_IT = (69, 194)
ON_ANOTHER = (163, 190)
QUIET_BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
Mask = npt.NDArray[np.bool_]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    """`ritm demo coins.jpg`, with a browser that only notes the address it was given."""
    note = folder / "browser"
    note.write_text(f'#!/bin/sh\nprintf %s "$1" > {folder}/address\n')
    note.chmod(0o755)
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BROWSER": f"{note} %s",
        "OMP_WAIT_POLICY": "passive",
        "OMP_NUM_THREADS": "1",
    }
    command = [RITM, "demo", COINS, "--cpu", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    log = folder / "demo.log"
    with serving(command, environment, log, url=url, health="/ready", within_s=120) as running:
        yield running


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return open_predictor("bundled", "cpu")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    executable = chromium()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=QUIET_BROWSER) as browser,
    ):
        yield browser


@dataclass
class Demo:
    """The page with a picture open, and what it has asked the server."""

    page: Page
    prompts: list[dict[str, Any]] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on(
            "console", lambda line: self.troubles.append(line.text) if line.type == "error" else None
        )

    def _asked(self, request: Request) -> None:
        self.addresses.add(request.url.partition("://")[2].partition("/")[0])
        if request.url.endswith("/demo/click"):
            body = request.post_data_buffer or b""
            self.prompts.append(json.loads(body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0]))

    def open(self, path: Path) -> None:
        self.page.locator("#open-file").set_input_files(path)
        self.wait_open()

    def wait_open(self) -> None:
        expect(self.page.locator("#status")).to_contain_text("Click on an object", timeout=60_000)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the middle of a pixel of the picture is on the page."""
        canvas = self.page.locator("#canvas")
        box = canvas.bounding_box()
        assert box is not None
        scale, left, top = map(float, str(canvas.get_attribute("data-view")).split())
        return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale

    def click(self, x: float, y: float, *, right: bool = False) -> None:
        self.page.mouse.click(*self.place(x, y), button="right" if right else "left")
        self.settle()

    def settle(self) -> None:
        expect(self.page.locator("#stage:not(.busy)")).to_be_visible(timeout=120_000)

    def clicks(self) -> list[Click]:
        """Those of the last prompt."""
        return [Click(x, y, is_positive) for x, y, is_positive in self.prompts[-1]["clicks"]]

    def saved(self, kind: str) -> bytes:
        with self.page.expect_download() as info:
            self.page.locator(f"#save-{kind}").click()
        return Path(info.value.path()).read_bytes()

    def mask(self) -> Mask:
        """The mask of the only object."""
        pixels = np.asarray(Image.open(io.BytesIO(self.saved("each"))))
        assert set(np.unique(pixels)) <= {0, 255}
        return pixels > 0

    def facts(self) -> list[str]:
        return self.page.locator("#objects .facts").all_inner_texts()


@pytest.fixture
def demo(server: Server, browser: Browser) -> Iterator[Demo]:
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    demo = Demo(context.new_page())
    demo.watch()
    demo.page.goto(server.url)
    demo.wait_open()
    yield demo
    context.close()
    assert demo.troubles == []
    assert demo.addresses == {server.url.partition("://")[2]}, "nothing may come from other hosts"


@pytest.fixture(scope="module")
def pixels() -> npt.NDArray[np.uint8]:
    return decode_image(COINS.read_bytes())


def test_the_command_opens_the_browser_with_the_picture(demo: Demo, server: Server, folder: Path) -> None:
    assert (folder / "address").read_text() == server.url
    expect(demo.page.locator("#status")).to_contain_text("coins.jpg, 384")
    demo.page.get_by_text("Server", exact=True).click()
    expect(demo.page.locator(".server-facts")).to_contain_text("ready")
    demo.page.get_by_role("button", name="Open the sample Fruit").click()
    expect(demo.page.locator("#status")).to_contain_text("fruit.jpg")


def test_clicks_paint_the_mask_of_the_predictor(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    demo.click(*ON_A_COIN)
    demo.click(*BESIDE_IT, right=True)
    demo.page.keyboard.down("Alt")
    demo.click(*ON_ANOTHER)
    demo.page.keyboard.up("Alt")

    clicks = demo.clicks()
    assert [click.is_positive for click in clicks] == [True, False, False]
    for click, (x, y) in zip(clicks, (ON_A_COIN, BESIDE_IT, ON_ANOTHER), strict=True):
        assert (click.x, click.y) == pytest.approx((x + 0.5, y + 0.5), abs=0.5)
    state = predictor.replay(predictor.start(pixels), clicks)
    assert np.array_equal(demo.mask(), state.mask)
    assert f"{state.mask.sum():,} px · 3 clicks" in demo.facts()
    expect(demo.page.locator("#latency")).to_contain_text("ms")


def test_undo_and_redo_show_what_was_without_asking(demo: Demo) -> None:
    demo.click(*ON_A_COIN)
    one = demo.facts()
    demo.click(*ALSO_ON_IT)
    two = demo.facts()
    asked = len(demo.prompts)

    demo.page.keyboard.press("Control+z")
    assert demo.facts() == one
    demo.page.locator("#redo").click()
    assert demo.facts() == two
    demo.page.keyboard.press("Control+z")
    demo.page.locator("#undo").click()
    assert demo.facts() == []
    expect(demo.page.locator("#undo")).to_be_disabled()
    demo.page.keyboard.press("Control+Shift+z")
    assert demo.facts() == one
    demo.page.keyboard.press("Escape")
    assert demo.facts() == []
    assert len(demo.prompts) == asked


def test_fast_clicks_are_merged_and_none_is_lost(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    demo.page.get_by_text("ZoomIn", exact=True).click()
    demo.page.locator("#target-size").fill("96")
    demo.page.locator("#target-size").blur()
    places = [demo.place(90 + 2 * (n % 10), 180 + 4 * (n // 10)) for n in range(50)]
    for n, (x, y) in enumerate(places):
        demo.page.mouse.click(x, y, button="right" if n % 7 == 6 else "left")
    demo.settle()

    clicks = demo.clicks()
    assert [click.is_positive for click in clicks] == [n % 7 != 6 for n in range(50)]
    assert len(demo.prompts) < len(places), "clicks made while one runs belong to the next request"
    small = replace(predictor.options, zoom_in=ZoomIn(target_size=96, skip_clicks=-1))
    quick = Predictor(predictor.engine, small)
    assert np.array_equal(demo.mask(), quick.replay(quick.start(pixels), clicks).mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools decodes so
def test_saved_files_agree_and_load_again(demo: Demo, tmp_path: Path) -> None:
    demo.click(*ON_A_COIN)
    demo.page.keyboard.press("Space")
    demo.click(*ON_ANOTHER)
    demo.page.locator("#objects .name").first.fill("5 <b>pence</b>")

    indexed = demo.saved("indexed")
    picture = Image.open(io.BytesIO(indexed))
    assert picture.mode == "P"
    values = np.asarray(picture)
    with zipfile.ZipFile(io.BytesIO(demo.saved("each"))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        each = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) > 0 for name in names]
    assert names == ["01-5_b_pence_b_.png", "02-Object_2.png"]
    coco = json.loads(demo.saved("coco"))
    assert [category["name"] for category in coco["categories"]] == ["5 <b>pence</b>", "Object 2"]
    assert len(coco["annotations"]) == 2
    for number, (mask, annotation) in enumerate(zip(each, coco["annotations"], strict=True), 1):
        rle = annotation["segmentation"]
        assert np.array_equal(coco_mask.decode(rle), mask)
        assert annotation["area"] == coco_mask.area(rle) == mask.sum() > 0
        assert annotation["bbox"] == coco_mask.toBbox(rle).tolist()
        later = np.any(each[number:], axis=0) if number < len(each) else np.zeros_like(mask)
        assert np.array_equal(values == number, mask & ~later)

    (tmp_path / "masks.png").write_bytes(indexed)
    demo.open(COINS)
    demo.page.locator("#load-mask-file").set_input_files(tmp_path / "masks.png")
    expect(demo.page.locator("#objects li")).to_have_count(2)
    demo.settle()
    again = Image.open(io.BytesIO(demo.saved("indexed")))
    assert np.array_equal(np.asarray(again), values)


def test_a_loaded_mask_is_corrected_and_kept_in_parts(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    mask = np.zeros(pixels.shape[:2], bool)
    mask[180:215, 85:120] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    demo.page.locator("#load-mask-file").set_input_files(tmp_path / "mask.png")
    expect(demo.page.locator("#status")).to_contain_text(f"{mask.sum():,} pixels")
    demo.click(*ON_A_COIN)
    corrected = predictor.replay(predictor.start(pixels, mask), demo.clicks()).mask
    assert np.array_equal(demo.mask(), corrected)

    demo.page.keyboard.press("a")
    demo.click(*ON_ANOTHER)
    fresh = predictor.replay(predictor.start(pixels), demo.clicks()).mask
    assert len(demo.clicks()) == 1
    assert np.array_equal(demo.mask(), corrected | fresh)


def test_everything_by_keys(demo: Demo) -> None:
    page = demo.page
    page.locator("#canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    demo.settle()
    (first,) = demo.clicks()
    for key in ("ArrowDown", "ArrowDown", "Shift+ArrowRight", "Shift+Enter"):
        page.keyboard.press(key)
    demo.settle()
    clicks = demo.clicks()
    scale = float(str(page.locator("#canvas").get_attribute("data-view")).split()[0])
    assert [click.is_positive for click in clicks] == [True, False]
    assert (clicks[1].x, clicks[1].y) == pytest.approx((first.x + 1 / scale, first.y + 32 / scale))
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    demo.settle()
    expect(page.locator("#objects li")).to_have_count(2)


def test_the_wheel_zooms_at_the_cursor_and_a_drag_pans(demo: Demo) -> None:
    page = demo.page
    before = demo.place(*ON_A_COIN)
    page.mouse.move(*before)
    fitted = str(page.locator("#canvas").get_attribute("data-view"))
    page.mouse.wheel(0, -600)
    expect(page.locator("#canvas")).not_to_have_attribute("data-view", fitted)
    assert demo.place(*ON_A_COIN) == pytest.approx(before, abs=3)
    middle = demo.place(200, 150)

    page.mouse.down()
    page.mouse.move(before[0] - 40, before[1] + 30, steps=4)
    page.mouse.up()
    demo.settle()
    assert demo.place(200, 150) == pytest.approx((middle[0] - 40, middle[1] + 30), abs=2)
    assert demo.facts() == [], "a drag is no click"


def test_controls_change_what_they_say(demo: Demo) -> None:
    page = demo.page
    demo.click(*ON_A_COIN)
    before = demo.facts()
    page.locator("#threshold").fill("0.2")
    demo.settle()
    assert demo.prompts[-1]["threshold"] == 0.2
    assert demo.facts() != before

    asked = len(demo.prompts)
    page.locator("#alpha").fill("0.9")
    page.locator("#radius").fill("3")
    page.locator("#objects .eye").click()
    page.locator("#objects .eye").click()
    assert len(demo.prompts) == asked, "how masks look is nobody's business but the page's"

    page.get_by_text("ZoomIn", exact=True).click()
    page.locator("#target-size").fill("200")
    page.locator("#fixed").check()
    demo.settle()
    zoom_in = {"fixed": True, "skip_clicks": -1, "target_size": 200, "expand_ratio": 1.4}
    assert demo.prompts[-1]["options"]["zoom_in"] == zoom_in
    page.locator("#zoom-in").uncheck()
    demo.settle()
    assert demo.prompts[-1]["options"]["zoom_in"] is None
    page.locator("#defaults").click()
    demo.settle()
    assert demo.facts() == before


def test_fingers_on_a_phone(server: Server, browser: Browser) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    demo = Demo(context.new_page())
    demo.watch()
    demo.page.goto(server.url)
    demo.wait_open()
    demo.page.touchscreen.tap(*demo.place(*ON_A_COIN))
    demo.settle()
    demo.page.locator("#sign").tap()
    demo.page.touchscreen.tap(*demo.place(*BESIDE_IT))
    demo.settle()
    assert [click.is_positive for click in demo.clicks()] == [True, False]
    width = demo.page.evaluate("() => document.documentElement.scrollWidth")
    assert width == 390, "nothing may stick out"
    assert demo.troubles == []
    context.close()
