"""The whole road of a click: browser, Label Studio, backend, mask, stored annotation."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from backend import connected
from label_studio_editor import browser_page, deepest, is_draft_with_a_mask, is_submission, open_task
from label_studio_server import LEGACY_TOKEN, SAMPLES, LabelStudio
from playwright.sync_api import Page
from processes import LABEL_STUDIO, ROOT, Server

from ritm_model.clicks import Click
from ritm_model.images import decode_image
from ritm_model.inference import open_predictor
from ritm_model.masks.brush_rle import decode

PICTURE = SAMPLES / "coins.jpg"
COIN = 14  # its number in the sample's mask
ON_THE_COIN = [(101, 195), (106, 179), (87, 200), (114, 206)]
BESIDE_IT = (69, 194)
ON_ANOTHER_COIN = (165, 200)

SCREENSHOT = ROOT / "docs/images/label-studio-click.png"


@pytest.fixture
def page() -> Iterator[Page]:
    with browser_page() as page:
        yield page


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
    editor = open_task(page, studio, project, task, PICTURE)

    for x, y in ON_THE_COIN:
        editor.click(x, y)
    (region,) = editor.click(*BESIDE_IT, "Alt")
    mask = editor.mask(region)
    editor.wait_painted(mask, ON_THE_COIN)
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
    """As docs/label_studio.md has it: Ctrl+click adds to a finished region, which keeps its identity."""
    report = connected(
        studio.url, LEGACY_TOKEN, "--create-project", "Refined", "--label", "Coin", "--backend", backend.url
    )
    task = studio.upload(report["project_id"], PICTURE)
    editor = open_task(page, studio, report["project_id"], task, PICTURE)
    editor.click(*ON_THE_COIN[0])
    (finished,) = editor.click(*ON_ANOTHER_COIN)  # two coins are what no single click would give
    with page.expect_response(is_draft_with_a_mask):
        editor.accept()

    before = editor.mask(finished)
    inside = deepest(before, [ON_THE_COIN[0], ON_ANOTHER_COIN])
    (refined,) = editor.click(*inside, "Control")
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
        (refined,) = editor.click(*deepest(after, [inside]), "Control", "Alt")
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
