"""What is noted of clicked objects, by whichever worker, until one of them is told that they are accepted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis_server import Redis

from ritm_backend.accepted import Note, NoteKeeper, Notes, RedisNotes, notes
from ritm_ops.redis_link import RedisLink


def note(clicks: int, **more: Any) -> Note:
    about: dict[str, Any] = {"session": "a", "prompt": "a", "pipeline": None, "version": "v1", **more}
    return Note(clicks=tuple((float(number), 1.0, True) for number in range(clicks)), **about)


Keepers = Callable[[], NoteKeeper]


@pytest.fixture(params=["folder", pytest.param("redis", marks=pytest.mark.e2e)])
def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> Keepers:
    """Makes what a server keeps its notes with; all share one place."""
    if request.param == "folder":
        return lambda: Notes(tmp_path)
    redis: Redis = request.getfixturevalue("redis")
    return lambda: RedisNotes(RedisLink(redis.url, "nothing is counted"))


def test_the_last_answer_counts_once(keeper: Keepers) -> None:
    one, other = keeper(), keeper()
    one.keep("region", note(1))
    other.keep("region", note(2))
    taken = one.take("region")
    assert taken is not None
    assert taken.cost == 2
    one.keep("region", note(3))  # refined after it was accepted
    assert other.take("region") is None
    assert other.take("another") is None


def test_an_object_whose_clicks_are_accepted_one_by_one(keeper: Keepers) -> None:
    """Each click is then a prompt of its own, which refines the region before."""
    kept = keeper()
    for prompt in ("a", "b", "b", "c"):
        kept.keep("region", note(2 if prompt == "b" else 1, session=prompt, prompt=prompt))
    taken = kept.take("region")
    assert taken is not None
    assert (taken.cost, taken.session, taken.version) == (4, "a", "v1")


def test_an_object_of_two_versions_is_nobodys(keeper: Keepers) -> None:
    kept = keeper()
    kept.keep("region", note(1))
    kept.keep("region", note(1, prompt="b", version="v2"))
    kept.keep("region", note(1, prompt="c", version="v2"))
    taken = kept.take("region")
    assert taken is not None
    assert taken.version == ""


def test_a_box_is_a_click_and_pictures_in_references_are_left_out(keeper: Keepers) -> None:
    kept = keeper()
    kept.keep("region", note(0, box=(1.0, 2.0, 3.0, 4.0), reference="data:" + "x" * 5000))
    taken = kept.take("region")
    assert taken is not None
    assert (taken.cost, taken.reference) == (1, "")


def test_old_notes_and_the_oldest_of_many_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notes, "MOST_NOTES", 3)
    kept = Notes(tmp_path)
    for number in range(5):
        kept.keep(f"region {number}", note(1))
    files = sorted(tmp_path.iterdir(), key=lambda path: path.stat().st_ino)
    for age, path in enumerate(files):
        seconds = path.stat().st_mtime - (100 * age if age else 2 * notes.KEPT_SECONDS)
        os.utime(path, (seconds, seconds))
    kept.tidy()
    assert set(tmp_path.iterdir()) == set(files[1:4])


def test_a_folder_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    kept = Notes(tmp_path / "gone")
    kept.keep("region", note(1))
    kept.tidy()
    assert kept.take("region") is None


def test_a_redis_that_is_away_does_no_harm() -> None:
    kept = RedisNotes(RedisLink("unix:///nowhere/redis.sock", "nothing is counted"))
    kept.keep("region", note(1))
    assert kept.take("region") is None
