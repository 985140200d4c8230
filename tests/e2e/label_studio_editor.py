"""Label Studio's editor in a real browser, as an annotator uses it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt
from label_studio_server import PASSWORD, USERNAME, LabelStudio
from playwright.sync_api import Page, Response, sync_playwright
from processes import chromium

from ritm_ops.label_studio.results import read_results

QUIET_BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RESOLVES = "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
LABEL_COLOUR = (0x00, 0x72, 0xB2)

# Id and content of each pending suggestion, as the editor holds them.
SUGGESTED = """() => [...(window.Htx?.annotationStore?.selected?.suggestions?.values() ?? [])].map(s => {
    if (s.rle) return `${s.cleanId} ${s.rle.length}`;
    if (s.imageDataURL) return `${s.cleanId} ${s.imageDataURL.length}`;
    const value = s.serialize().value, points = value.points;
    return `${s.cleanId} ${points ? points.length : Math.round(10 * (value.width ?? value.radiusX))}`;
})"""
# Whether any layer of the canvas shows the label's colour at a place of the page.
PAINTED = """([x, y, ...colour]) => [...document.querySelectorAll(".konvajs-content canvas")].some(canvas => {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const pixel = canvas.getContext("2d").getImageData((x - box.x) * scale, (y - box.y) * scale, 1, 1).data;
    return pixel[3] > 0 && colour.every((value, channel) => value === pixel[channel]);
})"""

IN_HAND = "() => [...Htx.annotationStore.selected.objects][0].getToolsManager().findSelectedTool()?.fullName"

DRAWN_WITH_A_BRUSH = """() => Htx.annotationStore.selected.regions.find(
    region => region.type === "brushregion" && !region.isDrawing && region.touches.length
)"""
MARK_AND_ASK = "region.makeDynamic(); region.notifyDrawingFinished();"

Region = dict[str, Any]
Place = tuple[int, int]


@contextlib.contextmanager
def browser_page(name: str = "", **options: Any) -> Iterator[Page]:
    """A page of a headless Chromium that talks to this machine only, also by a `name`."""
    executable = chromium()
    rules = f"MAP {name} 127.0.0.1, {RESOLVES}" if name else RESOLVES
    arguments = [*QUIET_BROWSER, f"--host-resolver-rules={rules}"]
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=arguments) as browser,
    ):
        page = browser.new_page(viewport={"width": 1400, "height": 900}, **options)
        page.set_default_timeout(60_000)
        yield page


@dataclass(frozen=True)
class Editor:
    """The labeling page, and the picture on it."""

    page: Page
    width: int
    height: int

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where the middle of a pixel of the picture is on the page."""
        picture = self.page.locator(".lsf-image img").bounding_box()
        assert picture is not None
        return (
            picture["x"] + (x + 0.5) / self.width * picture["width"],
            picture["y"] + (y + 0.5) / self.height * picture["height"],
        )

    def click(self, x: float, y: float, *keys: str) -> list[Region]:
        """Click on a pixel with keys held down; returns the regions when the editor holds them."""
        with self.page.expect_response(is_click) as info:
            for key in keys:
                self.page.keyboard.down(key)
            self.page.mouse.click(*self.place(x, y))
            for key in keys:
                self.page.keyboard.up(key)
        return self._suggested(info.value.json())

    def _suggested(self, answer: dict[str, Any]) -> list[Region]:
        assert "errors" not in answer, answer
        assert "message" not in answer["data"], answer
        regions: list[Region] = answer["data"]["result"]
        assert regions
        self.page.wait_for_function(
            f"wanted => ({SUGGESTED})().sort().join() === wanted",
            arg=",".join(sorted(f"{region['id']} {_content(region['value'])}" for region in regions)),
        )
        return regions

    def stroke(self, places: Sequence[Place]) -> list[Region]:
        """Draw with the smart brush in hand; returns the regions when the editor holds them.

        The editor (1.23.2) forgets to mark the new region as one that asks, and asks for those that are
        marked. So it is marked here.
        """
        with self.page.expect_response(is_click) as info:
            first, *others = (self.place(*place) for place in places)
            self.page.mouse.move(*first)
            self.page.mouse.down()
            for place in others:
                self.page.mouse.move(*place, steps=5)
            self.page.mouse.up()
            self.page.wait_for_function(DRAWN_WITH_A_BRUSH)
            self.page.evaluate(f"() => {{ const region = ({DRAWN_WITH_A_BRUSH})(); {MARK_AND_ASK} }}")
        return self._suggested(info.value.json())

    def mask(self, *regions: Region) -> npt.NDArray[np.bool_]:
        """All that regions of any kind enclose."""
        drawings = read_results(list(regions)).drawings
        masks_NHW = np.stack([drawing.mask(self.height, self.width) for drawing in drawings])
        return np.asarray(masks_NHW.any(axis=0))

    def accept(self) -> None:
        self.page.locator(".lsf-auto-accept__action_type_accept").click()
        self.page.wait_for_function(f"() => ({SUGGESTED})().length === 0")

    def submit(self, button: Literal["Submit", "Update"] = "Submit") -> None:
        with self.page.expect_response(is_submission) as info:
            self.page.locator("button", has_text=button).click()
        assert info.value.ok

    def wait_painted(self, mask: npt.NDArray[np.bool_], clicks: Sequence[Place]) -> None:
        """Wait until the mask is drawn, at the place that is farthest from its edge and the clicks."""
        x, y = deepest(mask, clicks)
        self.page.wait_for_function(PAINTED, arg=[*self.place(x, y), *LABEL_COLOUR])


