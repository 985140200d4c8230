"""A box that is drawn with the mouse says where an object is, and clicks correct its mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from demo_page import BESIDE_IT, ON_A_COIN, ON_ANOTHER, Demo, Mask
from playwright.sync_api import expect

from ritm_model.clicks import Click
from ritm_model.inference import Box, Predictor

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
