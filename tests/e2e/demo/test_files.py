"""Pictures and masks come in by every door, and masks go out as files that others read."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from demo_page import COINS, ON_A_COIN, ON_ANOTHER, SAMPLES, Demo, Mask
from PIL import Image
from playwright.sync_api import expect
from pycocotools import mask as coco_mask

from ritm_model.inference import Predictor
from ritm_model.masks.coco import coco_mask as painted
from ritm_ops.label_studio.results import read_results

# Files cannot be dragged into a headless browser; the events are those that it would send.
_BRING = """([kind, data, name, type]) => {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    const about = { bubbles: true, cancelable: true };
    const event = kind === "paste"
        ? new ClipboardEvent(kind, { ...about, clipboardData: transfer })
        : new DragEvent(kind, { ...about, dataTransfer: transfer });
    document.getElementById("stage").dispatchEvent(event);
}"""


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_picture_is_dropped_or_pasted(demo: Demo, way: str) -> None:
    data = base64.b64encode((SAMPLES / "nuclei_fl.jpg").read_bytes()).decode()
    demo.page.evaluate(_BRING, [way, data, "cells.jpg", "image/jpeg"])
    demo.wait_open("cells.jpg")
    demo.click(191, 247)
    assert len(demo.facts()) == 1


def test_a_sample_is_opened_and_its_source_named(demo: Demo) -> None:
    demo.click(*ON_A_COIN)
    demo.page.get_by_role("button", name="Open the sample Nuclei").click()
    demo.wait_open("nuclei_fl.jpg")
    expect(demo.page.locator("#credit")).to_contain_text("CC0 1.0")
    assert demo.facts() == [], "another picture, other objects"


def test_a_kind_of_file_that_browsers_cannot_show(demo: Demo, tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), (10, 200, 30)).save(tmp_path / "green.tiff")
    demo.open(tmp_path / "green.tiff")
    expect(demo.page.locator("#status")).to_contain_text("60 \u00d7 40")
    assert demo.colour(30, 20) == (10, 200, 30)


def test_what_is_no_picture_is_refused_by_a_sentence(demo: Demo, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("nothing to see")
    demo.page.locator("#open-file").set_input_files(tmp_path / "note.png")
    expect(demo.page.locator("#status.trouble")).to_contain_text("image")
    demo.click(*ON_A_COIN)
    assert len(demo.facts()) == 1, "the picture before is still there"
    demo.troubles.clear()  # the browser reports the refusal


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools decodes so
def test_saved_files_agree_and_load_again(demo: Demo, tmp_path: Path) -> None:
    demo.click(*ON_A_COIN)
    demo.page.keyboard.press("Space")
    demo.click(*ON_ANOTHER)
    demo.page.locator("#objects .name").first.fill("5 <b>pence</b>")

    indexed = demo.saved("indexed")
    picture = Image.open(io.BytesIO(indexed))
    assert picture.mode == "P"
    values = np.asarray(picture)
    with zipfile.ZipFile(io.BytesIO(demo.saved("each"))) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        each = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) > 0 for name in names]
    assert names == ["01-5_b_pence_b_.png", "02-Object_2.png"]
    coco = json.loads(demo.saved("coco"))
    assert [category["name"] for category in coco["categories"]] == ["5 <b>pence</b>", "Object 2"]
    assert len(coco["annotations"]) == 2
    for number, (mask, annotation) in enumerate(zip(each, coco["annotations"], strict=True), 1):
        rle = annotation["segmentation"]
        assert np.array_equal(coco_mask.decode(rle), mask)
        assert annotation["area"] == coco_mask.area(rle) == mask.sum() > 0
        assert annotation["bbox"] == coco_mask.toBbox(rle).tolist()
        later = np.any(each[number:], axis=0) if number < len(each) else np.zeros_like(mask)
        assert np.array_equal(values == number, mask & ~later)

    polygons = json.loads(demo.saved("coco-polygons"))
    assert polygons["categories"] == coco["categories"]
    for mask, annotation in zip(each, polygons["annotations"], strict=True):
        assert overlap(painted(annotation["segmentation"], *mask.shape), mask) > 0.95
        assert annotation["area"] == mask.sum()
    (task,) = json.loads(demo.saved("label-studio"))
    drawings = read_results(task["annotations"][0]["result"]).drawings
    assert task["data"] == {"image": "coins.jpg"}
    assert [drawing.label for drawing in drawings] == ["5 <b>pence</b>", "Object 2"]
    with zipfile.ZipFile(io.BytesIO(demo.saved("bitmask"))) as archive:
        assert archive.namelist() == names
        bitmasks = [Image.open(io.BytesIO(archive.read(name))).convert("RGBA") for name in names]
    for mask, drawing, bitmask in zip(each, drawings, bitmasks, strict=True):
        assert np.array_equal(drawing.mask(*mask.shape), mask)
        assert np.array_equal(np.asarray(bitmask)[..., 3] == 255, mask)

    (tmp_path / "masks.png").write_bytes(indexed)
    demo.open(COINS)
    demo.page.locator("#load-mask-file").set_input_files(tmp_path / "masks.png")
    expect(demo.page.locator("#objects li")).to_have_count(2)
    demo.settle()
    again = Image.open(io.BytesIO(demo.saved("indexed")))
    assert np.array_equal(np.asarray(again), values)


def test_polygons_are_shown_as_they_are_saved(demo: Demo) -> None:
    """Edges and corners of polygons take the place of pixels; the mask stays what it is."""
    demo.click(*ON_A_COIN)
    mask = demo.mask()
    demo.page.keyboard.press("Space")
    (saved,) = json.loads(demo.saved("coco-polygons"))["annotations"]
    corners = [corner for ring in saved["segmentation"] for corner in zip(ring[::2], ring[1::2], strict=True)]
    places = [(int(x), int(y)) for x, y in corners if max(abs(x % 1 - 0.5), abs(y % 1 - 0.5)) < 0.4]
    assert len(places) > 3
    before = [demo.colour(*place) for place in places]

    switch = demo.page.get_by_role("switch", name="Show as polygons")
    switch.check()
    facts = demo.page.locator("#objects .facts")
    expect(facts).to_contain_text(f"px · {len(corners)} points")
    after = [demo.colour(*place) for place in places]
    assert min(min(colour) for colour in after) > 230, "corners are white"
    assert min(min(colour) for colour in before) < 200
    assert np.array_equal(demo.mask(), mask)
    (task,) = json.loads(demo.saved("label-studio"))
    (region,) = task["annotations"][0]["result"]
    assert region["type"] == "polygonlabels"
    assert len(region["value"]["points"]) == len(corners)

    demo.click(*ON_ANOTHER)
    expect(facts.last).to_contain_text("points")
    switch.uncheck()
    expect(facts.last).not_to_contain_text("points")
    demo.page.get_by_role("button", name="Delete Object 2").click()
    assert [demo.colour(*place) for place in places] == before


def overlap(mask: Mask, other: Mask) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def test_a_loaded_mask_is_shown_and_corrected(
    demo: Demo, predictor: Predictor, pixels: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    mask: Mask = np.zeros(pixels.shape[:2], bool)
    mask[180:215, 85:120] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    demo.page.locator("#load-mask-file").set_input_files(tmp_path / "mask.png")
    expect(demo.page.locator("#status")).to_contain_text(f"{mask.sum():,} pixels")
    assert np.array_equal(demo.mask(), mask)
    demo.click(*ON_A_COIN)
    corrected = predictor.replay(predictor.start(pixels, mask), demo.clicks()).mask
    assert np.array_equal(demo.mask(), corrected)


@pytest.mark.parametrize(
    ("mask", "sentence"),
    [
        (Image.new("1", (384, 303)), "holds no object: all of it is black"),
        (Image.new("1", (20, 30), 1), "The mask is 20 \u00d7 30, the picture 384 \u00d7 303 pixels large"),
    ],
)
def test_a_mask_that_does_not_fit(demo: Demo, tmp_path: Path, mask: Image.Image, sentence: str) -> None:
    mask.save(tmp_path / "mask.png")
    demo.page.locator("#load-mask-file").set_input_files(tmp_path / "mask.png")
    expect(demo.page.locator("#status.trouble")).to_contain_text(sentence)
    assert demo.facts() == []
