"""Evaluation in one process and in many, interrupted and continued: always the same results."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from ritm_model.errors import RitmError
from ritm_model.evaluation import (
    EvaluationProtocol,
    RunFolderError,
    SampleError,
    WorkerError,
    annotate,
    evaluate,
    load_evaluation,
)
from ritm_model.inference import PredictorOptions, ZoomIn, open_predictor
from ritm_model.masks.overlap import iou

QUICK = EvaluationProtocol(
    options=PredictorOptions(zoom_in=ZoomIn(target_size=96, min_crop_size=60), with_flip=False), max_clicks=3
)
FROM_MASK = replace(QUICK, from_mask=True)
FIXED = replace(
    QUICK,
    options=PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=(96, 96)), with_flip=False),
    max_clicks=2,
)


@pytest.fixture(scope="module")
def predictor():
    return open_predictor("bundled", "cpu", QUICK.options)


class Drawing:
    """A predictor that answers each click with a mask drawn beforehand: what an evaluation makes of masks."""

    def __init__(self, *masks: np.ndarray) -> None:
        self.masks = masks

    def start(self, image_HW3, mask=None):
        return Answer((), np.zeros(image_HW3.shape[:2], bool), image_HW3)

    def click(self, state, click):
        mask = self.masks[min(len(state.clicks), len(self.masks) - 1)]
        return Answer((*state.clicks, click), mask, state.image)


@dataclass(frozen=True)
class Answer:
    clicks: tuple
    mask: np.ndarray
    image: np.ndarray


def test_annotation_stops_at_the_target(shapes) -> None:
    truth = shapes[0].mask == 1
    result = annotate(Drawing(np.zeros_like(truth), truth), shapes[0], replace(QUICK, max_clicks=10))
    assert result.ious == (0.0, 1.0)
    assert result.boundary_ious == (0.0, 1.0)
    assert result.object_pixels == truth.sum()


def test_annotation_makes_at_least_so_many_clicks(shapes) -> None:
    truth = shapes[0].mask == 1
    protocol = replace(QUICK, max_clicks=10, min_clicks=4)
    result = annotate(Drawing(truth), shapes[0], protocol)
    assert result.ious == (1.0,) * 4
    # nothing left to correct: the paper's tool clicks the corner, again and again
    assert [(click.x, click.y, click.is_positive) for click in result.clicks[1:]] == [(0, 0, False)] * 3


def test_annotation_gives_up_after_so_many_clicks(shapes) -> None:
    nothing = np.zeros(shapes[0].mask.shape, bool)
    result = annotate(Drawing(nothing), shapes[0], replace(QUICK, max_clicks=6))
    assert result.ious == (0.0,) * 6
    assert len(set(result.clicks)) == 6  # no pixel twice


def test_a_target_above_one_uses_all_clicks(shapes) -> None:
    truth = shapes[0].mask == 1
    result = annotate(Drawing(truth), shapes[0], replace(QUICK, max_clicks=5, target_iou=1.01))
    assert len(result.clicks) == 5


@pytest.mark.slow
def test_the_serial_run_and_two_processes_give_equal_results(few_shapes, source_of, tmp_path) -> None:
    options = replace(QUICK.options, zoom_in=ZoomIn(target_size=160, min_crop_size=60))
    protocol = replace(QUICK, options=options)
    source = source_of(protocol)
    heard: list[tuple[str, int]] = []

    serial = evaluate("bundled", source, few_shapes, protocol, jobs=1, folder=tmp_path / "run")
    parallel = evaluate(
        "bundled", source, few_shapes, protocol, jobs=2, on_result=lambda one, n: heard.append((one.name, n))
    )

    assert serial == parallel
    assert [sample.name for sample in serial.samples] == list(few_shapes.names)
    assert sorted(heard) == [(name, 4) for name in few_shapes.names]
    assert all(len(sample.clicks) <= 3 for sample in serial.samples)
    assert load_evaluation(tmp_path / "run") == serial


def test_batches_give_the_results_of_the_serial_run(few_shapes, source_of) -> None:
    source = source_of(FIXED)
    serial = evaluate("bundled", source, few_shapes, FIXED)
    together = evaluate("bundled", source, few_shapes, FIXED, batch=3)
    assert [sample.name for sample in together.samples] == list(few_shapes.names)
    for one, other in zip(serial.samples, together.samples, strict=True):
        assert one.clicks == other.clicks
        assert one.ious == pytest.approx(other.ious, abs=1e-4)


def test_a_broken_sample_ends_a_batch_with_its_sentence(shapes, source_of) -> None:
    with pytest.raises(SampleError, match="has no object"):
        evaluate("bundled", source_of(QUICK), Broken(shapes, 0), QUICK, batch=2)


def test_annotation_from_a_mask_starts_with_that_mask(few_shapes, predictor) -> None:
    sample = few_shapes[2]
    result = annotate(predictor, sample, FROM_MASK)
    assert result.initial_iou is not None
    assert 0.75 <= result.initial_iou < 0.85
    assert result.clicks != annotate(predictor, sample, QUICK).clicks


class InterruptedRunError(Exception):
    """What stops an evaluation half-way."""


def test_an_interrupted_evaluation_goes_on_where_it_stopped(few_shapes, source_of, tmp_path) -> None:
    source, folder = source_of(QUICK), tmp_path / "run"
    whole = evaluate("bundled", source, few_shapes, QUICK)
    heard: list[str] = []

    def stop_at_the_second(result, total):
        heard.append(result.name)
        if len(heard) == 2:
            raise InterruptedRunError

    with pytest.raises(InterruptedRunError):
        evaluate("bundled", source, few_shapes, QUICK, folder=folder, on_result=stop_at_the_second)
    with (folder / "samples.jsonl").open("a") as file:
        file.write('{"index": 2, "name": "s0')  # half a line
    before = (folder / "samples.jsonl").read_text().splitlines()[:2]

    continued = evaluate("bundled", source, few_shapes, QUICK, folder=folder)

    after = (folder / "samples.jsonl").read_text().splitlines()
    assert after[:2] == before
    assert len(after) == 4
    assert continued == whole


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import Shapes
from test_run import QUICK
from ritm_model.evaluation import PredictorSource, evaluate

def die(result, total):
    os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    shapes = Shapes(("s00.png", "s03.png", "s08.png", "s16.png"))
    source = PredictorSource("bundled", "cpu", QUICK)
    evaluate("bundled", source, shapes, QUICK, jobs=2, folder=Path(sys.argv[2]), on_result=die)
"""


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_where_it_stopped(few_shapes, source_of, tmp_path) -> None:
    script, folder = tmp_path / "killed.py", tmp_path / "run"
    script.write_text(KILLED)
    killed = subprocess.run([sys.executable, script, Path(__file__).parent, folder], timeout=120)
    assert killed.returncode == -signal.SIGKILL
    kept = (folder / "samples.jsonl").read_text().splitlines()
    assert len(kept) == 1

    continued = evaluate("bundled", source_of(QUICK), few_shapes, QUICK, folder=folder, jobs=2)

    assert (folder / "samples.jsonl").read_text().splitlines()[:1] == kept
    assert continued == evaluate("bundled", source_of(QUICK), few_shapes, QUICK)


