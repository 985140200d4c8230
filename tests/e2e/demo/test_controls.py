"""Each control changes what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from demo_page import ALSO_ON_IT, BESIDE_IT, ON_A_COIN, ON_ANOTHER, OTHER_MODEL, Demo
from playwright.sync_api import expect

from ritm_model.inference import Predictor, TorchEngine, ZoomIn, open_predictor
from ritm_model.inference.brs import BRS_MODES, BRSPredictor

Pixels = npt.NDArray[np.uint8]
BLUE = (0x3D, 0x8B, 0xFD)  # of the first object


def near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return max(abs(a - b) for a, b in zip(colour, other, strict=True)) <= 3


def test_the_threshold_costs_no_run(demo: Demo, predictor: Predictor, pixels: Pixels) -> None:
    demo.click(*ON_A_COIN)
    demo.page.locator("#threshold").fill("0.2")
    demo.settle()
    assert demo.prompts[-1]["threshold"] == 0.2
    state = predictor.replay(predictor.start(pixels), demo.clicks())
    assert np.array_equal(demo.mask(), state.probability > 0.2)


def test_opacity_and_radius_are_the_business_of_the_page_alone(demo: Demo) -> None:
    x, y = ON_A_COIN
    inside = (x + 8, y)
    bare = demo.colour(*inside)
    demo.click(x, y)
    marked = demo.colour(x, y)
    asked = len(demo.prompts)
    half = tuple((a + b) // 2 for a, b in zip(bare, BLUE, strict=True))
    assert near(demo.colour(*inside), half)
    demo.page.locator("#alpha").fill("1")
    assert near(demo.colour(*inside), BLUE)
    demo.page.locator("#radius").fill("0")
    assert near(demo.colour(x, y), BLUE)
    demo.page.locator("#alpha").fill("0")
    assert demo.colour(*inside) == bare
    demo.page.locator("#defaults").click()
    assert demo.colour(x, y) == marked
    assert len(demo.prompts) == asked


def test_zoom_in(demo: Demo, predictor: Predictor, pixels: Pixels) -> None:
    demo.unfold("ZoomIn")
    demo.click(*ON_A_COIN)
    demo.click(*ALSO_ON_IT)
    served = demo.facts()

    def held(expected: ZoomIn | None) -> None:
        demo.settle()
        other = Predictor(predictor.engine, replace(predictor.options, zoom_in=expected))
        assert np.array_equal(demo.mask(), other.replay(other.start(pixels), demo.clicks()).mask)
        demo.page.locator("#defaults").click()
        demo.settle()
        assert demo.facts() == served

    demo.page.locator("#zoom-in").uncheck()
    held(None)
    demo.page.locator("#fixed").check()
    usual = predictor.options.zoom_in
    assert usual is not None
    one_size = replace(usual, first_size=None, late_size=None)
    held(replace(one_size, target_size=(400, 400)))
    for control, value, expected in (
        ("skip-clicks", "1", replace(usual, skip_clicks=1)),
        ("target-size", "150", replace(one_size, target_size=150)),
        ("expand-ratio", "2", replace(usual, expansion_ratio=2.0)),
    ):
        demo.page.locator(f"#{control}").fill(value)
        demo.page.locator(f"#{control}").blur()
        held(expected)


def test_what_a_control_cannot_be_is_not_sent(demo: Demo) -> None:
    demo.unfold("ZoomIn")
    demo.page.locator("#skip-clicks").fill("-2")
    demo.page.locator("#skip-clicks").blur()
    demo.click(*ON_A_COIN)
    assert demo.prompts[-1]["options"]["zoom_in"]["skip_clicks"] == -1


def test_another_model_and_brs(demo: Demo, pixels: Pixels) -> None:
    demo.click(*ON_A_COIN)
    demo.click(*BESIDE_IT, right=True)
    served = demo.facts()
    demo.unfold("Model")
    expect(demo.page.locator("#iterations")).to_be_disabled()
    demo.page.locator("#model").select_option(OTHER_MODEL.stem)
    demo.settle()
    other = open_predictor(str(OTHER_MODEL), "cpu")
    assert np.array_equal(demo.mask(), other.replay(other.start(pixels), demo.clicks()).mask)
    expect(demo.page.locator("#model-version")).to_have_text(other.engine.name)

    demo.page.locator("#brs").select_option("f-BRS-B")
    demo.page.locator("#network-clicks").fill("1")
    demo.page.locator("#iterations").fill("3")
    demo.page.locator("#iterations").blur()
    demo.settle()
    brs = {"mode": "f-BRS-B", "network_clicks": 1, "iterations": 3}
    assert demo.prompts[-1]["options"]["brs"] == brs
    engine = other.engine
    assert isinstance(engine, TorchEngine)
    adaptation = BRS_MODES["f-BRS-B"].adaptation(engine.model)
    refined = BRSPredictor(engine, adaptation, replace(other.options, net_clicks_limit=1), evaluations=3)
    assert np.array_equal(demo.mask(), refined.replay(refined.start(pixels), demo.clicks()).mask)

    demo.page.locator("#defaults").click()
    demo.settle()
    assert demo.facts() == served


def test_what_a_model_cannot_do_is_told(demo: Demo) -> None:
    demo.click(*ON_A_COIN)
    demo.unfold("Model")
    demo.page.locator("#brs").select_option("f-BRS-C")
    expect(demo.page.locator("#status.trouble")).to_contain_text("use RGB-BRS")
    demo.troubles.clear()  # the browser reports the refusal


def test_objects_have_names_colours_visibility_and_an_end(demo: Demo) -> None:
    page, inside = demo.page, (ON_A_COIN[0] + 8, ON_A_COIN[1])
    bare = demo.colour(*inside)
    page.locator("#alpha").fill("1")
    demo.click(*ON_A_COIN)
    page.keyboard.press("Space")
    demo.click(*ON_ANOTHER)
    asked = len(demo.prompts)

    first = page.locator("#objects li").first
    first.locator(".name").fill("Drachm")
    expect(first.get_by_role("button", name="Delete Drachm")).to_be_visible()
    first.locator(".colour").fill("#102030")
    assert near(demo.colour(*inside), (0x10, 0x20, 0x30))
    first.locator(".eye").click()
    assert demo.colour(*inside) == bare
    first.locator(".eye").click()
    assert near(demo.colour(*inside), (0x10, 0x20, 0x30))
    assert len(demo.prompts) == asked

    first.locator(".edit").click()
    demo.click(*ALSO_ON_IT)
    assert [row.rpartition(" · ")[2] for row in demo.facts()] == ["2 clicks", "1 click"]
    first.locator(".delete").click()
    expect(page.locator("#objects li")).to_have_count(1)
    assert demo.colour(*inside) == bare
    page.locator("#undo").click()
    expect(first.locator(".name")).to_have_value("Drachm")
