"""What a recipe may switch on, and what a run may show, change neither the samples nor how a run goes on."""

from __future__ import annotations

import builtins
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from tiny_recipe import HRNET, SHORT, batch

from ritm_model.checkpoints import load_model
from ritm_model.cli.main import ritm
from ritm_model.errors import TrainingError
from ritm_model.learning.loop.distributed import World
from ritm_model.learning.loop.loop import load, train
from ritm_model.learning.loop.memory import keep_freed_memory
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.tensorboard import clicks_of
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.step.step import Batch, Interaction, drop_prev_masks

FullAt = Callable[[int], AbstractContextManager[None]]

TINY = (*SHORT, *HRNET, "clicks.max_next_clicks=1", "device=cpu")


def tiny(*overrides: str) -> Recipe:
    return load_recipe("starter", [*TINY, *overrides])


def stepped(folder: Path, *overrides: str, steps: int = 2) -> Trainer:
    trainer = Trainer(tiny(*overrides), RunFolder(folder))
    trainer.resume()
    while trainer.step < steps:
        trainer.learn(batch(trainer.step))
    return trainer


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_learns_nearly_the_same(tmp_path: Path, precision: str) -> None:
    whole = stepped(tmp_path, steps=1)
    half = stepped(tmp_path, f"precision={precision}", steps=1)
    assert {value.dtype for value in half.model.parameters()} == {torch.float32}
    losses = [trainer._lines[0]["loss"] for trainer in (whole, half)]
    assert losses[1] == pytest.approx(losses[0], rel=0.05)
    assert losses[1] != losses[0]


def test_the_scale_of_fp16_is_part_of_a_checkpoint(tmp_path: Path) -> None:
    trainer = stepped(tmp_path, "precision=fp16", steps=1)
    scaler = trainer.precision.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 32.0})
    trainer.save()
    assert stepped(tmp_path, "precision=fp16", steps=1).precision.scaler.get_scale() == 32.0


def test_gradients_too_large_for_fp16_lower_the_scale_and_change_no_weight(tmp_path: Path) -> None:
    trainer = Trainer(tiny("precision=fp16"), RunFolder(tmp_path))
    scaler = trainer.precision.scaler
    scaler.load_state_dict({**scaler.state_dict(), "scale": 1e30})
    before = {key: value.clone() for key, value in trainer.model.named_parameters()}
    trainer.learn(batch())
    assert trainer.step == 1
    assert scaler.get_scale() < 1e30
    assert all(torch.equal(before[key], value) for key, value in trainer.model.named_parameters())


def test_a_network_is_compiled_in_place(tmp_path: Path) -> None:
    """Which changes neither its type nor the keys of its weights; compiling itself takes a minute."""
    plain, compiled = (Trainer(tiny(*more), RunFolder(tmp_path)).model for more in ((), ("compile=eager",)))
    assert type(compiled) is type(plain)
    assert list(compiled.state_dict()) == list(plain.state_dict())
    assert plain._compiled_call_impl is None
    assert compiled._compiled_call_impl is not None


@pytest.mark.parametrize("size", [1, 2, 4])
def test_processes_share_the_numbers_of_the_samples(size: int) -> None:
    class Numbers:
        def __getitem__(self, index: int) -> Batch:
            return Batch(*(torch.full((1, 1, 1), float(index)) for _ in range(3)))

    recipe = tiny("batch_size=4", "epoch_samples=12")
    parts = [list(load(recipe, Numbers(), 1, World(rank, size))) for rank in range(size)]
    together = [torch.cat([part.points_BP3 for part in step]) for step in zip(*parts, strict=True)]
    assert torch.cat(together).flatten().tolist() == list(range(4, 12))


