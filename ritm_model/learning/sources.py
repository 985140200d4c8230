"""What is learnt from: photographs of one or several sources, mixed in proportions.

What a photograph holds is only read when it is drawn. `ritm_model.learning.recipe_data` finds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ritm_model.checkpoints import TrainingCard
from ritm_model.errors import TrainingError
from ritm_model.learning.held_out import is_held_out
from ritm_model.learning.photographs import TrainingPhotograph
from ritm_model.learning.recipes import Recipe

OTHER_SOURCES = "other"


@dataclass(frozen=True, slots=True)
class TrainingSource:
    """Photographs that are drawn alike.

    Attributes:
        name: for messages and the card of the model.
        photographs: at least one.
        weight: chance of the source, over the sum of all.
        chances: of its photographs, which sum up to 1; None for even ones.
    """

    name: str
    photographs: tuple[TrainingPhotograph, ...] = field(repr=False)
    weight: float
    chances: npt.NDArray[np.float64] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LearningData:
    """Photographs to learn from, and those that only tell how good the model is."""

    sources: tuple[TrainingSource, ...]
    held_out: tuple[TrainingPhotograph, ...] = field(repr=False)


def draw(sources: Sequence[TrainingSource], random: np.random.Generator) -> TrainingPhotograph:
    """Draw a source by its weight, then one of its photographs."""
    weights = np.array([source.weight for source in sources])
    source = sources[random.choice(len(sources), p=weights / weights.sum())]
    if source.chances is None:
        return source.photographs[random.integers(len(source.photographs))]
    return source.photographs[random.choice(len(source.photographs), p=source.chances)]


def divide(
    photographs: Iterable[TrainingPhotograph], share: float
) -> tuple[tuple[TrainingPhotograph, ...], tuple[TrainingPhotograph, ...]]:
    """Split photographs into those to learn from and a share that is held out for validation."""
    learning: list[TrainingPhotograph] = []
    held_out: list[TrainingPhotograph] = []
    for photograph in photographs:
        (held_out if is_held_out(photograph.name, share) else learning).append(photograph)
    return tuple(learning), tuple(held_out)


def by_collection(
    photographs: Sequence[TrainingPhotograph], weights: dict[str, float]
) -> tuple[TrainingSource, ...]:
    """Group photographs by the collection they come from.

    Args:
        photographs: of one data set.
        weights: of the collections; "other" is for all that are not named, together. Empty to draw all
            photographs evenly.

    Raises:
        TrainingError: none of the photographs is of a collection that has a weight.
    """
    if not weights:
        return (TrainingSource("", tuple(photographs), 1.0),)
    groups: dict[str, list[TrainingPhotograph]] = {}
    for photograph in photographs:
        name = photograph.source if photograph.source in weights else OTHER_SOURCES
        groups.setdefault(name, []).append(photograph)
    sources = [
        TrainingSource(name, tuple(group), weights[name])
        for name, group in groups.items()
        if weights.get(name, 0) > 0
    ]
    if not sources:
        raise TrainingError("No photograph is of a source that has a weight.")
    return tuple(sources)


def describe(recipe: Recipe, sources: Sequence[TrainingSource]) -> TrainingCard:
    """What the card of the model says of its origin: recipe, sources and licences of the photographs."""
    photographs = [photograph for source in sources for photograph in source.photographs]
    counts = [photograph.objects for photograph in photographs]
    total = f"{len(photographs)} photographs"
    if None not in counts:
        total += f", {sum(count or 0 for count in counts)} objects"
    listed = [
        ", ".join(f"{name or 'unnamed'} ({count})" for name, count in Counter(names).most_common())
        for names in (
            [photograph.source for photograph in photographs],
            [photograph.licence for photograph in photographs],
        )
    ]
    return TrainingCard(
        summary=recipe.about,
        trained_on=f"{total}: {listed[0]}",
        licence=f"learnt from photographs under {listed[1]}",
        recipe=recipe.name,
    )
