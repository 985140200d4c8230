"""What a run may be resumed with, and how runs of earlier versions go on."""

from __future__ import annotations

from pathlib import Path

import torch

from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.step.step import Batch

TINY = (
    "data.crop=[32, 48]",
    "batch_size=2",
    "epochs=1",
    "epoch_samples=8",
    "clicks.max_next_clicks=1",
    "optimiser.warmup=0",
    "optimiser.weight_decay=0.5",
    "device=cpu",
)


def tiny(*overrides: str) -> Recipe:
    return load_recipe("starter", [*TINY, *overrides])


def batch(seed: int) -> Batch:
    random = torch.Generator().manual_seed(seed)
    truth = torch.zeros(2, 1, 32, 48)
    truth[:, :, 8:24, 10:30] = 1
    points = torch.full((2, 48, 3), -1.0)
    points[:, 0] = torch.tensor([16.0, 20.0, 100.0])
    return Batch(torch.rand(2, 3, 32, 48, generator=random), truth, points)


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
