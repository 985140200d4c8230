"""Folders that may stand in a report, and sentences for those that may not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ritm_model.errors import RitmError
from ritm_model.evaluation import EvaluationProtocol, load_evaluation
from ritm_model.evaluation.report import find_runs, grouped, read_runs
from ritm_model.inference import PredictorOptions, ProgressiveMerge, ZoomIn

PROTOCOL = EvaluationProtocol(max_clicks=4)


def test_a_folder_above_stands_for_all_below_it(make_run, tmp_path) -> None:
    first, second = make_run("above/a"), make_run("above/deep/b", model="other")
    assert find_runs([tmp_path / "above"]) == [first, second]
    assert find_runs([first, tmp_path / "above/a"]) == [first]


def test_no_evaluation_is_said(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        with pytest.raises(RitmError, match=r"holds no evaluation\.$"):
            find_runs([path])


def test_an_unfinished_one_says_how_to_go_on(make_run) -> None:
    with pytest.raises(
        RitmError, match=r"2 of 5 objects are missing; the same `ritm evaluate` command again"
    ):
        read_runs([make_run(expected=5)])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"samples": "many"}', '{"samples": 3, "model": "m", "dataset": "d", "protocol": {}}'],
)
def test_a_damaged_one_is_named(make_run, content) -> None:
    folder = make_run()
    (folder / "run.json").write_text(content)
    with pytest.raises(RitmError, match=r"run\.json is damaged"):
        read_runs([folder])


def test_a_damaged_origin_is_named(make_run) -> None:
    folder = make_run()
    (folder / "origin.json").write_text('{"ritm": 1}')
    with pytest.raises(RitmError, match=r"origin\.json is damaged"):
        read_runs([folder])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"max_clicks": 5}, "made with max_clicks 5, .* with 4"),
        ({"target_iou": 0.9}, "made with target_iou 0.9, .* with 0.95"),
        ({"min_clicks": 2}, "made with min_clicks 2, .* with 1"),
    ],
)
def test_other_rules_of_stopping_do_not_mix(make_run, changed, sentence) -> None:
    folders = [make_run("a"), make_run("b", model="other", protocol=replace(PROTOCOL, **changed))]
    with pytest.raises(RitmError, match=f"{sentence}: their clicks do not compare"):
        read_runs(folders)


def test_the_same_evaluation_twice_is_said(make_run) -> None:
    with pytest.raises(RitmError, match="hold the same evaluation"):
        read_runs([make_run("a"), make_run("b")])


def test_labels_tell_what_differs_and_nothing_else(make_run) -> None:
    plain = EvaluationProtocol(PredictorOptions(), max_clicks=4)
    no_flip = replace(plain, options=PredictorOptions(with_flip=False))
    wide = replace(plain, options=PredictorOptions(zoom_in=ZoomIn(target_size=(96, 64), skip_clicks=-1)))
    from_mask = replace(plain, from_mask=True)
    runs = read_runs(
        [
            make_run("a", protocol=plain),
            make_run("b", protocol=no_flip),
            make_run("c", dataset="films", protocol=wide),
            make_run("d", protocol=from_mask),
        ]
    )
    name = "first-12345678"
    assert [run.label for run in runs] == [f"{name}, flip", f"{name}, no flip", name, f"{name}, from masks"]
    shapes = [(group.dataset, group.from_mask, len(group.runs)) for group in grouped(runs)]
    assert shapes == [("films", False, 1), ("photos", False, 2), ("photos", True, 1)]


def test_what_is_added_to_the_network_is_told_where_it_differs(make_run) -> None:
    plain = EvaluationProtocol(PredictorOptions(), max_clicks=4)
    merged = replace(plain, options=PredictorOptions(merge=ProgressiveMerge()))
    runs = read_runs([make_run("a", protocol=plain), make_run("b", protocol=merged)])
    assert [run.label for run in runs] == ["first-12345678", "first-12345678, merged with the mask before"]


def test_zoom_in_is_told_where_it_differs(make_run) -> None:
    none = EvaluationProtocol(PredictorOptions(zoom_in=None), max_clicks=4)
    some = EvaluationProtocol(PredictorOptions(), max_clicks=4)
    labels = [run.label for run in read_runs([make_run("a", protocol=none), make_run("b", protocol=some)])]
    assert labels[0].endswith(", no zoom-in")
    assert labels[1].endswith(", zoom-in to 400 pixels after 1 click")


def test_other_samples_under_the_same_name_are_not_compared(make_run) -> None:
    samples = load_evaluation(make_run("a")).samples
    (group,) = grouped(read_runs([make_run("a"), make_run("b", model="other", samples=samples[:2])]))
    assert not group.comparisons
    assert group.notes == ("first-12345678 and other were not evaluated on the same samples.",)


def test_what_evaluate_notes_comes_back(evaluated) -> None:
    (run,) = read_runs(find_runs([evaluated / "out"]))
    assert run.origin is not None
    assert run.evaluation.model.startswith(run.origin.card.name)
    assert run.origin.data.place == f"GrabCut:{evaluated / 'drawings'}"
    assert (run.origin.data.images, run.origin.data.samples) == (3, 3)
    assert [one.file.endswith("broken.png") for one in run.origin.data.left_out] == [True]
    assert json.loads((run.folder / "origin.json").read_text())["device"] == "cpu"
