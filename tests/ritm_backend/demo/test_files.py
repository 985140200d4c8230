"""Files of masks that the server writes for the page, read as other programs read them."""

from __future__ import annotations

import base64
import io
import zipfile

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from ritm_backend.connect.config import recommended_config
from ritm_backend.demo.masks import RunsError, read_runs, run_lengths
from ritm_backend.label_studio.config import parse_config
from ritm_model.masks import bitmask
from ritm_model.masks.coco import coco_mask
from ritm_ops.label_studio.results import read_results

SIZE = (120, 160)


def drawn(name, mask, **changed):
    """An object as the page sends it."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    runs = base64.b64encode(run_lengths(mask[y : y + height, x : x + width])).decode()
    return {
        "name": name,
        "left": x,
        "top": y,
        "width": width,
        "height": height,
        "runs": runs if width else "",
        "score": 0.9,
    } | changed


@pytest.fixture
def masks():
    """A ring, and two discs that are one object."""
    ring, discs = (np.zeros(SIZE, np.uint8) for _ in range(2))
    cv2.circle(ring, (50, 60), 40, 1, -1)
    cv2.circle(ring, (50, 60), 15, 0, -1)
    cv2.circle(discs, (120, 30), 20, 1, -1)
    cv2.circle(discs, (159, 100), 25, 1, -1)
    return ring > 0, discs > 0


@pytest.fixture
def save(client):
    def send(kind, *objects, **changed):
        wanted = {"format": kind, "image": "a.jpg", "width": 160, "height": 120, "objects": objects}
        return client.post("/demo/files", json=wanted | changed)

    return send


def iou(one, other):
    return (one & other).sum() / (one | other).sum()


def test_coco_polygons_follow_the_masks(save, masks):
    ring, discs = masks
    coco = save("coco-polygons", drawn("ring", ring), drawn("disc", discs), drawn("ring", ring)).json

    assert coco["images"] == [{"id": 1, "file_name": "a.jpg", "width": 160, "height": 120}]
    assert coco["categories"] == [{"id": 1, "name": "ring"}, {"id": 2, "name": "disc"}]
    assert [one["category_id"] for one in coco["annotations"]] == [1, 2, 1]
    assert [one["id"] for one in coco["annotations"]] == [1, 2, 3]
    assert [len(one["segmentation"]) for one in coco["annotations"]] == [1, 2, 1]
    for annotation, mask in zip(coco["annotations"], (ring, discs, ring), strict=True):
        assert iou(coco_mask(annotation["segmentation"], *SIZE), mask) > 0.95
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == list(cv2.boundingRect(mask.view(np.uint8)))


def test_a_label_studio_task_holds_the_masks_for_the_recommended_configuration(save, masks):
    (task,) = save("label-studio", drawn("Ring", masks[0]), drawn("Discs", masks[1])).json
    (annotation,) = task["annotations"]
    drawings = read_results(annotation["result"]).drawings
    config = parse_config(recommended_config(["Ring", "Discs"], kind="brush"))

    assert task["data"] == {config.images[0].value.lstrip("$"): "a.jpg"}
    assert [each.label for each in drawings] == ["Ring", "Discs"]
    assert len({each.id for each in drawings}) == 2
    for each, mask in zip(drawings, masks, strict=True):
        (control,) = config.of_image(each.to_name, "brushlabels")
        assert (control.name, control.accepts(each.label)) == (each.from_name, True)
        assert np.array_equal(each.mask(*SIZE), mask)


def test_a_label_studio_task_of_polygons_has_one_for_each_part(save, masks):
    (task,) = save("label-studio-polygons", drawn("Ring", masks[0]), drawn("Discs", masks[1])).json
    drawings = read_results(task["annotations"][0]["result"]).drawings
    config = parse_config(recommended_config(["Ring", "Discs"], kind="polygon"))

    assert [each.label for each in drawings] == ["Ring", "Discs", "Discs"]
    assert len({each.id for each in drawings}) == 3
    for each in drawings:
        (control,) = config.of_image(each.to_name, "polygonlabels")
        assert (control.name, control.accepts(each.label)) == (each.from_name, True)
    ring, *discs = (each.mask(*SIZE) for each in drawings)
    assert iou(ring, masks[0]) > 0.95
    assert iou(np.logical_or.reduce(discs), masks[1]) > 0.95


def test_bitmasks_are_pictures_with_a_transparent_ground(save, masks):
    alone = save("bitmask", drawn("Ring", masks[0]))
    empty = drawn("none", np.zeros(SIZE, bool))
    several = save("bitmask", drawn("Ring/1", masks[0]), empty, drawn("é", masks[1]))

    assert alone.mimetype == "image/png"
    assert np.array_equal(read_bitmask(alone.data), masks[0])
    assert several.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(several.data)) as archive:
        assert archive.namelist() == ["01-Ring_1.png", "02-é.png"]
        for name, mask in zip(archive.namelist(), masks, strict=True):
            assert np.array_equal(read_bitmask(archive.read(name)), mask)


def read_bitmask(data):
    return bitmask.decode("data:image/png;base64," + base64.b64encode(data).decode(), 160, 120)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"format": "svg"}, "format: Input should be"),
        ({"objects": []}, "objects"),
        ({"width": 30}, "leaves the 30 x 120 picture"),
        ({"width": 1_000_000, "height": 1_000_000}, "1000000 x 1000000 pixels is too large"),
    ],
)
def test_requests_that_cannot_be_understood(save, masks, changed, sentence):
    answer = save("bitmask", drawn("a", masks[0]), **changed)
    assert answer.status_code == 400
    assert sentence in answer.json["error"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"runs": "!"}, "The mask of 'a' cannot be read"),
        ({"runs": "gA=="}, "The runs of a mask cannot be read"),
        ({"runs": "AQ=="}, "do not fill its 81 x 81 pixels"),
        ({"score": 2}, "score"),
    ],
)
def test_masks_that_are_none(save, masks, changed, sentence):
    answer = save("bitmask", drawn("a", masks[0], **changed))
    assert answer.status_code == 400
    assert sentence in answer.json["error"]


def test_nothing_to_save_is_said(save):
    assert save("bitmask", drawn("a", np.zeros(SIZE, bool))).json["error"] == "All of the masks are empty."


def test_more_than_can_be_written_at_once_is_refused(save):
    everything = drawn("a", np.ones(SIZE, bool))
    assert save("bitmask", *[everything] * 16).status_code == 200
    assert "cannot be saved at once" in save("bitmask", *[everything] * 17).json["error"]


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=200)))
def test_runs_are_read_as_they_were_written(mask_hw):
    assert np.array_equal(read_runs(run_lengths(mask_hw), *mask_hw.shape), mask_hw)


@given(st.binary(max_size=40), st.integers(0, 300), st.integers(0, 300))
def test_any_other_bytes_are_refused(data, height, width):
    try:
        mask_hw = read_runs(data, height, width)
    except RunsError:
        return
    assert mask_hw.shape == (height, width)
