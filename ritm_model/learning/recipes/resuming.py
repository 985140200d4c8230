"""What may be different when a run is resumed.

What changes its weights must be the same, or be changed on purpose. The rest may be as you like.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from typing import TypeAlias

from pydantic import BaseModel, JsonValue

from ritm_model.errors import TrainingError
from ritm_model.learning.recipes.renamed import new_name
from ritm_model.learning.recipes.schema import Recipe

WITHOUT_INFLUENCE = frozenset(
    {
        "name",
        "about",
        "data.folder",
        "data.workers",
        "data.max_broken_share",
        "validation.objects",
        "validation.clicks",
        "device",
        "checkpoint_steps",
        "keep_models",
        "max_skipped_share",
        "log_steps",
        "picture_steps",
    }
)
"""What does not change the weights of a run, but for the rounding of another device."""

LASTING = {
    "model.family": "the checkpoint is of another network",
    "model.params": "the checkpoint is of another network",
    "optimiser.name": "the checkpoint has the state of another optimiser",
    "batch_size": "the steps that are done would be other samples",
    "epoch_samples": "the steps that are done would be other epochs",
}
"""What cannot be changed on the way, and why."""

Changes: TypeAlias = dict[str, tuple[JsonValue, JsonValue]]
"""By dotted names: the values of two recipes where they differ."""


def changes(before: Recipe, now: Recipe) -> Changes:
    """Find where two recipes differ."""
    ours, theirs = dict(_leaves(before)), dict(_leaves(now))
    return {name: (value, theirs[name]) for name, value in ours.items() if value != theirs[name]}


def fingerprint(recipe: Recipe) -> str:
    """Eight letters for all that changes the weights."""
    values = {name: value for name, value in _leaves(recipe) if name not in WITHOUT_INFLUENCE}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:8]


def resumed_with(before: Recipe, now: Recipe, overrides: Iterable[str], run: str) -> Changes:
    """Check that a run of one recipe may go on with another one.

    Args:
        before: of the run.
        now: to go on with.
        overrides: "name=value" of what is changed on purpose.
        run: what errors call it.

    Returns:
        What changes its weights and is changed on purpose.

    Raises:
        TrainingError: something else would change its weights, or something cannot be changed.
    """
    meant = [new_name(override.partition("=")[0].strip(), "--resume-with") for override in overrides]
    found = {name: values for name, values in changes(before, now).items() if name not in WITHOUT_INFLUENCE}
    if unmeant := [name for name in found if not _is_among(name, meant)]:
        listed = ", ".join(f"{name}: {found[name][0]} before, {found[name][1]} now" for name in unmeant)
        raise TrainingError(
            f"{run} holds a run of another recipe ({listed}); give another folder, the same recipe to go on "
            f"with it, or --resume-with {unmeant[0]}=VALUE to change that on the way."
        )
    if lasting := [name for name in found if name in LASTING]:
        raise TrainingError(f"{lasting[0]} of the run in {run} cannot be changed: {LASTING[lasting[0]]}.")
    return found


def _is_among(name: str, meant: Collection[str]) -> bool:
    """Whether a value is named, or a part that has it, or a part of it."""
    return any(f"{name}.".startswith(f"{each}.") or each.startswith(f"{name}.") for each in meant)


def _leaves(part: BaseModel, prefix: str = "") -> Iterator[tuple[str, JsonValue]]:
    values = part.model_dump(mode="json")
    for name in type(part).model_fields:
        member = getattr(part, name)
        if isinstance(member, BaseModel):
            yield from _leaves(member, f"{prefix}{name}.")
        else:
            yield prefix + name, values[name]
