"""From a recipe, a pack and a folder to a model: the whole of a run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from itertools import islice
from pathlib import Path

from torch.utils.data import DataLoader
from tqdm import tqdm

from ritm_model.learning.augment import MakeTransforms
from ritm_model.learning.data import Samples, collate, make_samples, unbroken
from ritm_model.learning.loop.callbacks import Callback
from ritm_model.learning.loop.distributed import World, joined
from ritm_model.learning.loop.memory import keep_freed_memory
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.stopping import RunStopped, Stop
from ritm_model.learning.loop.tensorboard import BoardWriter
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.loop.workers import begin_worker, each_of, workers_of
from ritm_model.learning.recipe_data import Places, open_data
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.recipes.resuming import fingerprint
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
    stop: Stop | None = None,
    resume_with: Sequence[str] = (),
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
        stop: tells the run to end after the step that it is at, see `stop_on`.
        resume_with: overrides, which the recipe has already, that change the run in `out` on purpose.

    Returns:
        The file of the model.

    Raises:
        TrainingError: something cannot be read or written, or the loss is no longer finite.
        RunStopped: it was told to; its checkpoint is written.
    """
    stop = stop or Stop()
    keep_freed_memory()
    with joined(recipe.device) as world:
        found = open_data(recipe, data)
        samples = make_samples(recipe, found.sources, transforms)
        trainer = Trainer(recipe, RunFolder(out), world, stop)
        _begin(trainer, resume_with)
        return _train(trainer, found, samples, tensorboard, callbacks)


def _begin(trainer: Trainer, resume_with: Sequence[str]) -> None:
    """Make the folder of a run, or go back to its checkpoint; what is changed on purpose is noted there."""
    recipe, folder, world = trainer.recipe, trainer.folder, trainer.world
    world.check_same("the recipe", fingerprint(recipe), "start all with the same words")
    changes = folder.prepare(recipe, world, resume_with) if world.is_first else {}
    world.wait()
    trainer.resume()
    if world.is_first:
        if changes:
            folder.log({"step": trainer.step, "resumed_with": changes})
            trainer.save()  # or the line would be taken for one of steps that are made again
        folder.adopt(recipe)


def _train(
    trainer: Trainer,
    found: LearningData,
    samples: Samples,
    tensorboard: bool,
    callbacks: Sequence[Callback],
) -> Path:
    recipe, folder, world = trainer.recipe, trainer.folder, trainer.world
    asked = questions(found.held_out, recipe.validation.objects, skip_broken=True)
    card = describe(recipe, found.sources)

    hidden = None if world.is_first else True  # None: shown where somebody looks
    with (
        tqdm(total=recipe.steps, initial=trainer.step, unit="step", disable=hidden) as progress,
        ExitStack() as stack,
    ):
        batches = stack.enter_context(closing(load(recipe, samples, trainer.step, world)))
        if tensorboard and world.is_first:
            board = BoardWriter(folder.path, recipe.picture_steps, trainer.step)
            trainer.board = stack.enter_context(closing(board))
        stack.enter_context(_saving(trainer))
        while trainer.epoch < recipe.epochs:
            left = (trainer.epoch + 1) * recipe.epoch_steps - trainer.step
            for batch in islice(_stoppable(batches, trainer), left):
                trainer.learn(batch)
                for callback in callbacks:
                    callback.after_step(trainer)
                progress.update()
                progress.set_postfix(trainer.progress(), refresh=False)
                trainer.stop_if_told()
                if trainer.step % recipe.checkpoint_steps == 0:
                    trainer.save()
            trainer.finish_epoch(asked, card)
            for callback in callbacks:
                callback.after_epoch(trainer)
    return folder.model


@contextmanager
def _saving(trainer: Trainer) -> Iterator[None]:
    """Within the block a run that is told to end does so between two steps, and leaves a checkpoint."""
    with trainer.stop.deferring():
        try:
            yield
        except RunStopped as stopped:
            trainer.save()
            trainer.world.wait()  # the launcher ends the others when one has ended
            raise RunStopped(stopped.signal, trainer.step, trainer.recipe.steps) from None


def _stoppable(batches: Iterator[Batch], trainer: Trainer) -> Iterator[Batch]:
    """The batches; waiting for one may be long, so one process alone then ends at once."""
    is_alone = trainer.world.size == 1
    while True:
        with trainer.stop.at_once() if is_alone else nullcontext():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def load(
    recipe: Recipe, samples: Samples, step: int, world: World | None = None
) -> Generator[Batch, None, None]:
    """Batches from a step on, to the end of the recipe; of each, the part that is this process's.

    Its workers end with it, or when it is closed.
    """
    world = world or World()
    share = world.share(recipe.batch_size)
    firsts = range(step * recipe.batch_size, recipe.steps * recipe.batch_size, recipe.batch_size)
    numbers = [first + world.rank * share + i for first in firsts for i in range(share)]
    workers = workers_of(recipe, world)
    loader = DataLoader(
        samples,
        batch_size=share,
        sampler=numbers,
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=begin_worker if workers else None,
        pin_memory=world.device.type == "cuda",
    )
    with closing(each_of(loader)) as each:
        yield from unbroken(each)
