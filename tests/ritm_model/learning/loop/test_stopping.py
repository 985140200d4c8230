"""Runs that are told to end by SIGTERM or Ctrl-C leave a checkpoint and go on to the same weights."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import preloaded
import pytest
import torch
from tiny_recipe import HRNET, SHORT

from ritm_model.learning.loop.loop import train
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.stopping import RunStopped, Stop
from ritm_model.learning.recipes import load_recipe

TINY = (
    *SHORT,
    *HRNET,
    "epochs=2",
    "epoch_samples=6",
    "checkpoint_steps=100",
    "optimiser.warmup=2",
    "device=cpu",
)
STEPS = 6


def words(pack: Path, out: Path, *overrides: str) -> list[str]:
    changes = [word for override in (*TINY, *overrides) for word in ("--set", override)]
    return ["train", "starter", "--data", str(pack), "--out", str(out), *changes]


def told(moment: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A real `ritm train` that gets a real signal at a moment, in a process group of its own."""
    return preloaded.run([Path(__file__).parent / "killed_run.py", moment, *arguments], os.environ)


def saved(folder: Path) -> dict[str, torch.Tensor]:
    state = RunFolder(folder).load_checkpoint()
    assert state is not None
    assert (state["step"], state["epoch"]) == (STEPS, 2)
    return {**state["model"], **{f"ema.{key}": value for key, value in state["ema"].items()}}


@pytest.fixture(scope="module")
def finished(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    train(load_recipe("starter", TINY), pack, folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "number", "step", "overrides"),
    [
        # While a step is made; the workers of the data loader get the signal, too.
        ("trainer.learn, after=0, call=2, group=1", signal.SIGTERM, 2, ("data.workers=2",)),
        ("trainer.learn, after=5", signal.SIGINT, 5, ()),
        ("trainer.validate, after=0, call=1", signal.SIGTERM, 3, ()),
    ],
)
def test_a_run_that_is_told_to_end_leaves_a_checkpoint_and_goes_on_to_the_same_weights(
    finished: Path,
    pack: Path,
    tmp_path: Path,
    moment: str,
    number: signal.Signals,
    step: int,
    overrides: tuple[str, ...],
) -> None:
    done = told(f"{moment}, signal={int(number)}", *words(pack, tmp_path, *overrides))
    assert done.returncode == 128 + number, done.stderr
    sentence = (
        f"The run was ended by {number.name} after step {step} of 6. The same command goes on from there."
    )
    assert done.stderr.splitlines()[-1] == sentence
    assert "Traceback" not in done.stderr
    state = RunFolder(tmp_path).load_checkpoint()
    assert state is not None
    assert (state["step"], state["epoch"]) == (step, step // 4)

    train(load_recipe("starter", [*TINY, *overrides]), pack, tmp_path)
    ours, theirs = saved(tmp_path), saved(finished)
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []


@pytest.mark.slow
def test_a_run_that_is_starting_ends_at_once(pack: Path, tmp_path: Path) -> None:
    done = told("loop.open_data, after=1, signal=15", *words(pack, tmp_path / "run"))
    assert done.returncode == 143, done.stderr
    sentence = "The run was ended by SIGTERM while it was starting. The same command starts it again."
    assert done.stderr.splitlines()[-1] == sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("who", ["", ", parent=1"])
def test_all_processes_end_after_the_same_step_whoever_is_told(pack: Path, tmp_path: Path, who: str) -> None:
    arguments = words(pack, tmp_path, "batch_size=4", "epoch_samples=12")
    done = told(f"trainer.learn, after=0, call=2, signal=15{who}", *arguments, "--processes", "2")
    assert done.returncode == 143, done.stderr
    state = RunFolder(tmp_path).load_checkpoint()
    assert state is not None
    assert 2 <= state["step"] <= 6  # the parent may hear of it a few steps later
    sentence = (
        f"The run was ended by SIGTERM after step {state['step']} of 6. The same command goes on from there."
    )
    assert done.stderr.splitlines()[-1] == sentence


def test_who_is_told_twice_ends_once() -> None:
    stop = Stop()
    with stop.deferring():
        stop.ask(signal.SIGTERM)
        with pytest.raises(RunStopped, match="SIGTERM"), stop.at_once():
            raise AssertionError("it goes on")
        stop.ask(signal.SIGINT)
    stop.ask(signal.SIGINT)
    assert stop.signal == signal.SIGTERM
