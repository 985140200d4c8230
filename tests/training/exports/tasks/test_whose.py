"""Whose work counts, of several annotations of a task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_files import HEIGHT, WIDTH
from hypothesis import given
from hypothesis import strategies as st

from ritm_model.errors import RitmError
from training.exports import Options
from training.whose import RULES, Entry, Whose, WhoseError

Taken = Callable[..., Any]


def polygon(left: float, right: float, label: str = "Cat", **changes: Any) -> dict[str, Any]:
    value = {"points": [[left, 10], [right, 10], [right, 90], [left, 90]], "polygonlabels": [label]}
    about = {"id": f"{left}", "type": "polygonlabels", "to_name": "image"}
    return {**about, "original_width": WIDTH, "original_height": HEIGHT, "value": value, **changes}


def by(user: object, number: int, *result: Any, **changes: Any) -> dict[str, Any]:
    when = f"2026-11-22T10:00:{number:02d}Z"
    return {"id": number, "completed_by": user, "result": list(result), "created_at": when, **changes}


@pytest.fixture
def columns(tmp_path: Path, taken: Taken, picture: bytes) -> Callable[..., Any]:
    """The first column (of 100) and label of each object that is taken of one task."""
    (tmp_path / "roots").mkdir()
    (tmp_path / "roots" / "a.png").write_bytes(picture)

    def take(
        annotations: list[Any], whose: str = "newest", **task: Any
    ) -> tuple[set[tuple[int, str]], Counter[str]]:
        path = tmp_path / "export.json"
        path.write_text(
            json.dumps([{"id": 1, "data": {"image": "a.png"}, "annotations": annotations, **task}])
        )
        options = Options(Whose.parse(whose), predictions=bool(task))
        collected, masks, _ = taken(path, options, local_roots=(tmp_path / "roots",))
        found = {
            (round(float(np.flatnonzero(mask.any(axis=0))[0]) * 100 / WIDTH), label)
            for label, of_label in masks.items()
            for mask in of_label
        }
        return found, Counter(collected.unused)

    return take


def test_newest_but_a_ground_truth_comes_first(columns: Callable[..., Any]) -> None:
    newer = [by(1, 1, polygon(10, 30)), by(2, 2, polygon(50, 70))]
    assert columns(newer)[0] == {(50, "Cat")}
    newer[0]["ground_truth"] = True
    assert columns(newer) == ({(10, "Cat")}, {"older than another of their task": 1})


def test_without_dates_the_higher_id_is_the_newer(columns: Callable[..., Any]) -> None:
    for ids in ((9, 10), ("9", "10")):
        of_task = [
            {"id": id, "result": [polygon(left, left + 20)]} for id, left in zip(ids, (10, 50), strict=True)
        ]
        assert columns(of_task)[0] == columns(of_task[::-1])[0] == {(50, "Cat")}


def test_only_ground_truth_or_reviewed_or_some_users(columns: Callable[..., Any]) -> None:
    anna = {"id": 7, "email": "Anna@example.com", "first_name": "Anna", "last_name": "Lee"}
    accepted = [
        {"accepted": False, "created_at": "2026-01-01"},
        {"accepted": True, "created_at": "2026-01-02"},
    ]
    of_task = [
        by(anna, 1, polygon(10, 30), ground_truth=True),
        by(8, 2, polygon(50, 70), reviews=accepted),
        by(9, 3, polygon(70, 90), reviews=accepted[:1]),
    ]
    assert columns(of_task, "ground_truth") == ({(10, "Cat")}, {"not marked as ground truth": 2})
    assert columns(of_task, "reviewed")[0] == {(50, "Cat")}
    assert columns(of_task, "Ground-Truth")[0] == {(10, "Cat")}
    for users in ("anna@EXAMPLE.com", "7", "anna lee, nobody"):
        assert columns(of_task, users) == ({(10, "Cat")}, {"of other users": 2})
    assert columns(of_task, "8,9")[0] == {(70, "Cat")}
    with pytest.raises(RitmError, match=r"They are of 7 = anna@example\.com = anna lee, 8, 9\."):
        columns(of_task, "nobody")


def test_union_takes_objects_of_all_and_overlapping_ones_once(columns: Callable[..., Any]) -> None:
    of_task = [
        by(1, 1, polygon(10, 30), polygon(70, 90)),
        by(2, 2, polygon(12.5, 30), polygon(40, 60)),
        by(1, 3, polygon(70, 90, "Dog")),
        by(3, 4, polygon(70, 90)),
    ]
    found, unused = columns(of_task, "union")
    assert found == {(12, "Cat"), (40, "Cat"), (70, "Dog"), (70, "Cat")}
    assert unused == {"older than another of their task": 1}


def test_predictions_count_only_where_nobody_has_annotated(columns: Callable[..., Any]) -> None:
    guess = {"id": 3, "result": [polygon(50, 70)], "model_version": "m", "created_at": "2026-11-23T10:00:00Z"}
    assert columns([], predictions=[guess])[0] == {(50, "Cat")}
    found, unused = columns([by(1, 1, polygon(10, 30))], predictions=[guess])
    assert (found, unused) == ({(10, "Cat")}, {"predictions of a model": 1})


def test_a_rule_that_names_nobody_is_refused() -> None:
    for text in ("", " , "):
        with pytest.raises(WhoseError, match="newest, ground_truth"):
            Whose.parse(text)


entries = st.lists(
    st.builds(
        Entry,
        row=st.integers(0, 99),
        id=st.sampled_from("abc"),
        task=st.just("1"),
        when=st.sampled_from(["2026-01-01", "2026-01-02"]),
        number=st.integers(0, 9),
        authors=st.sampled_from([(), ("1",), ("2", "b")]),
        ground_truth=st.booleans(),
        reviewed=st.none() | st.booleans(),
        prediction=st.booleans(),
    ),
    max_size=6,
    unique_by=lambda entry: entry.row,
)


@given(entries, st.sampled_from([*RULES, "1", "b,3"]), st.booleans())
def test_each_annotation_is_used_or_counted_once(found: list[Entry], rule: str, predictions: bool) -> None:
    unused: Counter[str] = Counter()
    chosen = Whose.parse(rule).choose(found, unused, predictions=predictions)
    assert len(chosen) + unused.total() == len(found)
    assert Whose.parse(rule).choose(found[::-1], Counter(), predictions=predictions) == chosen or len(
        {(entry.when, entry.number) for entry in found}
    ) < len(found)
    if rule != "union":
        assert len(chosen) <= 1