def test_another_evaluation_in_the_same_folder_is_refused(few_shapes, source_of, tmp_path) -> None:
    one = replace(few_shapes, names=few_shapes.names[:1])
    evaluate("bundled", source_of(QUICK), one, QUICK, folder=tmp_path)
    changed = replace(QUICK, options=replace(QUICK.options, threshold=0.5))

    with pytest.raises(RunFolderError, match=r"with threshold 0\.49 instead of 0\.5; choose another"):
        evaluate("bundled", source_of(changed), one, changed, folder=tmp_path)
    with pytest.raises(RunFolderError, match="model"):
        evaluate("another", source_of(QUICK), one, QUICK, folder=tmp_path)

    again = evaluate("bundled", source_of(changed), one, changed, folder=tmp_path, fresh=True)
    assert load_evaluation(tmp_path) == again


def test_a_damaged_line_is_named(few_shapes, source_of, tmp_path) -> None:
    one = replace(few_shapes, names=few_shapes.names[:1])
    evaluate("bundled", source_of(QUICK), one, QUICK, folder=tmp_path)
    samples = tmp_path / "samples.jsonl"
    whole = samples.read_text()
    for line in ("", "{", "[]", '{"index": 0}', "null"):
        samples.write_text(f"{whole}{line}\n")
        with pytest.raises(RunFolderError, match=r"Line 2 of .*samples\.jsonl is damaged"):
            load_evaluation(tmp_path)


