"""Boxes, lassos and strokes that are drawn with the mouse; clicks correct the mask that they give."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from demo_page import BESIDE_IT, ON_A_COIN, ON_ANOTHER, Demo, Mask
from playwright.sync_api import expect

from ritm_model.clicks import Click
from ritm_model.inference import Box, Lasso, Predictor, Stroke, region_clicks, stroke_clicks

Button: TypeAlias = Literal["left", "right"]
AROUND_IT = ((80, 172), (125, 218))


def draw(demo: Demo, *keys: str, release: bool = True) -> None:
    page = demo.page
    (start, end) = AROUND_IT
    for key in keys:
        page.keyboard.down(key)
    page.mouse.move(*demo.place(*start))
    page.mouse.down()
    page.mouse.move(*demo.place(*end), steps=4)
    if release:
        page.mouse.up()
    for key in keys:
        page.keyboard.up(key)
    demo.settle()


def drawn(demo: Demo) -> Box:
    """That of the last prompt."""
    box = Box(*demo.prompts[-1]["box"])
    edges = [(box.left, box.top), (box.right, box.bottom)]
    assert edges == pytest.approx(np.array(AROUND_IT) + 0.5, abs=1)
    return box


def of_box(predictor: Predictor, pixels: npt.NDArray[np.uint8], box: Box, clicks: list[Click]) -> Mask:
    return predictor.replay(predictor.start(pixels, region=box), [box.centre, *clicks]).mask


def test_a_box_gives_a_mask_and_clicks_correct_it(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    before = demo.view()
    draw(demo, "Shift")
    assert demo.view() == before, "a drag with Shift does not pan"
    box = drawn(demo)
    mask = of_box(predictor, pixels, box, [])
    assert mask.any()
    assert np.array_equal(demo.mask(), mask)
    assert demo.facts() == [f"{mask.sum():,} px · box"]

    demo.click(*BESIDE_IT, right=True)
    corrected = of_box(predictor, pixels, box, demo.clicks())
    assert np.array_equal(demo.mask(), corrected)
    assert demo.facts() == [f"{corrected.sum():,} px · box · 1 click"]

    demo.page.keyboard.press("Control+z")
    demo.page.keyboard.press("Control+z")
    assert demo.facts() == []
    demo.page.keyboard.press("Control+Shift+z")
    demo.settle()
    assert np.array_equal(demo.mask(), mask)


def test_a_box_stands_once_the_button_comes_up(demo: Demo) -> None:
    (x, y), _ = AROUND_IT
    before = [demo.colour(x, row) for row in range(y + 5, y + 15)]
    draw(demo, "Shift", release=False)
    assert demo.prompts == []
    assert [demo.colour(x, row) for row in range(y + 5, y + 15)] != before, "it is drawn"
    demo.page.mouse.up()
    demo.settle()
    assert len(demo.prompts) == 1


def test_in_box_mode_drags_are_boxes_and_clicks_are_clicks(demo: Demo) -> None:
    demo.page.locator("#box").click()
    expect(demo.page.locator("#box")).to_have_attribute("aria-pressed", "true")
    demo.click(*ON_ANOTHER)
    assert demo.prompts[-1]["box"] is None
    draw(demo)
    drawn(demo)
    assert len(demo.facts()) == 2, "the box begins another object"
    demo.page.keyboard.press("b")
    expect(demo.page.locator("#box")).to_have_attribute("aria-pressed", "false")
    before, asked = demo.view(), len(demo.prompts)
    draw(demo)
    assert demo.view() != before, "a drag pans again"
    demo.page.keyboard.press("Space")
    demo.click(*ON_A_COIN)
    assert demo.prompts[asked:][-1]["box"] is None


RING = ((80, 195), (90, 175), (112, 174), (125, 195), (112, 217), (90, 216))


def trace(demo: Demo, places: tuple[tuple[int, int], ...], button: Button = "left") -> None:
    demo.page.mouse.move(*demo.place(*places[0]))
    demo.page.mouse.down(button=button)
    for place in places[1:]:
        demo.page.mouse.move(*demo.place(*place), steps=5)
    demo.page.mouse.up(button=button)
    demo.settle()


def test_a_lasso_gives_a_mask_and_clicks_correct_it(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    demo.page.keyboard.press("l")
    expect(demo.page.locator("#lasso")).to_have_attribute("aria-pressed", "true")
    before = demo.view()
    trace(demo, (*RING, RING[0]))
    assert demo.view() == before, "the drag does not pan"

    lasso = Lasso.of(demo.prompts[-1]["lasso"])
    overlap = lasso.mask(pixels.shape[:2]) ^ Lasso.of(np.array(RING) + 0.5).mask(pixels.shape[:2])
    assert overlap.sum() < 60, "the line is where the mouse has been"
    for clicks in ([], [BESIDE_IT]):
        for click in clicks:
            demo.click(*click, right=True)
        made = region_clicks(lasso, demo.clicks(), pixels.shape[:2], always=True)
        mask = predictor.replay(predictor.start(pixels, region=lasso), made).mask
        assert np.array_equal(demo.mask(), mask)
    assert demo.facts() == [f"{mask.sum():,} px · lasso · 1 click"]

    for _ in range(2):
        demo.page.keyboard.press("Control+z")
    assert demo.facts() == []


def test_strokes_add_and_take_away_and_are_undone_as_one(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    demo.page.locator("#stroke").click()
    trace(demo, (ON_A_COIN, (112, 186)))
    trace(demo, (BESIDE_IT, (70, 215)), button="right")
    strokes = demo.prompts[-1]["clicks"]
    assert [stroke["is_positive"] for stroke in strokes] == [True, False]

    def after(count: int) -> Mask:
        clicks = [
            click
            for stroke in strokes[:count]
            for click in stroke_clicks(Stroke(stroke["line"], stroke["is_positive"]), pixels.shape[:2])
        ]
        return predictor.replay(predictor.start(pixels), clicks).mask

    assert np.array_equal(demo.mask(), after(2))
    assert demo.facts() == [f"{after(2).sum():,} px · 2 strokes"]
    demo.page.keyboard.press("Control+z")
    assert np.array_equal(demo.mask(), after(1))
    assert demo.facts() == [f"{after(1).sum():,} px · 1 stroke"]

    demo.page.keyboard.press("s")
    expect(demo.page.locator("#stroke")).to_have_attribute("aria-pressed", "false")
    before = demo.view()
    trace(demo, (ON_ANOTHER, (200, 150)))
    assert demo.view() != before, "a drag pans again"


def test_a_press_with_a_tool_is_a_click(demo: Demo) -> None:
    for key in "bls":
        demo.page.keyboard.press(key)
        demo.click(*ON_A_COIN)
        demo.click(*BESIDE_IT, right=True)
        assert [click.is_positive for click in demo.clicks()] == [True, False]
        demo.page.keyboard.press("Escape")
