"""`ritm evaluate` as people use it: in a process of its own, with a data set on disk."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from ritm_model.cli.evaluate import evaluate
from ritm_model.errors import RitmError
from ritm_model.evaluation import load_evaluation
from ritm_model.evaluation.noc import clicks_to_reach

DATASET = Path(__file__).parents[2] / "golden/dataset"
NAMES = ("s00", "s03", "s16")
QUICK = ("--eval-mode", "fixed96", "--no-flip", "--n-clicks", "3", "--jobs", "1")


@pytest.fixture
def grabcut(tmp_path: Path) -> Path:
    """Three images in the layout of GrabCut."""
    root = tmp_path / "GrabCut"
    for folder in ("data_GT", "boundary_GT"):
        (root / folder).mkdir(parents=True)
        for name in NAMES:
            shutil.copy(DATASET / folder / f"{name}.png", root / folder)
    return root


@pytest.fixture
def ritm(grabcut: Path, tmp_path: Path):
    """Run the command on those images, in this process."""

    def run(*arguments: str, model: str = "bundled", datasets: str = "GrabCut") -> Result:
        fixed = (model, "--datasets", datasets, "--root", f"GrabCut={grabcut}", "--output", tmp_path / "out")
        return CliRunner().invoke(evaluate, [*map(str, fixed), *arguments])

    return run


def run_folder(tmp_path: Path) -> Path:
    (settings,) = (tmp_path / "out").rglob("run.json")
    return settings.parent


def test_the_table_has_a_line_per_model_and_what_was_measured_is_kept(ritm, tmp_path) -> None:
    result = ritm(*QUICK)

    assert result.exit_code == 0, result.output
    assert "NoC@80" in result.output
    assert ">=3@90" in result.output
    line = next(line for line in result.output.splitlines() if line.startswith("starter-"))
    assert line.split()[1:3] == ["GrabCut", "3"]
    kept = load_evaluation(run_folder(tmp_path))
    assert [sample.name.partition(".")[0] for sample in kept.samples] == list(NAMES)


def test_json_holds_the_numbers_of_the_table(ritm) -> None:
    result = ritm(*QUICK, "--json")

    (row,) = json.loads(result.stdout)
    assert (row["dataset"], row["left_out"], row["comparisons"]) == ("GrabCut", [], [])
    (model,) = row["models"]
    assert model["samples"] == 3
    assert [one["target"] for one in model["targets"]] == pytest.approx([0.8, 0.85, 0.9, 0.95])
    assert model["protocol"]["max_clicks"] == 3
    assert model["protocol"]["with_flip"] is False
    assert {one["group"] for one in model["by_size"]} <= {"small", "medium", "large"}


def test_the_same_command_again_takes_what_is_there(ritm, tmp_path) -> None:
    first = json.loads(ritm(*QUICK, "--json").stdout)
    before = (run_folder(tmp_path) / "samples.jsonl").read_bytes()

    assert json.loads(ritm(*QUICK, "--json").stdout) == first  # times included
    assert (run_folder(tmp_path) / "samples.jsonl").read_bytes() == before


def test_changed_rules_in_the_same_folder_are_refused(ritm) -> None:
    assert ritm(*QUICK).exit_code == 0
    changed = ritm(*QUICK, "--thresh", "0.6")
    assert isinstance(changed.exception, RitmError)
    assert "threshold 0.49 instead of 0.6" in str(changed.exception)
    assert ritm(*QUICK, "--thresh", "0.6", "--fresh").exit_code == 0


def test_a_broken_file_is_left_out_and_named(ritm, grabcut) -> None:
    (grabcut / "data_GT/s03.png").write_bytes(b"no image")
    result = ritm(*QUICK)
    assert result.exit_code == 0, result.output
    assert "Left out of GrabCut: 1" in result.output
    assert "s03.png" in result.output
    assert json.loads(ritm(*QUICK, "--json", "--fresh").stdout)[0]["left_out"][0]["file"].endswith("s03.png")


def test_two_models_are_compared(ritm, tmp_path) -> None:
    from ritm_model.checkpoints import bundled_model_path

    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_model_path().with_suffix(suffix), tmp_path / f"mine{suffix}")
    result = ritm(str(tmp_path / "mine.safetensors"), *QUICK, "--json")

    (row,) = json.loads(result.stdout)
    assert len(row["models"]) == 2
    assert {(one["wins"], one["losses"], one["ties"]) for one in row["comparisons"]} == {(0, 0, 3)}
    assert "WINS" in ritm(str(tmp_path / "mine.safetensors"), *QUICK).output


def test_iou_analysis_uses_all_clicks_and_saves_the_curves(ritm, tmp_path) -> None:
    assert ritm(*QUICK, "--iou-analysis").exit_code == 0
    saved = json.loads((run_folder(tmp_path) / "ious.json").read_text())
    assert saved["dataset_name"] == "GrabCut"
    assert [len(curve) for curve in saved["all_ious"]] == [3, 3, 3]


def test_pictures_of_the_clicks_are_drawn(ritm, tmp_path) -> None:
    assert ritm(*QUICK, "--vis-preds", "--min-n-clicks", "3").exit_code == 0  # however good the model is
    assert len(list((run_folder(tmp_path) / "predictions_vis").glob("s00*.jpg"))) == 3


def test_from_a_mask_has_a_folder_of_its_own(ritm, tmp_path) -> None:
    (_, line) = ritm(*QUICK, "--from-mask").output.split("START")[1].splitlines()[:2]
    assert 0.75 <= float(line.split()[2]) < 0.85
    assert "from-mask" in run_folder(tmp_path).name
    assert all(sample.initial_iou for sample in load_evaluation(run_folder(tmp_path)).samples)


def test_refinements_have_a_folder_of_their_own(ritm, tmp_path) -> None:
    assert ritm(*QUICK, "--refine", "merge").exit_code == 0
    assert "merge" in run_folder(tmp_path).name
    assert load_evaluation(run_folder(tmp_path)).protocol.options.merge is not None


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"datasets": "GrabCot"}, "no data set 'GrabCot'; known ones are GrabCut, Berkeley"),
        ({"model": "h64"}, "no model 'h64'; known ones are bundled"),
        ({"datasets": "DAVIS"}, "Where is DAVIS"),
    ],
)
def test_unknown_names_list_the_known_ones(arguments, sentence, ritm) -> None:
    result = ritm(**arguments)
    assert isinstance(result.exception, RitmError)
    assert sentence in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--mode", "BRS"), "no mode 'BRS'; known ones are NoBRS"),
        (("--eval-mode", "fast"), "no evaluation mode 'fast'"),
        (("--refine", "merge,magic"), "no refinement 'magic'; known ones are"),
        (("--n-clicks", "3", "--min-n-clicks", "4"), "between 1 and 3, not 4"),
    ],
)
def test_rules_that_do_not_exist_are_named(arguments, sentence, ritm) -> None:
    result = ritm(*arguments)
    assert isinstance(result.exception, RitmError)
    assert sentence in str(result.exception)


@pytest.mark.parametrize("limit", ["0", "-2", "few"])
def test_a_limit_of_clicks_that_leaves_none_is_refused(limit, ritm) -> None:
    result = ritm(*QUICK, "--clicks-limit", limit)
    assert result.exit_code == 2
    assert "--clicks-limit" in result.output


@pytest.mark.parametrize(("given", "meant"), [("2", 2), ("-1", 3)])
def test_a_limit_of_clicks_is_part_of_the_rules(given, meant, ritm, tmp_path) -> None:
    assert ritm(*QUICK, "--clicks-limit", given).exit_code == 0
    assert load_evaluation(run_folder(tmp_path)).protocol.options.net_clicks_limit == meant


def test_batches_are_evaluated_in_one_process(ritm) -> None:
    quick = [option for option in QUICK if option not in ("--jobs", "1")]
    serial = json.loads(ritm(*QUICK, "--json").stdout)[0]["models"][0]["targets"]
    together = json.loads(ritm(*quick, "--batch", "2", "--json", "--fresh").stdout)[0]["models"][0]["targets"]
    assert together == serial


@pytest.mark.parametrize("other", [("--mode", "f-BRS-B"), ("--jobs", "2")])
def test_batches_exclude_processes_and_searches(other, ritm) -> None:
    result = ritm("--batch", "2", *other)
    assert result.exit_code == 2
    assert "--batch works with --mode NoBRS only, and without --jobs" in result.output


def test_the_target_has_a_floor(ritm, tmp_path) -> None:
    assert ritm(*QUICK, "--target-iou", "0.3").exit_code == 0
    assert load_evaluation(run_folder(tmp_path)).protocol.target_iou == 0.8


@pytest.mark.slow
def test_the_program_evaluates_in_several_processes_and_shows_how_it_goes(grabcut, tmp_path) -> None:
    command = [sys.executable, "-m", "ritm_model", "evaluate", "bundled", "--datasets", "GrabCut", *QUICK]
    command += ["--root", f"GrabCut={grabcut}", "--output", str(tmp_path / "out"), "--jobs", "2"]
    ours, theirs = pty.openpty()  # bars are for terminals only, which have a size
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True) as program:
        os.close(theirs)
        shown = said_on(ours)
        tables, _ = program.communicate(timeout=240)
    os.close(ours)
    assert program.returncode == 0, shown
    assert "NoC@90" in tables
    kept = load_evaluation(run_folder(tmp_path))
    clicks = [clicks_to_reach(sample.curve, 0.9, 3) for sample in kept.samples]
    assert "3/3 [" in shown
    assert f"NoC@90 {sum(clicks) / 3:.2f}" in shown


def said_on(terminal: int) -> str:
    """Everything until the other side hangs up."""
    said = b""
    with contextlib.suppress(OSError):  # how Linux says that it has
        while part := os.read(terminal, 4096):
            said += part
    return said.decode()
