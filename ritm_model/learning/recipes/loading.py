"""From a name or file, and overrides, to a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import TypeAlias, get_args

import yaml
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from ritm_model.errors import TrainingError, suggestion
from ritm_model.learning.recipes.renamed import new_name, with_new_names
from ritm_model.learning.recipes.schema import Recipe
from ritm_model.yaml_text import read_yaml

SUFFIX = ".yaml"
Tree: TypeAlias = dict[str, JsonValue]
TREE: TypeAdapter[Tree] = TypeAdapter(Tree)
VALUE: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)


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
    return parse_recipe(_text(name_or_path), name_or_path, overrides)


def parse_recipe(text: str, source: str, overrides: Iterable[str] = ()) -> Recipe:
    """Check the YAML text of a recipe; `source` is what errors call it.

    With `extends: NAME` it says only what is different from another recipe, name or path as above.
    """
    tree = _extended(_tree(text, source), source, (source,))
    for override in overrides:
        _override(tree, override)
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise TrainingError(f"{source}: {_problem(error)}.") from None


def _text(name_or_path: str) -> str:
    if name_or_path.endswith((SUFFIX, ".yml")):
        try:
            return Path(name_or_path).read_text(encoding="utf-8")
        except OSError as error:
            raise TrainingError(f"{name_or_path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise TrainingError(f"{name_or_path} is not text.") from None
    if name_or_path in recipe_names():
        return (resources.files(__package__) / f"{name_or_path}{SUFFIX}").read_text(encoding="utf-8")
    known = ", ".join(recipe_names())
    raise TrainingError(
        f"There is no recipe '{name_or_path}'{suggestion(name_or_path, recipe_names())}; "
        f"known ones are {known}, or give the path of a .yaml file."
    )


def _tree(text: str, source: str) -> Tree:
    try:
        tree = TREE.validate_python(read_yaml(text))
    except ValidationError:
        raise TrainingError(f"{source} is not a recipe in YAML.") from None
    except ValueError as error:
        raise TrainingError(f"{source} is not a recipe in YAML: {error}.") from None
    return with_new_names(tree, source)


def _extended(tree: Tree, source: str, seen: tuple[str, ...]) -> Tree:
    """Put what a recipe says on top of what the one it extends says."""
    base = tree.pop("extends", None)
    if base is None:
        return tree
    if not isinstance(base, str):
        raise TrainingError(f"{source}: extends must be the name of a recipe.")
    if base in seen:
        raise TrainingError(f"{source} extends itself.")
    return _merged(_extended(_tree(_text(base), base), base, (*seen, base)), tree)


def _merged(below: Tree, above: Tree) -> Tree:
    """Parts are merged; lists and values are replaced."""
    merged = dict(below)
    for name, value in above.items():
        old = merged.get(name)
        merged[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def recipe_yaml(recipe: Recipe) -> str:
    """Write a recipe out in full, defaults included; `parse_recipe` takes it back."""
    text: str = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    return text


def _override(tree: Tree, override: str) -> None:
    path, equals, value = override.partition("=")
    *parts, last = new_name(path.strip(), "--set").split(".")
    if not equals or not last:
        raise TrainingError(f"An override has the form name=value, such as batch_size=8, not '{override}'.")
    for part in parts:
        branch = tree.setdefault(part, {})
        if not isinstance(branch, dict):
            raise TrainingError(f"'{part}' in '{override}' has no parts.")
        tree = branch
    try:
        tree[last] = VALUE.validate_python(read_yaml(value))
    except ValueError:
        raise TrainingError(f"The value in '{override}' is not YAML.") from None


def _problem(error: ValidationError) -> str:
    """The first problem; an unknown name first of all, with the known one that is most like it."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    unknown = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    problem = (unknown or problems)[0]
    where = ".".join(str(part) for part in problem["loc"])
    if not unknown:
        return f"{where}: {problem['msg']}" if where else problem["msg"]
    return f"there is no '{where}'{suggestion(str(problem['loc'][-1]), _names_at(problem['loc'][:-1]))}"


def _names_at(location: tuple[int | str, ...]) -> tuple[str, ...]:
    part: type[BaseModel] = Recipe
    for name in location:
        if isinstance(name, str):
            annotation = part.model_fields[name].annotation
            inner = (annotation, *get_args(annotation))  # a part, or a list of parts
            part = next(kind for kind in inner if isinstance(kind, type) and issubclass(kind, BaseModel))
    return tuple(part.model_fields)