def test_tensorboard_gets_curves_and_pictures_and_forgets_what_is_made_again(
    pack: Path, tmp_path: Path
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny("picture_steps=3"), pack, tmp_path, tensorboard=True)
    shown = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert {"loss", "learning_rate", "iou", "validation_iou/1", "validation_iou/2"} <= set(
        shown.Tags()["scalars"]
    )
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    expected = [(line["step"], line["loss"]) for line in lines if "loss" in line]
    found = [(event.step, event.value) for event in shown.Scalars("loss")]
    assert found == pytest.approx(np.array(expected))
    (picture,) = shown.Images("truth, mask before, mask")
    assert (picture.step, picture.height, picture.width) == (3, 32, 3 * 48)


def test_a_disk_that_pictures_fill_is_named(pack: Path, tmp_path: Path, full_at: FullAt) -> None:
    with full_at(30_000), pytest.raises(TrainingError, match=r"events\S+ cannot be written: File too large"):
        train(
            tiny("picture_steps=1", "data.crop=[96, 96]", "checkpoint_steps=100"),
            pack,
            tmp_path,
            tensorboard=True,
        )


def test_tensorboard_is_missed_only_if_it_is_asked_for(
    pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if "tensorboard" in name.split(".") and name.startswith("torch"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TrainingError, match=r"TensorBoard is not installed: pip install"):
        train(tiny(), pack, tmp_path, tensorboard=True)


def test_clicks_are_told_from_unused_rows() -> None:
    points = torch.full((6, 3), -1.0)
    points[0] = torch.tensor([3.0, 4.0, 100.0])
    points[5] = torch.tensor([0.0, 7.0, 1.0])
    assert [(click.x, click.y, click.is_positive) for click in clicks_of(points)] == [
        (4.0, 3.0, True),
        (7.0, 0.0, False),
    ]


def test_the_command_answers_in_json(pack: Path, tmp_path: Path) -> None:
    words = [word for override in TINY for word in ("--set", override)]
    arguments = ["train", "starter", "--data", str(pack), "--out", str(tmp_path), *words, "--json"]
    done = CliRunner().invoke(ritm, [*arguments, "--device", "cpu"], catch_exceptions=False)
    facts = json.loads(done.stdout)
    assert facts["model"] == str(tmp_path / "model.safetensors")
    assert (facts["steps"], facts["epochs"], len(facts["validation_iou"])) == (4, 1, 2)


def test_models_of_earlier_epochs_are_kept_where_a_recipe_says_so(pack: Path, tmp_path: Path) -> None:
    train(tiny("epochs=3", "epoch_samples=2", "keep_models=[[2, 1]]"), pack, tmp_path)
    kept = sorted(path.name for path in (tmp_path / "models").glob("*.safetensors"))
    assert kept == ["002.safetensors", "003.safetensors"]
    last, older = (
        load_model(tmp_path / name).state_dict() for name in ("model.safetensors", "models/002.safetensors")
    )
    assert not all(torch.equal(value, older[key]) for key, value in last.items())


def test_previous_masks_are_dropped_and_clicks_stay() -> None:
    interaction = Interaction(torch.rand(200, 4, 3), torch.rand(200, 1, 2, 2) + 0.1)
    randoms = [np.random.default_rng(number) for number in range(200)]
    dropped = drop_prev_masks(interaction, 0.25, randoms)
    empty = dropped.prev_mask_B1HW.flatten(1).eq(0).all(1)
    assert 30 < empty.sum() < 70
    assert torch.equal(dropped.prev_mask_B1HW[~empty], interaction.prev_mask_B1HW[~empty])
    assert dropped.points_BP3 is interaction.points_BP3
    given = torch.zeros(200, 1, 2, 2)
    given[:150, 0, 0, 0] = 1
    dropped = drop_prev_masks(interaction, 0.25, randoms, given)
    empty = dropped.prev_mask_B1HW.flatten(1).eq(0).all(1)
    assert not empty[:150].any()
    assert empty[150:].any()


def test_memory_is_kept_where_the_c_library_can() -> None:
    assert keep_freed_memory() == keep_freed_memory()
