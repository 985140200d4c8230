"""Click maps against the paper's, against the plain definition, and outside the image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.networks.click_maps import click_maps

UNUSED = (-1.0, -1.0, -1.0)
Point = tuple[float, float, float]


def whole_points(top: int, bottom: int) -> st.SearchStrategy[list[Point]]:
    coordinate = st.integers(top, bottom)
    point = st.tuples(coordinate, coordinate, st.just(0)) | st.just(UNUSED)
    return st.lists(point, min_size=1, max_size=6).map(lambda half: [*half, *reversed(half)])


def any_points() -> st.SearchStrategy[list[Point]]:
    coordinate = st.floats(-40, 80, width=32)
    point = st.tuples(coordinate, coordinate, st.just(0)) | st.just(UNUSED)
    return st.lists(point, min_size=1, max_size=5).flatmap(
        lambda half: st.tuples(*[point] * len(half)).map(lambda other: [*half, *other])
    )


def by_definition(
    points: list[Point], size: tuple[int, int], radius: float, disks: bool
) -> npt.NDArray[np.float32]:
    """Compare every pixel with every click."""
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float32)
    maps = []
    for half in np.split(np.array(points, dtype=np.float32), 2):
        d2 = np.full(size, 1e6 if not disks else np.inf, dtype=np.float32)
        for row, column, _ in half:
            if max(row, column) >= 0:
                d2_here = (rows - row) ** 2 + (columns - column) ** 2
                d2 = np.minimum(d2, d2_here if disks else d2_here / np.float32(radius**2))
        maps.append(d2 <= radius**2 if disks else np.tanh(2 * np.sqrt(d2)))
    return np.stack(maps).astype(np.float32)


def draw(
    points: list[Point], size: tuple[int, int], radius: float, *, disks: bool = True, rounded: bool = False
) -> npt.NDArray[np.float32]:
    maps = click_maps(torch.tensor([points]), size, radius=radius, disks=disks, rounded=rounded)
    array: npt.NDArray[np.float32] = maps[0].numpy()
    return array


# Outside the image the rounded ("cpu") maps of the paper's code are undefined: it writes out of bounds.
@pytest.mark.parametrize("radius", [3, 5])
@pytest.mark.parametrize(
    ("points", "rounded"), [("int", False), ("int", True), ("frac", False), ("frac", True), ("out", False)]
)
def test_disks_equal_the_golden_ones_exactly(golden: Path, points: str, radius: int, rounded: bool) -> None:
    with np.load(golden / "unit_distmaps.npz") as recorded:
        points_BP3 = torch.from_numpy(recorded[f"points_{points}"])
        expected = recorded[f"{points}_disk{radius}_{'cpu' if rounded else 'gpu'}"]
    maps = click_maps(points_BP3, (48, 64), radius=radius, disks=True, rounded=rounded)
    np.testing.assert_array_equal(maps.numpy(), expected)


@pytest.mark.parametrize("radius", [5, 260])
@pytest.mark.parametrize("points", ["int", "frac", "out"])
def test_distances_equal_the_golden_ones(golden: Path, points: str, radius: int) -> None:
    with np.load(golden / "unit_distmaps.npz") as recorded:
        points_BP3 = torch.from_numpy(recorded[f"points_{points}"])
        expected = recorded[f"{points}_tanh{radius}_gpu"]
    maps = click_maps(points_BP3, (48, 64), radius=radius, disks=False)
    np.testing.assert_allclose(maps.numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("points", ["int", "frac"])
def test_rounded_distances_stay_close_to_the_approximate_ones_of_the_paper(golden: Path, points: str) -> None:
    with np.load(golden / "unit_distmaps.npz") as recorded:
        points_BP3 = torch.from_numpy(recorded[f"points_{points}"])
        expected = recorded[f"{points}_tanh260_cpu"]
    maps = click_maps(points_BP3, (48, 64), radius=260, disks=False, rounded=True)
    np.testing.assert_allclose(maps.numpy(), expected, rtol=0, atol=3e-3)


@given(any_points(), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from([0.5, 1, 2.5, 5, 30]))
def test_disks_follow_the_definition(points: list[Point], size: tuple[int, int], radius: float) -> None:
    np.testing.assert_array_equal(draw(points, size, radius), by_definition(points, size, radius, True))


@given(any_points(), st.tuples(st.integers(1, 40), st.integers(1, 40)), st.sampled_from([1, 5, 260]))
def test_distances_follow_the_definition(points: list[Point], size: tuple[int, int], radius: float) -> None:
    ours = draw(points, size, radius, disks=False)
    np.testing.assert_allclose(ours, by_definition(points, size, radius, False), rtol=0, atol=1e-6)


@given(whole_points(0, 30), st.booleans())
def test_rounding_changes_nothing_for_whole_pixels_inside(points: list[Point], disks: bool) -> None:
    plain = draw(points, (31, 31), 5, disks=disks)
    np.testing.assert_array_equal(draw(points, (31, 31), 5, disks=disks, rounded=True), plain)


def test_rounding_takes_halves_to_the_even_pixel() -> None:
    points = [(0.5, 1.5, 0.0), (2.5, 3.5, 1.0)]
    maps = draw(points, (6, 6), 0.4, rounded=True)
    assert [tuple(map(int, np.argwhere(half)[0])) for half in maps] == [(0, 2), (2, 4)]


def test_rounded_clicks_above_the_image_are_ignored_and_beside_it_reach_in() -> None:
    above = draw([(-1.0, 3.0, 0.0), (-0.4, 3.0, 1.0)], (6, 6), 2, rounded=True)
    assert above[0].sum() == 0
    assert above[1].sum() > 0
    beside = draw([(3.0, -1.0, 0.0), (3.0, 6.0, 1.0)], (6, 6), 2, rounded=True)
    assert beside[0].sum() == beside[1].sum() > 0


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("far", [1e9, 1e30, float("inf"), float("nan")])
def test_absurd_coordinates_draw_nothing(far: float, rounded: bool) -> None:
    maps = draw([(far, 2.0, 0.0), (2.0, far, 1.0)], (5, 7), 5, rounded=rounded)
    assert maps.sum() == 0


def test_no_clicks_at_all() -> None:
    assert draw([UNUSED, UNUSED], (4, 5), 5).sum() == 0
    np.testing.assert_array_equal(draw([UNUSED, UNUSED], (4, 5), 5, disks=False), np.ones((2, 4, 5)))


def test_whole_number_tensors_are_legal() -> None:
    points = torch.tensor([[[3, 4, 0], [-1, -1, -1]]])
    maps = click_maps(points, (20, 20), radius=5, disks=True)
    assert maps.dtype == torch.float32
    assert maps.shape == (1, 2, 20, 20)
    assert maps[0, 0, 3, 4] == 1
    assert maps[0, 1].sum() == 0


def test_a_disk_of_radius_five_has_81_pixels_in_the_right_sample() -> None:
    used, unused = [(10.0, 10.0, 0.0), UNUSED], [UNUSED, UNUSED]
    maps = click_maps(torch.tensor([unused, used]), (21, 21), radius=5, disks=True)
    assert maps.sum(dim=(2, 3)).tolist() == [[0, 0], [81, 0]]
