"""ZoomIn step by step, against the recorded behaviour of the paper's code.

The network is a cone of logits around the object, of which a radius is given per click.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from ritm_model.clicks import Click
from ritm_model.inference import PredictorOptions
from ritm_model.inference.geometry import Roi, to_crop, whole
from ritm_model.inference.reference import needs_second_pass
from ritm_model.inference.resampling import crop_pixels
from ritm_model.inference.soft_map import SoftMap
from ritm_model.inference.state import Prediction
from ritm_model.inference.zoom_in import ZoomIn, stepped

CASES = json.loads((Path(__file__).parents[2] / "golden/unit.json").read_text())["zoomin"]
STALE_CASES = (3, 7, 15, 19)
STALE_CLICK = 3
"""In these cases the prediction is empty before this click, and the paper's code keeps an old crop."""


@dataclass
class Cone:
    """One case: image, stand-in for the network, and the memory that a `State` would hold."""

    case: dict
    reference: bool

    def __post_init__(self):
        case = self.case
        random = np.random.RandomState(case["image_seed"])
        self.frame = random.randint(250, 700), random.randint(250, 700)
        assert self.frame == (case["h"], case["w"])
        self.image_HWC = random.random_sample((1, 4, *self.frame)).astype(np.float32)[0].transpose(1, 2, 0)
        params = dict(case["params"])
        if isinstance(params["target_size"], list):
            params["target_size"] = tuple(params["target_size"])
        self.zoom_in = ZoomIn(**params)
        self.clicks: list[Click] = []
        self.roi: Roi | None = None
        self.prediction: Prediction | None = None

    def logits(self, radius: float, roi: Roi | None, size: tuple[int, int]) -> torch.Tensor:
        rows, columns = np.mgrid[: self.frame[0], : self.frame[1]]
        distance = np.sqrt((rows - self.case["cy"]) ** 2 + (columns - self.case["cx"]) ** 2)
        cone_HW = ((radius - distance) / self.case["k"]).astype(np.float32)
        shown = torch.from_numpy(cone_HW[roi.slices] if roi else cone_HW)[None, None]
        return functional.interpolate(shown, size=size, mode="bilinear", align_corners=True)

    def step(self, step: dict) -> dict:
        """Answer the click of a golden step; what the golden step records about it."""
        y, x, is_positive = step["click"]
        if len(self.clicks) == step["click_no"]:
            self.clicks.append(Click(x, y, is_positive))
        seen = self.zoom_in.next_roi(
            self.frame,
            self.clicks,
            object_roi=self.prediction.object_roi if self.prediction else None,
            roi=self.roi,
        )
        changed = seen is not None and seen != self.roi
        self.roi = self.roi if self.reference and seen is None else seen
        size = self.zoom_in.input_size(seen) if seen else self.frame
        net_input = crop_pixels(self.image_HWC, seen or whole(self.frame), size)
        values_hw = torch.sigmoid(self.logits(step["logit_radius"], self.roi, size))[0, 0].numpy()
        soft = SoftMap(values_hw, self.roi or whole(self.frame), self.frame)
        self.prediction = Prediction.of(soft, threshold=0.49, object_threshold=self.zoom_in.prob_thresh)
        return {
            "roi": list(self.roi) if self.roi else None,
            "image_changed": changed,
            "net_input_shape": [1, net_input.shape[2], *net_input.shape[:2]],
            "net_input_sum": float(net_input.sum(dtype=np.float64)),
            "tclicks": [[c.y, c.x] for c in to_crop(self.clicks, seen or whole(self.frame), size)],
            "out_sum": float(soft.full().sum(dtype=np.float64)),
            "recalc": needs_second_pass(self.zoom_in, self.frame, self.prediction.object_roi, self.roi),
        }


def assert_equals_golden(answer: dict, golden: dict) -> None:
    for exact in ("roi", "net_input_shape", "recalc"):
        assert answer[exact] == golden[exact], exact
    np.testing.assert_allclose(answer["tclicks"], golden["tclicks"], rtol=0, atol=1e-9)
    assert answer["net_input_sum"] == pytest.approx(golden["net_input_sum"], rel=1e-5)
    assert answer["out_sum"] == pytest.approx(golden["out_sum"], rel=1e-5)
    # A crop may be chosen anew and come out the same; what counts is what the network sees.
    assert golden["image_changed"] or not answer["image_changed"]


