"""Pictures are looked at once, and what cannot be looked at costs only itself."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from team import paint

from ritm_model.checkpoints import bundled_model_path
from ritm_ops.pictures import PictureFetcher
from ritm_ops.pictures.access import PictureAccess
from training.next.judging import Kept, ModelJudge, judged
from training.next.project import Task


@pytest.fixture(scope="module")
def judge() -> ModelJudge:
    return ModelJudge.open(bundled_model_path(), "cpu")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in (1, 2):
        assert cv2.imwrite(str(folder / f"{number}.png"), paint(number)[0])
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def task(number: int, *references: str) -> Task:
    return Task(number, references, is_labelled=False)


def test_only_new_pictures_are_looked_at(judge: ModelJudge, pictures: Path, tmp_path: Path) -> None:
    fetcher = PictureFetcher(PictureAccess(local_roots=(pictures,)))
    told: list[tuple[int, int]] = []
    tasks = [task(1, "1.png"), task(2, "2.png"), task(3, "1.png", "2.png")]
    first, problems = judged(
        tasks, judge, fetcher, Kept(tmp_path / "kept", "v1"), lambda *done: told.append(done)
    )
    assert problems == {}
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert first[3].mirror == pytest.approx((first[1].mirror + first[2].mirror) / 2)
    assert len(first[3].areas) == 2 * len(first[1].areas)
    for picture in pictures.iterdir():
        picture.unlink()
    file = tmp_path / "kept/v1.jsonl"
    assert len(file.read_text().splitlines()) == 2
    with file.open("a") as sink:
        sink.write('{"key": "cut off, for the process was ki')
    kept = Kept(tmp_path / "kept", "v1")
    again, _ = judged(tasks, judge, PictureFetcher(PictureAccess()), kept, lambda *_: None)
    assert again == first


def test_another_model_looks_anew(tmp_path: Path, judge: ModelJudge, pictures: Path) -> None:
    fetcher = PictureFetcher(PictureAccess(local_roots=(pictures,)))
    judged([task(1, "1.png")], judge, fetcher, Kept(tmp_path / "kept", "v1"), lambda *_: None)
    assert Kept(tmp_path / "kept", "v1").get("1.png") is not None
    assert Kept(tmp_path / "kept", "v2").get("1.png") is None
    assert list((tmp_path / "kept").iterdir()) == []  # of v1, which is not live any more


def test_what_cannot_be_looked_at_costs_only_itself(
    judge: ModelJudge, pictures: Path, tmp_path: Path
) -> None:
    fetcher = PictureFetcher(PictureAccess(local_roots=(pictures,)))
    tasks = [task(1, "1.png"), task(2, "broken.png"), task(3, "missing.png"), task(4)]
    found, problems = judged(tasks, judge, fetcher, Kept(tmp_path / "kept", "v1"), lambda *_: None)
    assert list(found) == [1]
    assert list(problems) == [2, 3, 4]
    assert "name no picture" in problems[4]
