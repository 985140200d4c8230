"""An image never changes sides: not when others come, not under another name, not in another job."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.split import HELD_OUT, LEARNT, Split, TooFewLabelsError, divide_dataset, side_of


def dataset(folder: Path, images: dict[str, bytes]) -> Path:
    """The records that a split needs, with one object and one region to ignore on each image."""
    (folder / "images").mkdir(parents=True)
    for name, data in images.items():
        (folder / "images" / name).write_bytes(data)
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(images)],
        "annotations": [
            {"id": 2 * number + ignored, "image_id": number, "ignore": ignored, "iscrowd": ignored}
            for number in range(len(images))
            for ignored in (0, 1)
        ],
    }
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def sides(folder: Path) -> dict[str, str]:
    content = json.loads((folder / "annotations.json").read_bytes())
    return {image["file_name"]: image["split"] for image in content["images"]}


def test_images_stay_where_they_are_when_others_come(tmp_path: Path) -> None:
    images = {f"{number}.png": f"image {number}".encode() for number in range(200)}
    few = dataset(tmp_path / "few", dict(list(images.items())[:50]))
    many = dataset(tmp_path / "many", images)
    counts = divide_dataset(few, 0.2, 1)
    divide_dataset(many, 0.2, 1)
    assert sides(few).items() <= sides(many).items()
    held_out = list(sides(few).values()).count(HELD_OUT)
    assert counts == Split(50 - held_out, 50 - held_out, held_out, held_out)  # what is ignored is no object
    assert 20 <= list(sides(many).values()).count(HELD_OUT) <= 60


def test_an_image_under_another_name_has_the_same_side(tmp_path: Path) -> None:
    images = {f"{number}.png": f"image {number // 2}".encode() for number in range(60)}
    folder = dataset(tmp_path, images)
    divide_dataset(folder, 0.3, 1)
    found = sides(folder)
    assert all(found[f"{n}.png"] == found[f"{n + 1}.png"] for n in range(0, 60, 2))


def test_done_twice_it_is_the_same(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {f"{number}.png": bytes([number]) for number in range(40)})
    first = divide_dataset(folder, 0.3, 1)
    before = (folder / "annotations.json").read_bytes()
    assert divide_dataset(folder, 0.3, 1) == first
    assert (folder / "annotations.json").read_bytes() == before


@given(st.binary(max_size=20), st.floats(0.01, 0.5), st.floats(0.0, 0.49))
def test_a_larger_share_only_takes_from_what_is_learnt(data: bytes, share: float, more: float) -> None:
    if side_of(data, share) == HELD_OUT:
        assert side_of(data, share + more) == HELD_OUT
    if side_of(data, share + more) == LEARNT:
        assert side_of(data, share) == LEARNT


def test_too_few_labels_are_a_sentence(tmp_path: Path) -> None:
    folder = dataset(tmp_path, {f"{number}.png": bytes([number]) for number in range(20)})
    with pytest.raises(
        TooFewLabelsError, match=r"too few labels: 20 images have \d+ objects .* of which 19 are needed"
    ):
        divide_dataset(folder, 0.3, 19)