@pytest.mark.parametrize("index", range(len(CASES)))
def test_every_step_in_reference_mode(index):
    cone = Cone(CASES[index], reference=True)
    for golden in CASES[index]["steps"]:
        assert_equals_golden(cone.step(golden), golden)


@pytest.mark.parametrize("index", [i for i in range(len(CASES)) if i not in STALE_CASES])
def test_without_an_emptied_prediction_the_default_does_the_same(index):
    cone = Cone(CASES[index], reference=False)
    for golden in CASES[index]["steps"]:
        assert_equals_golden(cone.step(golden), golden)


@pytest.mark.parametrize("index", STALE_CASES)
def test_an_emptied_prediction_brings_back_the_whole_image(index):
    cone = Cone(CASES[index], reference=False)
    for golden in CASES[index]["steps"]:
        answer = cone.step(golden)
        if golden["click_no"] < STALE_CLICK:
            assert_equals_golden(answer, golden)
        if golden["click_no"] == STALE_CLICK:
            assert answer["roi"] is None
            assert answer["net_input_shape"] == [1, 4, *cone.frame]
            expected = torch.sigmoid(cone.logits(golden["logit_radius"], None, cone.frame)).numpy()
            np.testing.assert_allclose(cone.prediction.soft.full(), expected[0, 0], atol=1e-6)
            break


def test_the_least_crop_may_grow_with_the_photograph() -> None:
    zoom_in = ZoomIn(skip_clicks=-1, min_crop_share=0.25)
    speck = Roi(1000, 1009, 2000, 2009)
    assert max(zoom_in.around(speck, (2000, 4000)).size) == 1001
    assert max(zoom_in.around(speck, (1200, 2400)).size) == 601
    assert max(ZoomIn().around(speck, (2000, 4000)).size) == 201
    assert zoom_in.around(Roi(10, 19, 10, 19), (300, 400)) == ZoomIn().around(
        Roi(10, 19, 10, 19), (300, 400)
    )  # 200 pixels are more than a quarter of it


def test_the_first_look_may_be_smaller() -> None:
    zoom_in = ZoomIn(skip_clicks=-1, first_size=128)
    assert zoom_in.input_size(whole((300, 600)), has_mask=False) == (64, 128)
    assert zoom_in.input_size(whole((300, 600)), has_mask=True) == (200, 400)
    assert ZoomIn(skip_clicks=-1).input_size(whole((300, 600)), has_mask=False) == (200, 400)


def test_late_looks_may_be_larger() -> None:
    zoom_in = ZoomIn(skip_clicks=-1, target_size=320, first_size=128, late_size=512, late_click=3)
    sizes = [zoom_in.input_size(whole((300, 600)), clicks=clicks) for clicks in (1, 2, 3, 4)]
    assert sizes == [(160, 320), (160, 320), (256, 512), (256, 512)]
    assert zoom_in.input_size(whole((300, 600)), clicks=4, has_mask=False) == (64, 128)


@pytest.mark.parametrize("first_size", [None, 128])
def test_with_less_work_all_looks_are_as_small_as_the_first(first_size: int | None) -> None:
    zoom_in = ZoomIn(skip_clicks=-1, target_size=400, first_size=first_size, late_size=512, late_click=4)
    light = PredictorOptions(zoom_in=zoom_in).light().zoom_in
    assert light
    sizes = {
        light.input_size(whole((300, 600)), clicks=clicks, has_mask=clicks > 1) for clicks in range(1, 6)
    }
    assert sizes == {(64, 128) if first_size else (200, 400)}


def test_sides_of_later_views_are_multiples_of_a_step() -> None:
    zoom_in = ZoomIn(skip_clicks=-1, target_size=320, side_step=32)
    assert zoom_in.input_size(whole((427, 640))) == (224, 320)
    assert zoom_in.input_size(whole((640, 427))) == (320, 224)
    assert zoom_in.input_size(whole((3, 640))) == (32, 320), "no side is nothing"
    assert zoom_in.input_size(whole((427, 640)), has_mask=False) == (214, 320)
    assert replace(zoom_in, target_size=(50, 70)).input_size(whole((427, 640))) == (50, 70)


@given(st.integers(1, 8), st.integers(8, 512), st.integers(1, 512))
def test_a_side_becomes_the_nearest_multiple_or_the_longest(eighths: int, longest: int, side: int) -> None:
    step = 8 * eighths
    lengths = [*range(step, longest, step), longest]
    side = min(side, longest)
    found = stepped(side, step, longest)
    assert found in lengths
    assert abs(found - side) == min(abs(length - side) for length in lengths)
