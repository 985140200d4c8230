"""Which task is the frame before which."""

from __future__ import annotations

import pytest

from training.next.frames import frames_before
from training.next.project import Task


def tasks(*rows: tuple[str, bool]) -> dict[int, Task]:
    return {number: Task(number, (name,), is_labelled) for number, (name, is_labelled) in enumerate(rows, 1)}


def before(*rows: tuple[str, bool]) -> dict[int, int]:
    return {later: earlier.id for later, earlier in frames_before(tasks(*rows)).items()}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("s3://videos/clip_9.jpg", "s3://videos/clip_10.jpg"),
        ("/data/upload/3/0a1b2c3d-clip_007.png", "/data/upload/3/99aabbcc-clip_008.png"),
        ("a/7.left.jpg", "a/8.left.jpg"),
        ("clip_0001.JPG", "clip_0002.jpg"),
    ],
)
def test_the_number_before_is_the_frame_before(first: str, second: str) -> None:
    assert before((first, True), (second, False)) == {2: 1}
    assert before((second, False), (first, True)) == {1: 2}  # whatever the order of the tasks
    assert before((first, False), (second, True)) == {}


def test_only_the_frame_right_before_counts() -> None:
    assert before(("c_1.jpg", True), ("c_2.jpg", False), ("c_3.jpg", False)) == {2: 1}
    assert before(("c_1.jpg", True), ("c_2.jpg", True), ("c_4.jpg", False)) == {3: 2}


def test_other_sequences_are_not_mixed_in() -> None:
    assert before(("a/c_1.jpg", True), ("b/c_2.jpg", False)) == {}
    assert before(("c_1_left.jpg", True), ("c_2_right.jpg", False)) == {}
    assert before(("cat.jpg", True), ("dog.jpg", False)) == {}


def test_tasks_with_several_pictures_are_no_frames() -> None:
    both = {
        1: Task(1, ("c_1.jpg", "d_1.jpg"), is_labelled=True),
        2: Task(2, ("c_2.jpg", "d_2.jpg"), is_labelled=False),
    }
    assert frames_before(both) == {}
    pages = {
        1: Task(1, ("c_1.jpg",), is_labelled=True, has_more=True),
        2: Task(2, ("c_2.jpg",), is_labelled=False, has_more=True),
    }
    assert frames_before(pages) == {}
