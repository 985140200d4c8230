"""The worst objects: which ones, drawn again from the clicks that were made, or a sentence why not."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from ritm_model.clicks import Click
from ritm_model.evaluation.report import Sources, find_runs, read_runs, worst_cases
from ritm_model.evaluation.report.cases import worst_results
from ritm_model.evaluation.report.filmstrip import FRAME_HEIGHT, FRAME_WIDTH, draw_frame, view_of

PLENTY = 10**7


def test_failures_come_first_and_then_what_took_longest(make_run) -> None:
    (run,) = read_runs([make_run()])
    names = [result.name for result in worst_results(run.evaluation, 0.9, 3)]
    assert names == ["photo2.jpg", "photo1.jpg", "photo0.jpg"]
    assert [result.name for result in worst_results(run.evaluation, 0.9, 1)] == ["photo2.jpg"]


def test_frames_show_what_was_measured(drawn) -> None:
    assert (drawn.note, len(drawn.strips)) == ("", 2)
    for strip in drawn.strips:
        assert strip.note == ""  # the masks are those that were measured
        assert [frame.iou for frame in strip.frames] == list(strip.result.ious)
        assert [frame.click for frame in strip.frames] == list(range(1, len(strip.result.clicks) + 1))
        for frame in strip.frames:
            picture = Image.open(io.BytesIO(frame.picture))
            assert (picture.format, picture.size) == ("WEBP", frame.size)
            assert len(frame.picture) < 30_000


def test_a_mask_that_was_given_is_given_again(evaluated, tmp_path) -> None:
    from click.testing import CliRunner

    from ritm_model.cli.evaluate import evaluate

    place = f"drawings=GrabCut:{evaluated / 'drawings'}"
    options = ["--eval-mode", "fixed64", "--no-flip", "--n-clicks", "1", "--jobs", "1", "--from-mask"]
    arguments = ["bundled", "--datasets", "drawings", "--root", place, "--output", str(tmp_path)]
    assert CliRunner().invoke(evaluate, [*arguments, *options]).exit_code == 0
    (run,) = read_runs(find_runs([tmp_path]))
    (strip,) = worst_cases(run, 0.9, 1, Sources(), PLENTY).strips
    assert strip.note == ""
    assert strip.result.initial_iou is not None
    lost = max(0.0, strip.result.initial_iou - strip.result.ious[0])
    assert strip.frames[0].drop == pytest.approx(lost)


def test_another_mask_than_measured_is_told(drawings) -> None:
    run = drawings
    samples = tuple(
        replace(sample, ious=tuple(iou / 2 for iou in sample.ious)) for sample in run.evaluation.samples
    )
    run = replace(run, evaluation=replace(run.evaluation, samples=samples))
    (strip,) = worst_cases(run, 0.9, 1, Sources(), PLENTY).strips
    assert "differ" in strip.note
    assert strip.frames


def test_a_model_that_is_gone_is_said(drawings) -> None:
    run = drawings
    run = replace(run, evaluation=replace(run.evaluation, model="gone-00000000"))
    cases = worst_cases(run, 0.9, 1, Sources(), PLENTY)
    assert not cases.strips
    assert "The model gone-00000000 is not at hand; name its file with --model." in cases.note


def test_a_model_is_found_by_its_weights_wherever_it_is(evaluated, tmp_path, drawings) -> None:
    from ritm_model.checkpoints import bundled_model_path

    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_model_path().with_suffix(suffix), tmp_path / f"elsewhere{suffix}")
    run = replace(drawings, origin=None)
    sources = Sources(
        models=(tmp_path / "elsewhere.safetensors",),
        roots={"drawings": f"GrabCut:{evaluated / 'drawings'}"},
    )
    assert worst_cases(run, 0.9, 1, sources, PLENTY).strips[0].frames


def test_images_that_are_gone_are_said(drawings) -> None:
    run = drawings
    cases = worst_cases(replace(run, origin=None), 0.9, 1, Sources(), PLENTY)
    assert "There are no pictures of the worst objects" in cases.note
    cases = worst_cases(run, 0.9, 1, Sources(roots={"drawings": "GrabCut:nowhere"}), PLENTY)
    assert "drawings is not at hand, for nowhere is missing." in cases.note


def test_a_mask_that_has_changed_is_said(evaluated, tmp_path, drawings) -> None:
    shutil.copytree(evaluated / "drawings", tmp_path / "drawings")
    run = drawings
    (worst,) = worst_results(run.evaluation, 0.9, 1)
    cv2.imwrite(
        str(tmp_path / "drawings/boundary_GT" / worst.name),
        np.full((worst.height, worst.width), 255, np.uint8),
    )
    sources = Sources(roots={"drawings": f"GrabCut:{tmp_path / 'drawings'}"})
    (strip,) = worst_cases(run, 0.9, 1, sources, PLENTY).strips
    assert not strip.frames
    assert "has changed since" in strip.note


def test_pictures_never_take_more_than_was_allowed(drawings, drawn) -> None:
    first = sum(len(frame.picture) for frame in drawn.strips[0].frames)
    told: list[int] = []
    cases = worst_cases(drawings, 0.9, 3, Sources(), first, lambda: told.append(1))
    assert (len(cases.strips), len(told)) == (1, 1)
    assert cases.note == "The pictures of 2 more would make the report too large."


@pytest.mark.parametrize("size", [(30, 500), (500, 30), (64, 64), (2000, 3000)])
def test_a_frame_holds_object_and_clicks_and_is_small(size) -> None:
    height, width = size
    truth_HW = np.zeros(size, np.int8)
    truth_HW[height // 3 : height // 2, width // 3 : width // 2] = 1
    clicks = (Click(width - 0.5, height - 0.5, False),)
    view = view_of(truth_HW, clicks)
    assert view.x + view.width == width
    assert view.y + view.height == height
    frame = draw_frame(np.zeros((*size, 3), np.uint8), truth_HW == 1, truth_HW, clicks, view)
    assert frame.shape == (view.frame_size[1], view.frame_size[0], 3)
    assert frame.shape[0] <= FRAME_HEIGHT
    assert frame.shape[1] <= FRAME_WIDTH


def test_signs_can_be_told_apart_without_colour() -> None:
    image_HW3 = np.full((100, 100, 3), 120, np.uint8)
    truth_HW = np.zeros((100, 100), np.int8)
    truth_HW[10:90, 10:90] = 1
    view = view_of(truth_HW, ())
    drawn = [
        draw_frame(image_HW3, truth_HW == 1, truth_HW, [Click(50, 50, sign)], view) for sign in (True, False)
    ]
    white = [(frame.min(axis=2) > 200).sum() for frame in drawn]
    assert white[0] > white[1] > 0  # a plus has a stroke more than a minus


def test_many_clicks_are_thinned_out_but_first_and_last_stay() -> None:
    from ritm_model.evaluation.report.cases import MOST_FRAMES, _spread

    shown = _spread(100, MOST_FRAMES)
    assert (shown[0], shown[-1], len(shown)) == (1, 100, MOST_FRAMES)
    assert _spread(3, MOST_FRAMES) == [1, 2, 3]


def test_no_folder_above_the_data_set_is_named(evaluated, drawings, drawn) -> None:
    from ritm_model.evaluation.report import render_report

    run = drawings
    html = render_report([run], [drawn])
    assert "data_GT/broken.png" in html
    assert str(evaluated) not in html
    assert json.loads((run.folder / "origin.json").read_text())["card"]["sha256"] in html
