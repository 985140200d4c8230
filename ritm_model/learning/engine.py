"""From a recipe, a pack and a folder to a model: the whole of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from ritm_model.checkpoints import TrainingCard
from ritm_model.learning.augment import pipeline
from ritm_model.learning.data import Samples, collate
from ritm_model.learning.errors import TrainingError
from ritm_model.learning.pack import PackEntry, is_for_validation, read_pack, with_licence
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.run_folder import RunFolder
from ritm_model.learning.sampling import ClickSampler
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
    learning, kept_out = split(recipe, read_pack(data))
    folder.prepare(recipe)
    samples = make_samples(recipe, data, learning)
    asked = questions(kept_out, recipe.data.min_object_share, recipe.validation.objects)
    trainer = Trainer(recipe, folder)
    trainer.resume()
    card = describe(recipe, learning)

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
            trainer.finish_epoch(data, asked, card)
    return folder.model


def split(
    recipe: Recipe, entries: tuple[PackEntry, ...]
) -> tuple[tuple[PackEntry, ...], tuple[PackEntry, ...]]:
    """What is learnt from and what is kept out, of the entries that the recipe allows."""
    part = recipe.data
    usable = [
        entry
        for entry in with_licence(entries, part.licence_classes)
        if entry.instances(part.min_object_share)
    ]
    learning = tuple(entry for entry in usable if not is_for_validation(entry, part.validation_share))
    if not learning:
        raise TrainingError("Nothing is left to learn from: check the licence classes of the recipe.")
    return learning, tuple(entry for entry in usable if is_for_validation(entry, part.validation_share))


def describe(recipe: Recipe, learning: tuple[PackEntry, ...]) -> TrainingCard:
    """What the card of the model says of its origin: recipe, sources and licences of the photographs."""
    photographs = {entry.image: entry for entry in learning}
    objects = sum(len(entry.instances(recipe.data.min_object_share)) for entry in learning)
    sources = Counter(entry.source for entry in photographs.values())
    licences = Counter(entry.license for entry in photographs.values())
    listed = [
        ", ".join(f"{name or 'unnamed'} ({count})" for name, count in counter.most_common())
        for counter in (sources, licences)
    ]
    return TrainingCard(
        summary=recipe.about,
        trained_on=f"{len(photographs)} photographs, {objects} objects: {listed[0]}",
        licence=f"learnt from photographs under {listed[1]}",
        recipe=recipe.name,
    )


def make_samples(recipe: Recipe, data: Path, entries: tuple[PackEntry, ...]) -> Samples:
    part, clicks = recipe.data, recipe.clicks
    sampler = ClickSampler(
        max_points=clicks.max_points,
        gamma=clicks.gamma,
        merge_chance=clicks.merge_chance,
        centre_first=clicks.centre_first,
    )
    return Samples(
        folder=data,
        entries=entries,
        source_weights=part.source_weights,
        transforms=pipeline(part.augmentation, part.crop),
        sampler=sampler,
        seed=recipe.seed,
        min_share=part.min_object_share,
        min_area=part.min_area,
        keep_background=part.keep_background,
        paste_chance=part.paste_chance,
    )


def load(recipe: Recipe, samples: Samples, step: int) -> Iterator[Batch]:
    """Batches from a step on, to the end of the recipe."""
    numbers = range(step * recipe.batch_size, recipe.steps * recipe.batch_size)
    workers = recipe.data.workers
    return iter(
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
