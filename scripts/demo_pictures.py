"""Take the pictures of the demo in docs/images: on a desk, on a phone, in the dark with the server's state,
and while lassos and strokes are drawn.

python scripts/demo_pictures.py
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.extend(str(Path(__file__).parents[1] / "tests" / folder) for folder in ("servers", "e2e"))
from backend import RITM
from demo_page import Demo, quiet_chromium
from playwright.sync_api import Browser, expect
from processes import ROOT, free_port, serving

PICTURES = ROOT / "docs/images"
DESK = {"width": 1280, "height": 800}
COINS = [  # x, y and whether it is the object, for each object
    [(216, 51, True), (183, 53, False), (208, 70, True)],
    [(335, 44, True), (328, 64, True), (319, 62, True)],
    [(155, 51, True), (123, 50, False), (151, 29, False)],
]
CELLS = [
    [(191, 247, True), (272, 184, False), (204, 228, True)],
    [(289, 402, True), (311, 407, True), (295, 422, True)],
]
SHOTS: dict[str, tuple[str, list[list[tuple[int, int, bool]]], dict[str, Any]]] = {
    "demo": ("Coins", COINS, {"viewport": DESK}),
    "demo-dark": ("Nuclei", CELLS, {"viewport": DESK, "color_scheme": "dark"}),
    "demo-phone": (
        "Coins",
        COINS,
        {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "is_mobile": True},
    ),
}
BIRD = [(404, 200), (430, 160), (480, 152), (504, 180), (484, 236), (466, 272), (420, 268), (406, 206)]
CAT = [(30, 160), (90, 190), (150, 210), (220, 240), (245, 262)]
BOWL = [(120, 312), (150, 262), (230, 250), (320, 254), (344, 290), (270, 384), (190, 372), (140, 350)]


def shoot(browser: Browser, url: str, name: str) -> None:
    sample, objects, look = SHOTS[name]
    context = browser.new_context(**look)
    demo = Demo(context.new_page())
    demo.go(url)
    demo.page.get_by_role("button", name=f"Open the sample {sample}").click()
    demo.wait_open()
    for number, clicks in enumerate(objects):
        if number:
            demo.page.keyboard.press("Space")
        for x, y, is_positive in clicks:
            demo.click(x, y, right=not is_positive)
    if name == "demo-dark":
        demo.unfold("Server")
        expect(demo.page.locator(".problems li")).to_have_text("None.")
        demo.page.locator("#server").scroll_into_view_if_needed()
    demo.page.mouse.move(0, 0)
    keep(demo, name)
    context.close()


def keep(demo: Demo, name: str) -> None:
    expect(demo.page.locator("#latency")).to_contain_text("ms")
    demo.page.screenshot(path=PICTURES / f"{name}.png")


def shoot_drawing(browser: Browser, url: str) -> None:
    """A lasso around a bird and a stroke over a cat, answered, and a lasso that is being drawn."""
    context = browser.new_context(viewport=DESK)
    demo = Demo(context.new_page())
    demo.go(url)
    demo.page.get_by_role("button", name="Open the sample Cat").click()
    demo.wait_open()
    for key, line in (("l", BIRD), ("s", CAT), ("l", BOWL)):
        demo.page.keyboard.press(key)
        demo.page.mouse.move(*demo.place(*line[0]))
        demo.page.mouse.down()
        for place in line[1:]:
            demo.page.mouse.move(*demo.place(*place), steps=8)
        if line is not BOWL:
            demo.page.mouse.up()
            demo.settle()
            demo.page.keyboard.press("Space")
    keep(demo, "demo-drawing")
    context.close()


def main() -> None:
    with TemporaryDirectory() as folder, quiet_chromium() as browser:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [RITM, "demo", "--cpu", "--no-browser", "--port", str(port)]
        environment = {**os.environ, "HOME": folder}
        with serving(command, environment, Path(folder) / "log", url=url, health="/ready", within_s=200):
            for name in SHOTS:
                shoot(browser, url, name)
            shoot_drawing(browser, url)


if __name__ == "__main__":
    main()
