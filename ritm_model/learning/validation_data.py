"""The validation split of a recipe as a data set, so that models can be evaluated on it.

Shapes: H x W the photograph.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ritm_model.datasets import Roots
from ritm_model.datasets.photograph import About, Collection, Region
from ritm_model.datasets.problems import ConversionError
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import Recipe
from ritm_model.learning.validation import ValidationObject, questions


@dataclass(frozen=True, slots=True)
class AskedPhotograph:
    """A photograph and the objects on it that the validation asks for, at least one."""

    asked: tuple[ValidationObject, ...]

    @property
    def name(self) -> str:
        return self.asked[0].photograph.name

    @property
    def image(self) -> Path:
        return self.asked[0].photograph.image

    @property
    def truth(self) -> str:
        return self.asked[0].photograph.variants[0].truth

    @property
    def about(self) -> About:
        photograph = self.asked[0].photograph
        return About(source=photograph.source, license=photograph.licence)

    def regions(self, height: int, width: int) -> Iterator[Region]:
        """The objects; whatever else is annotated is background."""
        del height, width  # those of the scene, or the conversion says so
        scene = self.asked[0].scene()
        instances = tuple(question.instance for question in self.asked)
        for instance in instances:
            key = f"{instance.layer}:{instance.value}"
            yield Region(scene.mask(instance), key, ignored_HW=scene.ignored_HW)


def held_out(recipe: Recipe, where: Path | Roots) -> Collection:
    """Find the objects that a recipe validates on.

    Args:
        recipe: says how many, and which photographs are held out.
        where: as for training; see `open_data`.

    Raises:
        ConversionError: the recipe holds no photograph out.
        RitmError: something is missing or broken; it is named.
    """
    by_name: dict[str, list[ValidationObject]] = {}
    for question in questions(open_data(recipe, where).held_out, recipe.validation.objects):
        by_name.setdefault(question.photograph.name, []).append(question)
    if not by_name:
        raise ConversionError(f"The recipe {recipe.name} has no validation split.")
    return Collection([AskedPhotograph(tuple(asked)) for asked in by_name.values()])
