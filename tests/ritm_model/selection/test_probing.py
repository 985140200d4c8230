"""What is read off a model's answers, with engines whose answers are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.clicks import Click
from ritm_model.inference import Predictor, PredictorOptions
from ritm_model.inference.resampling import Floats
from ritm_model.networks import Viewing
from ritm_model.selection.features import features_of
from ritm_model.selection.probing import as_seen, disagreement, grid_clicks, probe, shifted

MASKS = st.builds(
    lambda seed, sharp: (np.random.default_rng(seed).random((4, 5)) ** sharp).astype(np.float32),
    st.integers(0, 10**6),
    st.sampled_from([0, 0.2, 1, 9, 500]),
)


@dataclass(frozen=True)
class Bright:
    """Marks what is bright, wherever the click is."""

    name: str = "bright"
    with_prev_mask: bool = True

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        del points_BP3
        return 40 * (image_BCHW[:, :1] - 0.5)


@dataclass(frozen=True)
class Disc:
    """Marks a disc around the click, whatever is there."""

    name: str = "disc"
    with_prev_mask: bool = True

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        rows, columns = torch.meshgrid(*(torch.arange(side) for side in image_BCHW.shape[2:]), indexing="ij")
        y, x = points_BP3[:, :1, 0, None], points_BP3[:, :1, 1, None]
        far_BHW = torch.hypot(rows[None] - y, columns[None] - x)
        return (20 - far_BHW)[:, None]


@dataclass(frozen=True)
class LeftHalf:
    """Marks the left half of whatever it is shown."""

    name: str = "left half"
    with_prev_mask: bool = True

    def run(self, image_BCHW: torch.Tensor, points_BP3: torch.Tensor) -> torch.Tensor:
        del points_BP3
        logits = torch.full_like(image_BCHW[:, :1], -40.0)
        logits[..., : image_BCHW.shape[3] // 2] = 40.0
        return logits


@pytest.fixture
def image() -> np.ndarray:
    image = np.zeros((96, 128, 3), np.uint8)
    image[20:60, 10:50] = 255
    return image


def opened(engine: Bright | Disc | LeftHalf) -> Predictor:
    return Predictor(engine, PredictorOptions.serving())


@settings(deadline=None)
@given(MASKS, MASKS)
def test_disagreement_is_a_distance_in_zero_to_one(first_HW: Floats, second_HW: Floats) -> None:
    value = disagreement(first_HW, second_HW)
    assert -1e-9 <= value <= 1
    assert value == disagreement(second_HW, first_HW)
    assert disagreement(first_HW, first_HW) == 0
    assert value == pytest.approx(disagreement(first_HW[:, ::-1], second_HW[:, ::-1]))


def test_nothing_in_common_is_full_disagreement() -> None:
    left_HW, right_HW = np.float32([[1, 0]]), np.float32([[0, 1]])
    assert disagreement(left_HW, right_HW) == 1


@settings(deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 6))
def test_grid_clicks_lie_on_the_photograph_and_mirror_themselves(
    height: int, width: int, per_side: int
) -> None:
    clicks = grid_clicks(height, width, per_side)
    assert len(clicks) == per_side**2
    assert all(0 <= click.x < width and 0 <= click.y < height and click.is_positive for click in clicks)
    assert sorted(round(width - click.x, 6) for click in clicks) == sorted(
        round(click.x, 6) for click in clicks
    )


def test_a_grid_of_one_is_the_centre_and_of_none_is_refused() -> None:
    assert grid_clicks(30, 40, 1) == (Click(20, 15),)
    with pytest.raises(ValueError, match="at least one"):
        grid_clicks(30, 40, 0)


@settings(deadline=None)
@given(st.floats(-500, 500), st.floats(-500, 500))
def test_clicks_are_not_shifted_out_of_the_photograph(right: float, down: float) -> None:
    moved = shifted(Click(20, 15), right, down, 30, 40)
    assert 0 <= moved.x <= 39
    assert 0 <= moved.y <= 29


def test_what_depends_on_pixels_alone_is_certain(image: np.ndarray) -> None:
    seen = probe(opened(Bright()), image)
    assert seen.mirror < 0.05
    assert seen.shift < 0.01
    assert seen.areas == pytest.approx([40 * 40 / (96 * 128)] * 9, rel=0.1)


def test_what_depends_on_the_place_of_the_click_alone_is_unstable(image: np.ndarray) -> None:
    seen = probe(opened(Disc()), image)
    assert seen.shift > 0.1
    assert seen.mirror < 1e-3


def test_what_does_not_mirror_is_noticed(image: np.ndarray) -> None:
    assert probe(opened(LeftHalf()), image).mirror == pytest.approx(1, abs=0.02)


def test_photographs_are_looked_at_as_the_network_sees_them() -> None:
    lite = PredictorOptions.serving(Viewing(size=320, first_size=256))
    assert as_seen(np.zeros((1200, 2400, 3), np.uint8), lite).shape == (128, 256, 3)
    fitting = np.zeros((256, 100, 3), np.uint8)
    assert as_seen(fitting, lite) is fitting
    assert as_seen(fitting, PredictorOptions.paper()) is fitting


def test_features_tell_photographs_apart(image: np.ndarray) -> None:
    from ritm_model.checkpoints import load_model

    network = load_model("bundled").eval()
    own = features_of(network, image)
    assert own.dtype == np.float32
    assert own.ndim == 1
    assert np.array_equal(own, features_of(network, image))
    noisy = image // 2 + np.random.default_rng(0).integers(0, 100, image.shape).astype(np.uint8)
    flat = np.full_like(image, 200)
    shifted_HW3 = np.roll(image, 4, axis=1)
    near, far = (float(np.linalg.norm(own - features_of(network, one))) for one in (shifted_HW3, noisy))
    assert near < far
    assert near < float(np.linalg.norm(own - features_of(network, flat)))
    assert all(not part._forward_hooks for part in network.modules())
