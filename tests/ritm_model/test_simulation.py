"""The simulated annotator clicks where the paper's does, pixel for pixel."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from ritm_model.clicks import Click
from ritm_model.simulation import next_click

GOLDEN = Path(__file__).parent.parent / "golden"
GOLDEN_CLICKS: list[list[list[float]]] = json.loads((GOLDEN / "unit.json").read_text())["clicker"]


@pytest.mark.parametrize("case", range(len(GOLDEN_CLICKS)))
def test_clicks_equal_the_paper_s(case: int) -> None:
    with np.load(GOLDEN / "unit_clicker.npz") as arrays:
        truth_HW, predictions = arrays[f"gt{case}"], arrays[f"pred{case}"]
    not_clicked_HW = np.ones(truth_HW.shape, dtype=np.bool_)

    for mask_HW, (row, column, is_positive, _) in zip(predictions, GOLDEN_CLICKS[case], strict=True):
        click = next_click(mask_HW.astype(np.bool_), truth_HW, not_clicked_HW)

        assert click == Click(x=column, y=row, is_positive=bool(is_positive))
        not_clicked_HW[int(click.y), int(click.x)] = False


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


@pytest.mark.parametrize(("case", "turn", "expected"), [(22, 0, Click(24, 33)), (35, 3, Click(25, 9))])
def test_equal_depths_give_the_same_click_wherever_memory_lies(case: int, turn: int, expected: Click) -> None:
    """Two pixels lie equally deep there, but for the last bit."""
    with np.load(GOLDEN / "unit_clicker.npz") as arrays:
        truth_HW, mask_HW = arrays[f"gt{case}"], arrays[f"pred{case}"][turn].astype(np.bool_)
    not_clicked_HW = np.ones(truth_HW.shape, dtype=np.bool_)
    for row, column, *_ in GOLDEN_CLICKS[case][:turn]:
        not_clicked_HW[int(row), int(column)] = False

    clicks = set()
    kept = []
    for size in range(16, 4096, 48):
        kept.append(np.empty(size, np.uint8))  # moves what is allocated next
        clicks.add(next_click(mask_HW, truth_HW, not_clicked_HW))

    assert clicks == {expected}


@pytest.fixture
def one_opencv_thread() -> Iterator[None]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    yield
    cv2.setNumThreads(threads)


@pytest.mark.usefixtures("one_opencv_thread")
def test_the_click_does_not_depend_on_the_number_of_threads() -> None:
    """From 16,384 pixels on, OpenCV has another routine for one thread, with other last bits."""
    noise_HW = np.random.default_rng(0).standard_normal((200, 300)).astype(np.float32)
    truth_HW = (cv2.GaussianBlur(noise_HW, (0, 0), 6) > 0).astype(np.int8)
    nothing_HW = np.zeros(truth_HW.shape, dtype=np.bool_)
    padded = np.pad(truth_HW.astype(np.uint8), 1)
    depth_HW = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    squares_HW = (depth_HW**2).round()
    equally_deep = [squares_HW == square for square in np.unique(squares_HW)[1:]]

    alone = [next_click(nothing_HW, truth_HW, allowed_HW) for allowed_HW in equally_deep]
    cv2.setNumThreads(2)

    assert [next_click(nothing_HW, truth_HW, allowed_HW) for allowed_HW in equally_deep] == alone


def test_annotators_in_several_threads_leave_opencv_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of threads belongs to the process: no distance may be taken after another set it back."""
    real, seen = cv2.distanceTransform, []

    def watched(*arguments: object, **options: object) -> object:
        seen.append(cv2.getNumThreads())
        depth = real(*arguments, **options)  # type: ignore[call-overload]
        seen.append(cv2.getNumThreads())
        return depth

    before = cv2.getNumThreads()
    monkeypatch.setattr(cv2, "distanceTransform", watched)
    cv2.setNumThreads(1)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: next_click(square() != 1, square()), range(200)))
        after = cv2.getNumThreads()
    finally:
        cv2.setNumThreads(before)

    assert after == 1
    assert min(seen) == 2