def _content(value: dict[str, Any]) -> int:
    for key in ("rle", "imageDataURL", "points"):
        if key in value:
            return len(value[key])
    return round(10 * float(value.get("width", value.get("radiusX", 0))))


def deepest(mask: npt.NDArray[np.bool_], clicks: Sequence[Place]) -> Place:
    """The pixel of a mask that is farthest from its edge and the clicks."""
    free = mask.astype(np.uint8)
    for x, y in clicks:
        cv2.circle(free, (x, y), 4, 0, -1)
    depth = cv2.distanceTransform(np.pad(free, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    deepest_y, deepest_x = np.unravel_index(depth.argmax(), depth.shape)
    return int(deepest_x), int(deepest_y)


def is_click(response: Response) -> bool:
    return response.url.split("?")[0].endswith("/interactive-annotating")


def is_submission(response: Response) -> bool:
    return response.request.method in ("POST", "PATCH") and "/annotations" in response.url


def is_draft_with_a_mask(response: Response) -> bool:
    sent = response.request.post_data or ""
    return "/drafts" in response.url and any(
        json.dumps(key) in sent for key in ("rle", "imageDataURL", "points")
    )


def log_in(page: Page, studio: LabelStudio) -> None:
    page.goto(f"{studio.url}/user/login/")
    if "login" not in page.url:
        return
    page.fill("input[name=email]", USERNAME)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)


def open_task(
    page: Page,
    studio: LabelStudio,
    project: int,
    task: dict[str, Any],
    picture: Path,
    tool: str = "KeyPointTool-dynamic",
) -> Editor:
    """Open a task with a smart tool in hand, the keypoint if no other is asked for."""
    log_in(page, studio)
    page.goto(f"{studio.url}/projects/{project}/data?task={task['id']}")
    page.locator(".konvajs-content canvas").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.get_by_test_id("bottombar-auto-annotation-toggle").check(force=True)
    for _ in range(3):  # the button remembers what was in hand, and changes to the next smart tool
        if page.evaluate(IN_HAND) != tool:
            page.locator("button.lsf-tool_smart").first.click()
    pixels = cv2.imread(str(picture))
    assert pixels is not None
    return Editor(page, pixels.shape[1], pixels.shape[0])