def test_a_folder_without_an_evaluation_is_named(tmp_path) -> None:
    with pytest.raises(RunFolderError, match="holds no evaluation"):
        load_evaluation(tmp_path)


@dataclass(frozen=True)
class Deadly:
    """A data set whose second sample kills the process that reads it."""

    shapes: object
    name: str = "deadly"

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int):
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.shapes[index]


@pytest.mark.slow
def test_a_process_that_dies_is_reported_and_the_rest_is_kept(few_shapes, source_of, tmp_path) -> None:
    with pytest.raises(WorkerError, match="has died at sample 1 of deadly"):
        evaluate("bundled", source_of(QUICK), Deadly(few_shapes), QUICK, jobs=2, folder=tmp_path)
    samples = tmp_path / "samples.jsonl"
    kept = samples.read_text().splitlines() if samples.exists() else []
    assert [json.loads(line)["index"] for line in kept] in ([], [0])


@dataclass(frozen=True)
class Broken:
    """One sample without an object, and one of another size than its image."""

    shapes: object
    which: int
    name: str = "broken"

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int):
        sample = self.shapes[0]
        mask = np.zeros_like(sample.mask) if self.which == 0 else sample.mask[:-1]
        return replace(sample, mask=mask)


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("which", "sentence"),
    [(0, "mask of sample s00.png has no object"), (1, "is 172 x 195, the image 172 x 196")],
)
def test_a_sample_that_cannot_be_annotated_is_named(which, sentence, jobs, shapes, source_of) -> None:
    with pytest.raises(RitmError, match=sentence):
        evaluate("bundled", source_of(QUICK), Broken(shapes, which), QUICK, jobs=jobs)


def test_a_broken_sample_has_its_own_error(shapes, predictor) -> None:
    with pytest.raises(SampleError):
        annotate(predictor, Broken(shapes, 0)[0], QUICK)


def test_an_empty_data_set_is_named(shapes, source_of) -> None:
    with pytest.raises(RitmError, match="shapes has no samples"):
        evaluate("bundled", source_of(QUICK), replace(shapes, names=()), QUICK)


def test_a_picture_of_each_click_is_drawn(few_shapes, source_of, tmp_path) -> None:
    one = replace(few_shapes, names=few_shapes.names[:1])
    evaluation = evaluate("bundled", source_of(QUICK), one, QUICK, pictures=tmp_path / "seen")
    names = [f"s00.png_{k:03d}.jpg" for k in range(1, len(evaluation.samples[0].clicks) + 1)]
    assert sorted(path.name for path in (tmp_path / "seen").iterdir()) == names
    picture = cv2.imread(str(tmp_path / "seen" / names[0]))
    assert picture is not None
    assert picture.shape == (196, 2 * 172, 3)


def test_the_results_are_those_of_the_predictor(few_shapes, predictor) -> None:
    sample = few_shapes[1]
    result = annotate(predictor, sample, QUICK)
    state = predictor.replay(predictor.start(sample.load_image()), result.clicks)
    assert result.ious[-1] == pytest.approx(iou(state.mask, sample.mask))
