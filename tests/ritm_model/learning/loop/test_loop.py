"""Runs go on where they stopped, however they stopped; what goes wrong is said and nothing is lost."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import islice
from pathlib import Path

import preloaded
import pytest
import torch
from click.testing import CliRunner
from tiny_recipe import HRNET, SHORT

from ritm_model.checkpoints import TrainingCard, load_model, read_card
from ritm_model.cli.main import ritm
from ritm_model.errors import TrainingError
from ritm_model.learning.data import make_samples
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.loop import load, train
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.loop.workers import workers_of
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import Recipe, load_recipe

FullAt = Callable[[int], AbstractContextManager[None]]

TINY = (*SHORT, *HRNET, "epochs=2", "optimiser.warmup=2")
STEPS = 8


def tiny(*overrides: str) -> Recipe:
    return load_recipe("starter", [*TINY, *overrides])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = RunFolder(folder).load_checkpoint()
    assert state is not None
    assert state["step"] == STEPS
    return {**state["model"], **{f"ema.{key}": value for key, value in state["ema"].items()}}


def lines(folder: Path) -> list[dict[str, object]]:
    text = (folder / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in text]


@pytest.fixture(scope="module")
def finished(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    train(tiny(), pack, folder)
    return folder


def assert_same_run(folder: Path, other: Path) -> None:
    ours, theirs = weights(folder), weights(other)
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    timeless = [[{**line, "samples_per_second": 0} for line in lines(each)] for each in (folder, other)]
    assert timeless[0] == timeless[1]


def test_a_run_leaves_what_it_promises(finished: Path) -> None:
    assert load_recipe(str(finished / "recipe.yaml")) == tiny()
    assert json.loads((finished / "environment.json").read_text())["threads"] == torch.get_num_threads()
    assert [line["step"] for line in lines(finished)] == [2, 4, 4, 6, 8, 8]
    losses = {"instance_loss", "instance_loss_k", "instance_loss_m", "aux_loss", "loss", "gradient_norm"}
    assert {*losses, "learning_rate", "iou", "iou_threshold"} <= lines(finished)[0].keys()
    validations = [line["validation_iou"] for line in lines(finished) if "epoch" in line]
    assert [len(ious) for ious in validations if isinstance(ious, list)] == [2, 2]
    model = load_model(finished / "model.safetensors")
    averaged = {key: value for key, value in weights(finished).items() if key.startswith("ema.")}
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, averaged[f"ema.{key}"], rtol=0, atol=0)
    training = read_card(finished / "model.safetensors").training
    assert training.recipe == "starter"
    assert training.trained_on.startswith("8 photographs")
    assert "CC0" in training.licence
    assert training.metrics.keys() == {"validation IoU after 1", "validation IoU after 2"}


def test_weights_move(finished: Path) -> None:
    start = Trainer(tiny(), RunFolder(finished)).model.state_dict()
    end = weights(finished)
    assert sum(not torch.equal(start[key], end[key]) for key in start) > 0.9 * len(start)


@pytest.mark.slow
@pytest.mark.parametrize(
    "moment",
    [
        "trainer.Trainer.learn, after=1",  # no checkpoint yet
        "trainer.Trainer.learn, after=5",  # after the first epoch and its checkpoint
        "trainer.validate, after=1",  # an epoch is being finished
        "files.os.fsync, after=0, call=13",  # a later checkpoint is written but not in its place
    ],
)
def test_a_killed_run_goes_on_to_the_same_weights(
    finished: Path, pack: Path, tmp_path: Path, moment: str
) -> None:
    """A real process gets a real SIGKILL at a moment that is the same every time."""
    arguments = ["train", "starter", "--data", str(pack), "--out", str(tmp_path)]
    arguments += [word for override in TINY for word in ("--set", override)]
    process = preloaded.run([Path(__file__).parent / "killed_run.py", moment, *arguments], os.environ)
    assert process.returncode == -signal.SIGKILL, process.stderr

    train(tiny(), pack, tmp_path)
    assert_same_run(tmp_path, finished)
    assert [*tmp_path.glob(".*")] == []  # half a checkpoint is cleared away


def test_a_run_in_pieces_is_the_same_run(finished: Path, pack: Path, tmp_path: Path) -> None:
    """Stop before the first checkpoint, then after it, then not again."""
    recipe = tiny()
    samples = make_samples(recipe, open_data(recipe, pack).sources)
    for last in (1, 3):
        trainer = Trainer(recipe, RunFolder(tmp_path))
        trainer.resume()
        for batch in load(recipe, samples, trainer.step):
            trainer.learn(batch)
            if trainer.step % 2 == 0:
                trainer.save()
            if trainer.step >= last:
                break
    train(recipe, pack, tmp_path)
    assert_same_run(tmp_path, finished)


def test_workers_do_not_change_the_samples(finished: Path, pack: Path, tmp_path: Path) -> None:
    train(tiny("data.workers=2"), pack, tmp_path)
    assert_same_run(tmp_path, finished)


@pytest.mark.parametrize(
    ("asked", "device", "processes", "workers"),
    [
        ("null", "cuda", 1, 6),
        ("null", "cuda", 4, 1),
        ("null", "cuda", 8, 1),
        ("null", "cpu", 1, 0),
        ("3", "cuda", 1, 3),
        ("0", "cuda", 1, 0),
        ("2", "cpu", 1, 2),
    ],
)
def test_cores_make_samples_unless_the_network_needs_them(
    asked: str, device: str, processes: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ritm_model.learning.loop.workers.usable_cpus", lambda: 6)
    world = World(0, processes, torch.device(device), processes)
    assert workers_of(tiny(f"data.workers={asked}"), world) == workers


def test_a_finished_run_is_left_alone(finished: Path, pack: Path) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir() if path.name != "environment.json"}
    assert train(tiny(), pack, finished) == finished / "model.safetensors"
    assert {path: path.read_bytes() for path in before} == before


def test_another_recipe_does_not_go_on_with_the_run(finished: Path, pack: Path) -> None:
    with pytest.raises(TrainingError, match=r"holds a run of another recipe \(seed: 0 before, 1 now\)"):
        train(tiny("seed=1"), pack, finished)


def test_a_loss_that_is_not_finite_stops_the_run_and_saves_the_batch(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"not finite at step \d+; the batch is in .*not_finite_\d+\.pt"):
        train(tiny("optimiser.learning_rate=1e30", "optimiser.warmup=0"), pack, tmp_path)
    (path,) = tmp_path.glob("not_finite_*.pt")
    batch = torch.load(path, weights_only=True)
    assert batch["image_B3HW"].shape == (2, 3, 32, 48)
    assert batch["truth_B1HW"].shape == (2, 1, 32, 48)


def test_single_steps_that_are_not_finite_are_skipped_up_to_a_limit(pack: Path, tmp_path: Path) -> None:
    recipe = tiny("max_skipped_share=0.125", "log_steps=1")
    folder = RunFolder(tmp_path)
    trainer = Trainer(recipe, folder)
    first, second = islice(load(recipe, make_samples(recipe, open_data(recipe, pack).sources), 0), 2)
    broken = replace(first, image_B3HW=torch.full(first.image_B3HW.shape, torch.nan))
    trainer.learn(first)
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    trainer.learn(broken)
    after = trainer.model.state_dict()
    assert [key for key in after if not torch.equal(after[key], before[key])] == []
    assert trainer.step == 2
    trainer.save()

    resumed = Trainer(recipe, folder)
    resumed.resume()
    for each in (trainer, resumed):
        each.learn(second)
    ours, theirs = (each.model.state_dict() for each in (trainer, resumed))
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    assert any(not torch.equal(ours[key], before[key]) for key in ours)
    assert {"step": 1, "skipped_steps": 1} in lines(tmp_path)
    with pytest.raises(TrainingError, match=r"at step 3, and 1 steps before it were skipped"):
        resumed.learn(broken)


def test_models_of_a_run_keep_statistics_beyond_half_precision(tmp_path: Path) -> None:
    trainer = Trainer(tiny("optimiser.ema_decay=null"), RunFolder(tmp_path))
    name = next(key for key in trainer.model.state_dict() if key.endswith("running_var"))
    trainer.model.state_dict()[name].fill_(1e6)
    trainer.finish_epoch((), TrainingCard())
    assert torch.equal(load_model(trainer.folder.model).state_dict()[name], trainer.model.state_dict()[name])


def test_a_full_disk_is_named_and_the_run_goes_on_when_there_is_room(
    finished: Path, pack: Path, tmp_path: Path, full_at: FullAt
) -> None:
    folder = RunFolder(tmp_path)
    trainer = Trainer(tiny(), folder)
    samples = make_samples(tiny(), open_data(tiny(), pack).sources)
    for batch in islice(load(tiny(), samples, 0), 2):
        trainer.learn(batch)
    trainer.save()
    with (
        full_at(4096),
        pytest.raises(TrainingError, match=r"checkpoint\.pt cannot be written: File too large"),
    ):
        train(tiny(), pack, tmp_path)
    kept = folder.load_checkpoint()
    assert kept is not None
    assert kept["step"] == 2
    assert [*tmp_path.glob(".*")] == []
    train(tiny(), pack, tmp_path)
    assert_same_run(tmp_path, finished)


def test_a_damaged_checkpoint_is_named(pack: Path, tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt is damaged"):
        train(tiny(), pack, tmp_path)


def test_commands_list_show_and_refuse(pack: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    listed = runner.invoke(ritm, ["recipes"])
    assert "starter" in listed.output
    shown = runner.invoke(ritm, ["recipes", "starter"])
    (tmp_path / "own.yaml").write_text(shown.output)
    assert load_recipe(str(tmp_path / "own.yaml")) == load_recipe("starter")
    refused = runner.invoke(ritm, ["train", "startr", "--data", str(pack), "--out", str(tmp_path)])
    assert isinstance(refused.exception, TrainingError)
