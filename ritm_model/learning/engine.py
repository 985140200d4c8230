"""From a recipe, a pack and a folder to a model: the whole of a run."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from ritm_model.learning.data import Samples, collate, make_samples, unbroken
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.run_folder import RunFolder
from ritm_model.learning.sources import describe, open_data
from ritm_model.learning.step import Batch
from ritm_model.learning.trainer import Trainer
from ritm_model.learning.validation import questions


def train(recipe: Recipe, data: Path, out: Path) -> Path:
    """Train until the recipe's last epoch is done, going on where `out` has a checkpoint.

    Args:
        recipe: what to do.
        data: folder of the pack to learn from.
        out: folder of the run.

    Returns:
        The file of the model.

    Raises:
        TrainingError: something cannot be read or written, or the loss is no longer finite.
    """
    folder = RunFolder(out)
    found = open_data(recipe, data)
    folder.prepare(recipe)
    samples = make_samples(recipe, found.sources)
    asked = questions(found.kept_out, recipe.validation.objects)
    trainer = Trainer(recipe, folder)
    trainer.resume()
    card = describe(recipe, found.sources)

    batches = load(recipe, samples, trainer.step)
    progress = tqdm(total=recipe.steps, initial=trainer.step, unit="step", disable=None)
    with progress:
        while trainer.epoch < recipe.epochs:
            left = (trainer.epoch + 1) * recipe.epoch_steps - trainer.step
            for batch in islice(batches, left):
                trainer.learn(batch)
                progress.update()
                progress.set_postfix(iou=f"{trainer.iou.running:.3f}", refresh=False)
                if trainer.step % recipe.checkpoint_steps == 0:
                    trainer.save()
            trainer.finish_epoch(asked, card)
    return folder.model


def load(recipe: Recipe, samples: Samples, step: int) -> Iterator[Batch]:
    """Batches from a step on, to the end of the recipe."""
    numbers = range(step * recipe.batch_size, recipe.steps * recipe.batch_size)
    workers = recipe.data.workers
    return unbroken(
        DataLoader(
            samples,
            batch_size=recipe.batch_size,
            sampler=numbers,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=partial(_one_thread) if workers else None,
        )
    )


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
