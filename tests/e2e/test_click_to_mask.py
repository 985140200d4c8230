"""The whole road of a click: browser, Label Studio, backend, mask, stored annotation."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from backend import connected
from label_studio_server import LEGACY_TOKEN, PASSWORD, SAMPLES, USERNAME, LabelStudio
from playwright.sync_api import Page, Response, sync_playwright
from processes import LABEL_STUDIO, ROOT, Server, chromium

from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.inference import open_predictor
from ritm_model.masks.brush_rle import decode

PICTURE = SAMPLES / "coins.jpg"
COIN = 14  # its number in the sample's mask
ON_THE_COIN = [(101, 195), (106, 179), (87, 200), (114, 206)]
BESIDE_IT = (69, 194)

SCREENSHOT = ROOT / "docs/images/label-studio-click.png"
QUIET_BROWSER = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

# The length of the pending suggestion's mask, as the editor holds it.
SUGGESTED = (
    "() => [...(window.Htx?.annotationStore?.selected?.suggestions?.values() ?? [])].map(s => s.rle.length)"
)
# Whether any layer of the canvas shows the label's colour at a place of the page.
PAINTED = """([x, y, ...colour]) => [...document.querySelectorAll(".konvajs-content canvas")].some(canvas => {
    const box = canvas.getBoundingClientRect(), scale = canvas.width / box.width;
    const pixel = canvas.getContext("2d").getImageData((x - box.x) * scale, (y - box.y) * scale, 1, 1).data;
    return pixel[3] > 0 && colour.every((value, channel) => value === pixel[channel]);
})"""
LABEL_COLOUR = (0x00, 0x72, 0xB2)


@pytest.fixture
def page() -> Iterator[Page]:
    executable = chromium()
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=QUIET_BROWSER) as browser,
    ):
        page = browser.new_page(viewport={"width": 1400, "height": 900})
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

    def click(self, x: float, y: float, *keys: str) -> dict[str, Any]:
        """Click on a pixel with keys held down; returns the answer when the editor holds it."""
        with self.page.expect_response(is_click) as info:
            for key in keys:
                self.page.keyboard.down(key)
            self.page.mouse.click(*self.place(x, y))
            for key in keys:
                self.page.keyboard.up(key)
        answer = info.value.json()
        assert "errors" not in answer, answer
        region: dict[str, Any]
        (region,) = answer["data"]["result"]
        self.page.wait_for_function(
            f"length => ({SUGGESTED})().includes(length)", arg=len(region["value"]["rle"])
        )
        return region

    def mask(self, region: dict[str, Any]) -> npt.NDArray[np.bool_]:
        return decode(region["value"]["rle"], self.width, self.height)

    def accept(self) -> None:
        self.page.locator(".lsf-auto-accept__action_type_accept").click()
        self.page.wait_for_function(f"() => ({SUGGESTED})().length === 0")

    def wait_painted(self, mask: npt.NDArray[np.bool_]) -> None:
        """Wait until the mask is drawn, at the place that is farthest from its edge and the clicks."""
        x, y = deepest(mask, ON_THE_COIN)
        self.page.wait_for_function(PAINTED, arg=[*self.place(x, y), *LABEL_COLOUR])


def deepest(mask: npt.NDArray[np.bool_], clicks: list[tuple[int, int]]) -> tuple[int, int]:
    """The pixel of a mask that is farthest from its edge and the clicks."""
    free = mask.astype(np.uint8)
    for x, y in clicks:
        cv2.circle(free, (x, y), 4, 0, -1)
    depth = cv2.distanceTransform(np.pad(free, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return int(x), int(y)


def is_click(response: Response) -> bool:
    return response.url.split("?")[0].endswith("/interactive-annotating")


def is_submission(response: Response) -> bool:
    return response.request.method == "POST" and "/annotations" in response.url


def is_draft_with_a_mask(response: Response) -> bool:
    return "/drafts" in response.url and '"rle"' in (response.request.post_data or "")


def open_task(page: Page, studio: LabelStudio, project: int, task: dict[str, Any]) -> Editor:
    page.goto(f"{studio.url}/user/login/")
    page.fill("input[name=email]", USERNAME)
    page.fill("input[name=password]", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "login" not in url)
    page.goto(f"{studio.url}/projects/{project}/data?task={task['id']}")
    page.locator(".konvajs-content canvas").first.wait_for()
    page.wait_for_load_state("networkidle")
    page.get_by_test_id("bottombar-auto-annotation-toggle").check(force=True)
    page.locator("button.lsf-tool_smart").first.click()
    picture = cv2.imread(str(PICTURE))
    assert picture is not None
    return Editor(page, picture.shape[1], picture.shape[0])


def take_screenshot(page: Page, tmp_path: Path) -> None:
    path = SCREENSHOT if os.environ.get("RITM_UPDATE_SCREENSHOTS") == "1" else tmp_path / SCREENSHOT.name
    path.parent.mkdir(parents=True, exist_ok=True)
    page.mouse.move(5, 500)
    page.screenshot(path=path)


def test_clicks_become_a_stored_brush_mask(
    studio: LabelStudio, backend: Server, page: Page, tmp_path: Path
) -> None:
    report = connected(
        studio.url, LEGACY_TOKEN, "--create-project", "Coins", "--label", "Coin", "--backend", backend.url
    )
    project = report["project_id"]
    task = studio.upload(project, PICTURE)
    editor = open_task(page, studio, project, task)

    for x, y in ON_THE_COIN:
        editor.click(x, y)
    mask = editor.mask(editor.click(*BESIDE_IT, "Alt"))
    editor.wait_painted(mask)
    take_screenshot(page, tmp_path)

    editor.accept()
    with page.expect_response(is_submission) as info:
        page.get_by_role("button", name="Submit current annotation").click()
    assert info.value.status == 201

    (annotation,) = studio.call("GET", f"/api/tasks/{task['id']}/annotations/")
    (region,) = annotation["result"]  # the keypoints are gone, the mask is there once
    assert region["type"] == "brushlabels"
    assert region["value"]["brushlabels"] == ["Coin"]
    stored = decode(region["value"]["rle"], region["original_width"], region["original_height"])
    assert np.array_equal(stored, mask)
    assert np.array_equal(stored, decoded_by_label_studio(region))
    assert all(stored[y, x] for x, y in ON_THE_COIN)
    assert not stored[BESIDE_IT[1], BESIDE_IT[0]]
    assert overlap(stored, the_coin()) > 0.6


def test_an_accepted_region_is_refined_by_ctrl_click(
    studio: LabelStudio, backend: Server, page: Page
) -> None:
    """As docs/label_studio.md says: Ctrl+click adds to a finished region, which keeps its identity."""
    report = connected(
        studio.url, LEGACY_TOKEN, "--create-project", "Refined", "--label", "Coin", "--backend", backend.url
    )
    task = studio.upload(report["project_id"], PICTURE)
    editor = open_task(page, studio, report["project_id"], task)
    first = ON_THE_COIN[0]
    finished = editor.click(*first)
    with page.expect_response(is_draft_with_a_mask):
        editor.accept()

    before = editor.mask(finished)
    inside = deepest(before, [first])
    refined = editor.click(*inside, "Control")
    assert refined["id"] == finished["id"]
    after = editor.mask(refined)
    predictor = open_predictor("bundled", "cpu")
    image = decode_image(PICTURE.read_bytes())
    click = Click(inside[0] + 0.5, inside[1] + 0.5)
    continued = predictor.click(predictor.start(image, before), click).mask
    anew = predictor.click(predictor.start(image), click).mask
    # The browser clicks a fraction of a pixel beside, and specks are gone: alike, not equal.
    assert overlap(after, continued) > 0.8 > overlap(after, anew), "the mask was not continued"

    with page.expect_request(lambda request: "/interactive-annotating" in request.url) as asked:
        refined = editor.click(*deepest(after, [inside]), "Control", "Alt")
    signs = [point["is_positive"] for point in asked.value.post_data_json["context"]["result"]]
    assert signs == [True, False]
    assert refined["id"] == finished["id"]

    editor.accept()
    with page.expect_response(is_submission) as info:
        page.get_by_role("button", name="Submit current annotation").click()
    assert info.value.status == 201
    (annotation,) = studio.call("GET", f"/api/tasks/{task['id']}/annotations/")
    (region,) = annotation["result"]
    assert region["id"] == finished["id"]
    assert np.array_equal(editor.mask(region), editor.mask(refined))


def decoded_by_label_studio(region: dict[str, Any]) -> npt.NDArray[np.bool_]:
    """The region's mask as Label Studio's own converter reads it, in Label Studio's environment."""
    script = (
        "import json, sys; from label_studio_sdk.converter.brush import decode_rle; "
        "sys.stdout.write(json.dumps([int(v) for v in decode_rle(json.load(sys.stdin))[3::4]]))"
    )
    done = subprocess.run(
        [LABEL_STUDIO.with_name("python"), "-c", script],
        input=json.dumps(region["value"]["rle"]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    alpha = np.array(json.loads(done.stdout), dtype=np.uint8)
    return alpha.reshape(region["original_height"], region["original_width"]) > 127


def the_coin() -> npt.NDArray[np.bool_]:
    objects = cv2.imread(str(SAMPLES.parent / "masks/coins.png"), cv2.IMREAD_UNCHANGED)
    assert objects is not None
    return np.asarray(objects == COIN)


def overlap(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((mask & other).sum() / (mask | other).sum())
