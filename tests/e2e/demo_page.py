"""The demo's page in a real browser: where to click, what it shows, and what it asks the server."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright
from processes import ROOT, chromium

from ritm_model.clicks import Click

SAMPLES = ROOT / "tests/samples/images"
OTHER_MODEL = ROOT / "tests/models/h18s-synthetic.safetensors"
COINS = SAMPLES / "coins.jpg"
ON_A_COIN = (101, 195)
ALSO_ON_IT = (106, 179)
BESIDE_IT = (69, 194)
ON_ANOTHER = (163, 190)

Mask = npt.NDArray[np.bool_]

_QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_VIEW = "() => new Promise((resolve) => requestAnimationFrame(() => resolve(canvas.dataset.view)))"
_COLOUR = """([x, y]) => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => {
    const canvas = document.getElementById("canvas");
    const [scale, left, top] = canvas.dataset.view.split(" ").map(Number);
    const at = [left + (x + 0.5) * scale, top + (y + 0.5) * scale].map((place) => place * devicePixelRatio);
    resolve([...canvas.getContext("2d").getImageData(...at, 1, 1).data].slice(0, 3));
})))"""


@contextlib.contextmanager
def quiet_chromium() -> Iterator[Browser]:
    """A headless Chromium that talks to this machine only."""
    executable = chromium()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=_QUIET) as browser,
    ):
        yield browser


@dataclass
class Demo:
    """The page with a picture open, and what it has asked the server."""

    page: Page
    prompts: list[dict[str, Any]] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._asked)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", self._noted)

    def _asked(self, request: Request) -> None:
        scheme, _, rest = request.url.partition("://")
        if scheme != "blob":
            self.hosts.add(rest.partition("/")[0])
        if request.url.endswith("/demo/click"):
            self.prompts.append(prompt_in(request))

    def _noted(self, line: ConsoleMessage) -> None:
        # Whether there is any fine-tuning is found out by asking.
        if line.type == "error" and not line.location["url"].endswith("/training/jobs"):
            self.troubles.append(line.text)

    def go(self, url: str) -> None:
        self.page.goto(url)
        expect(self.page.locator("html[data-ready]")).to_be_visible(timeout=60_000)

    def wait_open(self, name: str = "") -> None:
        sentence = re.compile(f"{re.escape(name)}, .*Click on an object")
        expect(self.page.locator("#status")).to_contain_text(sentence, timeout=60_000)

    def open(self, path: Path) -> None:
        self.page.locator("#open-file").set_input_files(path)
        self.wait_open(path.name)

    def unfold(self, title: str) -> None:
        self.page.locator("summary").filter(has_text=re.compile(f"^{title}$")).click()

    def view(self) -> tuple[float, float, float]:
        """Pixels of the page per pixel of the picture, and where the picture's corner is on the canvas."""
        scale, left, top = map(float, self.page.evaluate(_VIEW).split())
        return scale, left, top

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the middle of a pixel of the picture is on the page."""
        box = self.page.locator("#canvas").bounding_box()
        assert box is not None
        scale, left, top = self.view()
        return box["x"] + left + (x + 0.5) * scale, box["y"] + top + (y + 0.5) * scale

    def click(self, x: float, y: float, *, right: bool = False) -> None:
        self.page.mouse.click(*self.place(x, y), button="right" if right else "left")
        self.settle()

    def settle(self) -> None:
        """Wait until every mask is there."""
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
        """What stands under the names of the objects: pixels and clicks."""
        return self.page.locator("#objects .facts").all_inner_texts()

    def colour(self, x: int, y: int) -> tuple[int, ...]:
        """What is painted over the middle of a pixel of the picture."""
        return tuple(self.page.evaluate(_COLOUR, [x, y]))


def prompt_in(request: Request) -> dict[str, Any]:
    """The prompt of a request for a mask, a form whose first field it is."""
    body = request.post_data_buffer or b""
    prompt: dict[str, Any] = json.loads(body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0])
    return prompt
