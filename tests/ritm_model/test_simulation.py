"""The simulated annotator clicks where the paper's does, pixel for pixel."""

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import distance_transform_edt

from ritm_model.clicks import Click
from ritm_model.simulation import next_click

GOLDEN = Path(__file__).parent.parent / "golden"
GOLDEN_CLICKS: list[list[list[float]]] = json.loads((GOLDEN / "unit.json").read_text())["clicker"]
TIES = {(35, 3)}
"""Cases and turns in which two pixels are equally deep, and the paper's code did not take the first."""


def squared_depth(region_HW: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The exact one, by another library."""
    distances = distance_transform_edt(np.pad(region_HW, 1))[1:-1, 1:-1]
    return np.rint(distances**2).astype(np.int64)


@pytest.mark.parametrize("case", range(len(GOLDEN_CLICKS)))
def test_clicks_equal_the_paper_s(case: int) -> None:
    """To the pixel, but where two are equally deep and the paper's code takes one by the last bit."""
    with np.load(GOLDEN / "unit_clicker.npz") as arrays:
        truth_HW, predictions = arrays[f"gt{case}"], arrays[f"pred{case}"]
    not_clicked_HW = np.ones(truth_HW.shape, dtype=np.bool_)

    for turn, (row, column, is_positive, _) in enumerate(GOLDEN_CLICKS[case]):
        mask_HW = predictions[turn].astype(np.bool_)
        click = next_click(mask_HW, truth_HW, not_clicked_HW)
        paper_s = Click(x=column, y=row, is_positive=bool(is_positive))

        if (case, turn) in TIES:
            wrong_HW = (truth_HW == 1) & ~mask_HW if is_positive else (truth_HW == 0) & mask_HW
            depth_HW = squared_depth(wrong_HW)
            assert click.is_positive == paper_s.is_positive
            assert depth_HW[int(click.y), int(click.x)] == depth_HW[int(row), int(column)]
        else:
            assert click == paper_s
        not_clicked_HW[int(row), int(column)] = False


def square(size: int = 20) -> npt.NDArray[np.int8]:
    truth_HW = np.zeros((30, 40), dtype=np.int8)
    truth_HW[5 : 5 + size, 8 : 8 + size] = 1
    return truth_HW


def test_the_first_click_goes_into_the_middle_of_the_object() -> None:
    truth_HW = square(size=21)

    click = next_click(np.zeros(truth_HW.shape, dtype=np.bool_), truth_HW)

    assert click == Click(x=18, y=15, is_positive=True)


def test_what_is_too_much_gets_a_negative_click() -> None:
    truth_HW = square()

    click = next_click(np.ones(truth_HW.shape, dtype=np.bool_), truth_HW)

    assert not click.is_positive
    assert truth_HW[int(click.y), int(click.x)] == 0


def test_ignored_pixels_are_no_mistake() -> None:
    truth_HW = square()
    mask_HW = truth_HW == 1
    mask_HW[:, 30:] = True
    truth_HW[:, 30:] = -1

    assert next_click(mask_HW, truth_HW) == Click(x=0, y=0, is_positive=False)


def test_neither_array_is_changed() -> None:
    truth_HW = square()
    mask_HW = np.zeros(truth_HW.shape, dtype=np.bool_)
    not_clicked_HW = np.ones(truth_HW.shape, dtype=np.bool_)

    next_click(mask_HW, truth_HW, not_clicked_HW)

    assert (truth_HW == square()).all()
    assert not mask_HW.any()
    assert not_clicked_HW.all()


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def opencv_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield
    cv2.setNumThreads(threads)


@pytest.mark.usefixtures("opencv_threads")
@pytest.mark.parametrize("size", [(40, 60), (200, 300)])
def test_of_equally_deep_pixels_the_first_is_clicked_whatever_the_last_bits(size: tuple[int, int]) -> None:
    """OpenCV has several routines, by size and threads, that differ in the last bits of a distance."""
    noise_HW = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    truth_HW = (cv2.GaussianBlur(noise_HW, (0, 0), 6) > 0).astype(np.int8)
    nothing_HW = np.zeros(size, dtype=np.bool_)
    depth_HW = squared_depth(truth_HW == 1)

    for square in np.unique(depth_HW)[1:]:
        allowed_HW = depth_HW == square
        row, column = np.argwhere(allowed_HW)[0]
        assert next_click(nothing_HW, truth_HW, allowed_HW) == Click(x=column, y=row)
