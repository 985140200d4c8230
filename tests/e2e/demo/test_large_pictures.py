"""A photo of twelve megapixels moves with the pointer: each move is drawn, and costs what the screen does."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from demo_page import Demo

WIDTH, HEIGHT = 4000, 3000
MOVES = 40
_COUNT = """() => {
    const draw = CanvasRenderingContext2D.prototype.drawImage;
    window.drawn = [];
    CanvasRenderingContext2D.prototype.drawImage = function (picture, ...rest) {
        window.drawn.push(picture.width * picture.height);
        return draw.call(this, picture, ...rest);
    };
}"""


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    coarse_hw3 = np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)
    path = tmp_path_factory.mktemp("large") / "photo.jpg"
    cv2.imwrite(str(path), cv2.resize(coarse_hw3, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))
    return path


def test_every_move_is_drawn_and_no_frame_touches_all_pixels(demo: Demo, photo: Path) -> None:
    demo.open(photo)
    demo.click(2000, 1500)
    demo.page.evaluate(_COUNT)
    x, y = demo.place(2000, 1500)
    demo.page.mouse.move(x, y)
    demo.page.mouse.down()
    views = set()
    for move in range(1, MOVES + 1):
        demo.page.mouse.move(x + 3 * move, y + 2 * move)
        views.add(demo.view())
    demo.page.mouse.up()
    drawn = demo.page.evaluate("() => window.drawn")
    screen = demo.page.evaluate("() => canvas.width * canvas.height")
    assert len(views) >= MOVES - 2, (
        "each move is seen in a frame of its own (the first ones may still be a click)"
    )
    assert len(drawn) >= len(views)
    assert max(drawn) <= 4 * screen < WIDTH * HEIGHT
    assert demo.place(2000, 1500) == pytest.approx((x + 3 * MOVES, y + 2 * MOVES), abs=2)
