"""From a name or file, and overrides, to a recipe."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from ritm_model.learning.errors import TrainingError
from ritm_model.learning.recipes.schema import Recipe

SUFFIX = ".yaml"
TREE = TypeAdapter(dict[str, JsonValue])


def recipe_names() -> tuple[str, ...]:
    """The recipes that come with the package."""
    files = resources.files(__package__).iterdir()
    return tuple(sorted(file.name.removesuffix(SUFFIX) for file in files if file.name.endswith(SUFFIX)))


def load_recipe(name_or_path: str, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe of the package by its name, or a YAML file by its path.

    Args:
        name_or_path: what ends in .yaml or .yml is a path.
        overrides: such as "optimiser.learning_rate=0.001"; values are YAML.

    Raises:
        TrainingError: no such recipe, or it says what no recipe may say.
    """
    if name_or_path.endswith((SUFFIX, ".yml")):
        try:
            text = Path(name_or_path).read_text(encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"{name_or_path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise TrainingError(f"{name_or_path} is not text.") from None
    elif name_or_path in recipe_names():
        text = (resources.files(__package__) / f"{name_or_path}{SUFFIX}").read_text(encoding="utf-8")
    else:
        known = ", ".join(recipe_names())
        raise TrainingError(
            f"There is no recipe '{name_or_path}'{_suggestion(name_or_path, recipe_names())}; "
            f"known ones are {known}, or give the path of a .yaml file."
        )
    return parse_recipe(text, name_or_path, overrides)


def parse_recipe(text: str, source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Check the YAML text of a recipe; `source` is what errors call it."""
    try:
        tree = TREE.validate_python(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError):
        raise TrainingError(f"{source} is not a recipe in YAML.") from None
    for override in overrides:
        _override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise TrainingError(f"{source}: {_problem(error)}.") from None


def recipe_yaml(recipe: Recipe) -> str:
    """Write a recipe out in full, defaults included; `parse_recipe` takes it back."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    return text


def _override(tree: dict[str, JsonValue], override: str) -> None:
    path, equals, value = override.partition("=")
    *parts, last = path.strip().split(".")
    if not equals or not last:
        raise TrainingError(f"An override has the form name=value, such as batch_size=8, not '{override}'.")
    for part in parts:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            raise TrainingError(f"'{part}' in '{override}' has no parts.")
        tree = branch
    try:
        tree[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise TrainingError(f"The value in '{override}' is not YAML.") from None


def _problem(error: ValidationError) -> str:
    """The first problem; an unknown name first of all, with the known one that is most like it."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    where = ".".join(str(part) for part in problem["loc"])
    if not unknown:
        return f"{where}: {problem['msg']}" if where else problem["msg"]
    return f"there is no '{where}'{_suggestion(str(problem['loc'][-1]), _names_at(problem['loc'][:-1]))}"


def _names_at(location: tuple[int | str, ...]) -> tuple[str, ...]:
    part: type[BaseModel] = Recipe
    for name in location:
        annotation = part.model_fields[str(name)].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        part = annotation
    return tuple(part.model_fields)


def _suggestion(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""
