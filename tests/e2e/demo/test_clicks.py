"""What is clicked is asked for at once, shown as `ritm predict` would, and can be undone."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from backend import RITM
from demo_page import ALSO_ON_IT, BESIDE_IT, COINS, ON_A_COIN, ON_ANOTHER, Demo, prompt_in
from PIL import Image
from playwright.sync_api import expect
from processes import Server

from ritm_model.clicks import Click
from ritm_model.inference import Annotator, Predictor, Prompt


def test_the_command_opens_the_browser_with_the_picture(demo: Demo, server: Server, folder: Path) -> None:
    assert (folder / "address").read_text() == server.url
    demo.wait_open("coins.jpg")


def test_clicks_paint_the_mask_of_ritm_predict(
    demo: Demo, environment: dict[str, str], tmp_path: Path
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
    command = [RITM, "predict", COINS, "--device", "cpu", "--output", tmp_path / "mask.png"]
    for click in clicks:
        command += ["--click", f"{'' if click.is_positive else '-'}{click.x!r},{click.y!r}"]
    subprocess.run(command, env=environment, check=True, timeout=100, capture_output=True)
    expected = np.asarray(Image.open(tmp_path / "mask.png")) > 0
    assert expected.any()
    assert np.array_equal(demo.mask(), expected)
    assert demo.facts() == [f"{expected.sum():,} px · 3 clicks"]


def test_a_mask_is_asked_for_while_the_button_is_down(demo: Demo) -> None:
    demo.page.mouse.move(*demo.place(*ON_A_COIN))
    with demo.page.expect_request("**/demo/click") as asked:
        demo.page.mouse.down()
    assert len(prompt_in(asked.value)["clicks"]) == 1
    demo.settle()
    demo.page.mouse.up()
    assert len(demo.prompts) == 1, "letting go costs nothing"
    expect(demo.page.locator("#undo")).to_be_enabled()


def test_the_latency_is_told_by_stage(demo: Demo) -> None:
    demo.click(320, 250)  # where no other test has clicked, or the server would remember the mask
    demo.page.get_by_role("button", name="ms").click()
    stages = demo.page.locator("#stages")
    expect(stages).to_contain_text("painting")
    for stage in ("on the way", "server: network", "server: encode the mask"):
        expect(stages).to_contain_text(stage)
    demo.page.locator("#latency").click()
    expect(stages).to_be_hidden()


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
    expect(demo.page.locator("#redo")).to_be_enabled()
    demo.page.keyboard.press("Escape")
    assert demo.facts() == []
    demo.page.locator("#undo").click()
    demo.page.locator("#reset").click()
    assert demo.facts() == []
    assert len(demo.prompts) == asked


def test_fast_clicks_are_merged_and_none_is_lost(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    demo.unfold("ZoomIn")
    demo.page.locator("#target-size").fill("96")
    demo.page.locator("#target-size").blur()
    places = [demo.place(90 + 2 * (n % 10), 180 + 4 * (n // 10)) for n in range(50)]
    for n, (x, y) in enumerate(places):
        demo.page.mouse.click(x, y, button="right" if n % 7 == 6 else "left")
    demo.settle()

    clicks = demo.clicks()
    assert [click.is_positive for click in clicks] == [n % 7 != 6 for n in range(50)]
    assert len(demo.prompts) < len(places), "clicks made while one runs belong to the next request"
    usual = predictor.options.zoom_in
    assert usual is not None
    shown = replace(usual, target_size=96, first_size=None, late_size=None)
    small = replace(predictor.options, zoom_in=shown)
    # The same requests in turn; a replay would differ, for many clicks at once take few runs.
    annotator = Annotator(Predictor(predictor.engine, small))
    for prompt in demo.prompts:
        asked = tuple(Click(*click) for click in prompt["clicks"])
        state = annotator.segment(Prompt("page", asked), lambda: pixels)
    assert state.clicks == tuple(clicks)
    assert np.array_equal(demo.mask(), state.mask)


def test_objects_are_finished_partly_or_wholly(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    def alone() -> npt.NDArray[np.bool_]:
        (click,) = demo.clicks()
        return predictor.replay(predictor.start(pixels), [click]).mask

    demo.click(*ON_A_COIN)
    first = alone()
    demo.page.keyboard.press("a")
    demo.click(*ON_ANOTHER)
    assert np.array_equal(demo.mask(), first | alone()), "a part stays, and clicks begin afresh"

    # The button that was pressed last has not kept the keys.
    demo.page.keyboard.press("Space")
    demo.click(*ALSO_ON_IT)
    demo.page.locator("#partly").click()
    demo.page.locator("#finish").click()
    expect(demo.page.locator("#objects li")).to_have_count(2)
    expect(demo.page.locator("#finish")).to_be_disabled()


def test_the_wheel_zooms_at_the_cursor_and_a_drag_pans(demo: Demo) -> None:
    page = demo.page
    before = demo.place(*ON_A_COIN)
    page.mouse.move(*before)
    fitted = str(page.locator("#canvas").get_attribute("data-view"))
    page.mouse.wheel(0, -600)
    expect(page.locator("#canvas")).not_to_have_attribute("data-view", fitted)
    assert demo.place(*ON_A_COIN) == pytest.approx(before, abs=3)

    for button in ("left", "right", "middle"):
        middle = demo.place(200, 150)
        page.mouse.move(*before)
        page.mouse.down(button=button)
        page.mouse.move(before[0] - 40, before[1] + 30, steps=4)
        page.mouse.up(button=button)
        demo.settle()
        assert demo.place(200, 150) == pytest.approx((middle[0] - 40, middle[1] + 30), abs=2)
    assert demo.facts() == [], "a drag is no click"

    page.locator("#zoom-out-view").click()
    page.locator("#zoom-in-view").click()
    page.keyboard.press("0")
    expect(page.locator("#canvas")).to_have_attribute("data-view", fitted)
