"""From a recipe, a pack and a folder to a model: the whole of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from ritm_model.learning.augment import MakeTransforms
from ritm_model.learning.data import Samples, collate, make_samples, unbroken
from ritm_model.learning.loop.callbacks import Callback
from ritm_model.learning.loop.distributed import World, joined
from ritm_model.learning.loop.memory import keep_freed_memory
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.tensorboard import BoardWriter
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipe_data import Places, open_data
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.sources import LearningData, describe
from ritm_model.learning.step.step import Batch
from ritm_model.learning.validation import questions


def train(
    recipe: Recipe,
    data: Path | Places,
    out: Path,
    *,
    tensorboard: bool = False,
    transforms: MakeTransforms | None = None,
    callbacks: Sequence[Callback] = (),
) -> Path:
    """Train until the recipe's last epoch is done, going on where `out` has a checkpoint.

    Under `torchrun`, this process is one of several that do so together.

    Args:
        recipe: what to do.
        data: folder to learn from, or where each data set lies, by its name; see `open_data`.
        out: folder of the run, the same for all processes.
        tensorboard: write a record for TensorBoard, too.
        transforms: augmentation in place of the recipe's.
        callbacks: told of every step and epoch.

    Returns:
        The file of the model.

    Raises:
        TrainingError: something cannot be read or written, or the loss is no longer finite.
    """
    keep_freed_memory()
    with joined(recipe.device) as world:
        found = open_data(recipe, data)
        samples = make_samples(recipe, found.sources, transforms)
        return _train(recipe, found, samples, RunFolder(out), world, tensorboard, callbacks)


def _train(
    recipe: Recipe,
    found: LearningData,
    samples: Samples,
    folder: RunFolder,
    world: World,
    tensorboard: bool,
    callbacks: Sequence[Callback],
) -> Path:
    trainer = Trainer(recipe, folder, world)  # first: nothing is written for a recipe that cannot be
    if world.is_first:
        folder.prepare(recipe, world)
    world.wait()
    asked = questions(found.held_out, recipe.validation.objects, skip_broken=True)
    trainer.resume()
    card = describe(recipe, found.sources)

    batches = load(recipe, samples, trainer.step, world)
    hidden = None if world.is_first else True  # None: shown where somebody looks
    with (
        tqdm(total=recipe.steps, initial=trainer.step, unit="step", disable=hidden) as progress,
        ExitStack() as stack,
    ):
        if tensorboard and world.is_first:
            board = BoardWriter(folder.path, recipe.picture_steps, trainer.step)
            trainer.board = stack.enter_context(closing(board))
        while trainer.epoch < recipe.epochs:
            left = (trainer.epoch + 1) * recipe.epoch_steps - trainer.step
            for batch in islice(batches, left):
                trainer.learn(batch)
                for callback in callbacks:
                    callback.after_step(trainer)
                progress.update()
                progress.set_postfix(trainer.progress(), refresh=False)
                if trainer.step % recipe.checkpoint_steps == 0:
                    trainer.save()
            trainer.finish_epoch(asked, card)
            for callback in callbacks:
                callback.after_epoch(trainer)
    return folder.model


def load(recipe: Recipe, samples: Samples, step: int, world: World | None = None) -> Iterator[Batch]:
    """Batches from a step on, to the end of the recipe; of each, the part that is this process's."""
    world = world or World()
    share = world.share(recipe.batch_size)
    firsts = range(step * recipe.batch_size, recipe.steps * recipe.batch_size, recipe.batch_size)
    numbers = [first + world.rank * share + i for first in firsts for i in range(share)]
    workers = recipe.data.workers
    return unbroken(
        DataLoader(
            samples,
            batch_size=share,
            sampler=numbers,
            num_workers=workers,
            collate_fn=collate,
            worker_init_fn=partial(_one_thread) if workers else None,
            pin_memory=world.device.type == "cuda",
        )
    )


def _one_thread(_worker: int) -> None:
    torch.set_num_threads(1)
    # Not 1: that would wait for threads of the parent process, which are not in a process that was forked.
    cv2.setNumThreads(0)
