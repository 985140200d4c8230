"""What a real browser shows is what we decode: annotators click on the one, the model sees the other."""

from __future__ import annotations

import base64

import numpy as np
from oriented_files import Oriented, oriented_files
from playwright.sync_api import Page, sync_playwright
from processes import chromium

from ritm_model.images import decode_image

# A picture as the page shows it: width, height, then the RGBA of a pixel in each quarter.
SHOWN = """async address => {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [picture.naturalWidth, picture.naturalHeight];
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    const pixel = (x, y) => [...context.getImageData(x * canvas.width, y * canvas.height, 1, 1).data];
    const quarters = [[.25, .25], [.75, .25], [.25, .75], [.75, .75]].map(([x, y]) => pixel(x, y));
    return [canvas.width, canvas.height, quarters];
}"""


def shown_alike(page: Page, file: Oriented) -> bool:
    address = f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"
    width, height, quarters = page.evaluate(SHOWN, address)
    decoded_HW3 = decode_image(file.data)
    if decoded_HW3.shape != (height, width, 3):
        return False
    ours = decoded_HW3[height // 4 :: height // 2, width // 4 :: width // 2].reshape(4, 3).astype(int)
    return bool(np.abs(ours - np.array(quarters)[:, :3]).max() <= 3)


def test_pictures_stand_as_the_browser_shows_them() -> None:
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        ) as browser,
    ):
        page = browser.new_page()
        wrong = [file.name for file in oriented_files() if not shown_alike(page, file)]
    assert not wrong
