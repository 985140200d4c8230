"""What a run may be resumed with, and how runs of earlier versions go on."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from tiny_recipe import SHORT, batch

from ritm_model.cli.main import ritm
from ritm_model.errors import TrainingError
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.loop import load, train
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.recipes.resuming import LASTING, WITHOUT_INFLUENCE, changes
from ritm_model.learning.step.optimiser import cosine_factor

TINY = (
    *SHORT,
    "checkpoint_steps=100",
    "clicks.max_next_clicks=1",
    "optimiser.weight_decay=0.5",
    "device=cpu",
)


def tiny(*overrides: str) -> Recipe:
    return load_recipe("starter", [*TINY, *overrides])


def learn_until(trainer: Trainer, step: int) -> Trainer:
    while trainer.step < step:
        trainer.learn(batch(trainer.step))
    return trainer


def is_same(one: Trainer, other: Trainer) -> bool:
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in ours.items())


def test_a_run_whose_adamw_decayed_everything_goes_on_like_that(tmp_path: Path) -> None:
    """As all did before biases and normalisation were left out."""
    folder = RunFolder(tmp_path)
    earlier = Trainer(tiny(), folder)
    earlier._make_optimiser(decays_all=True)
    learn_until(earlier, 2).save()
    learn_until(earlier, 4)
    resumed = Trainer(tiny(), folder)
    resumed.resume()
    learn_until(resumed, 3)
    resumed.save()
    again = Trainer(tiny(), folder)
    again.resume()
    assert is_same(learn_until(again, 4), earlier)
    assert not is_same(learn_until(Trainer(tiny(), folder), 4), earlier)


def begun(pack: Path, folder: Path, *overrides: str, steps: int = 2) -> None:
    """Learn some steps, save, and end."""
    recipe = tiny(*overrides)
    trainer = Trainer(recipe, RunFolder(folder))
    trainer.folder.prepare(recipe, trainer.world)
    for each in islice(load(recipe, make_samples(recipe, open_data(recipe, pack).sources), 0), steps):
        trainer.learn(each)
    trainer.save()


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = RunFolder(folder).load_checkpoint()
    assert state is not None
    found: dict[str, torch.Tensor] = state["model"]
    return found


def test_what_does_not_change_the_weights_may_be_different(pack: Path, tmp_path: Path) -> None:
    train(tiny(), pack, tmp_path / "whole")
    begun(pack, tmp_path / "run")
    others = {
        "name": "other",
        "about": "Another one.",
        "data.folder": "nowhere",
        "data.workers": "1",
        "data.max_broken_share": "0.5",
        "validation.objects": "1",
        "validation.clicks": "1",
        "device": "auto",
        "checkpoint_steps": "3",
        "keep_models": "[[0, 1]]",
        "max_skipped_share": "0.5",
        "log_steps": "1",
        "picture_steps": "3",
    }
    changed = tiny(*(f"{name}={value}" for name, value in others.items()))
    assert changes(tiny(), changed).keys() == WITHOUT_INFLUENCE == others.keys()
    train(changed, pack, tmp_path / "run")
    ours, theirs = weights(tmp_path / "run"), weights(tmp_path / "whole")
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    assert load_recipe(str(tmp_path / "run" / "recipe.yaml")) == changed
    assert not any("resumed_with" in line for line in lines(tmp_path / "run"))


def test_a_run_is_changed_on_purpose_and_its_log_says_so(pack: Path, tmp_path: Path) -> None:
    begun(pack, tmp_path)
    words = ["train", "starter", "--data", str(pack), "--out", str(tmp_path)]
    words += [word for change in TINY for word in ("--set", change)]
    runner = CliRunner()
    differently = [*words, "--set", "optimiser.learning_rate=0.1"]
    refused = runner.invoke(ritm, differently)
    assert (
        f"{tmp_path} holds a run of another recipe (optimiser.learning_rate: 0.0015 before, 0.1 now)"
        in str(refused.exception)
    )
    assert "--resume-with optimiser.learning_rate=VALUE" in str(refused.exception)

    meant = ["--resume-with", "optimiser.learning_rate=0.1", "--resume-with", "epochs=2"]
    for _ in range(2):  # the same command again changes nothing
        done = runner.invoke(ritm, [*words, *meant], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        noted = [line for line in lines(tmp_path) if "resumed_with" in line]
        assert noted == [
            {"step": 2, "resumed_with": {"optimiser.learning_rate": [0.0015, 0.1], "epochs": [1, 2]}}
        ]
    assert [line["epoch"] for line in lines(tmp_path) if "epoch" in line] == [1, 2]
    rates = [line["learning_rate"] for line in lines(tmp_path) if "learning_rate" in line]
    assert rates[1] == pytest.approx(0.1 * cosine_factor(3, 8, 0, 0.01))
    assert "of another recipe (optimiser.learning_rate: 0.1 before, 0.0015 now" in str(
        runner.invoke(ritm, words).exception
    )


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("batch_size=4", "batch_size of the run in .* cannot be changed: the steps that are done would be"),
        ("optimiser.name=sgd", "optimiser.name of the run in .* cannot be changed: the checkpoint has the"),
        (
            "model.family=lite",
            "model.family of the run in .* cannot be changed: the checkpoint is of another",
        ),
    ],
)
def test_some_values_last_as_long_as_the_run(tmp_path: Path, override: str, sentence: str) -> None:
    folder = RunFolder(tmp_path)
    folder.prepare(tiny(), World())
    with pytest.raises(TrainingError, match=sentence):
        folder.prepare(tiny(override), World(), [override])


def test_only_a_run_can_be_resumed(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"There is no run in .* to resume; use --set for a new one"):
        RunFolder(tmp_path).prepare(tiny("seed=1"), World(), ["seed=1"])


@pytest.mark.parametrize(
    "override", ["optimiser.ema_decay=0.9", "precision=fp16", "optimiser.weight_decay=0", "seed=5"]
)
def test_a_checkpoint_serves_a_recipe_that_was_changed(tmp_path: Path, override: str) -> None:
    folder = RunFolder(tmp_path)
    learn_until(Trainer(tiny("optimiser.ema_decay=null"), folder), 2).save()
    changed = Trainer(tiny("optimiser.ema_decay=null", override), folder)
    changed.resume()
    assert {group["weight_decay"] for group in changed.optimiser.param_groups} == {
        0.0,
        changed.recipe.optimiser.weight_decay,
    }
    if changed.ema:
        assert all(torch.equal(value, changed.ema.state[key]) for key, value in weights(tmp_path).items())
    learn_until(changed, 3)


def test_a_checkpoint_of_another_network_is_refused_in_a_sentence(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    Trainer(tiny(), folder).save()
    other = Trainer(tiny("model={family: lite, params: {}, click_scale: null}"), folder)
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is of another network\."):
        other.resume()


def test_the_documentation_lists_both_kinds() -> None:
    page = (Path(__file__).parents[4] / "docs" / "training.md").read_text()
    section = page.partition("## What may be different when I resume?")[2].partition("\n## ")[0]
    assert {name for name in (*WITHOUT_INFLUENCE, *LASTING) if f"`{name}`" not in section} == set()


@pytest.mark.slow
def test_processes_that_find_different_checkpoints_refuse(tmp_path: Path) -> None:
    """As machines do that do not share the folder of the run."""
    for rank, steps in enumerate((2, 0)):
        folder = RunFolder(tmp_path / str(rank))
        folder.prepare(tiny(), World())
        learn_until(Trainer(tiny(), folder), steps).save()
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    script = Path(__file__).parent / "own_folders.py"
    changes = [word for change in TINY for word in ("--set", change)]
    command = [sys.executable, *torchrun, str(script), str(tmp_path), *changes]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    sentence = (
        "Process 2 of 2 has the checkpoint of step 0, and the first one has 2: all need the same folder"
    )
    assert done.stderr.count(f"Error: {sentence}") == 2
